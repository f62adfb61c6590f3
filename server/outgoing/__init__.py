"""What bindpost asks of the outside by HTTP: where a request may go, and how it is made."""
