"""The application log: how the catalogue's events are rendered and where they go."""
