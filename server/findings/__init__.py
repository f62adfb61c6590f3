"""What a run of the lab finds, as plain values, and how it is drawn: lab makes it, web shows it."""
