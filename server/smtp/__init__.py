"""SMTP: personality, policy, conversation, and the aiosmtpd subclass that speaks it on the wire."""
