"""The link check: whether what a mail links to is there; only ever done when somebody asks."""
