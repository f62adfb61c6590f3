"""The HTML check: which features of a mail's HTML and CSS mail programs don't support."""
