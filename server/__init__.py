"""The server: SMTP, store, event log, web, put together in `app`."""
