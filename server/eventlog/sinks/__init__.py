"""The sinks: syslog, the journal, the Windows event log, an NT log file."""
