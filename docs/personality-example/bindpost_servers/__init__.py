"""Personalities of bindpost that speak like Postfix, Exim and qmail."""
