"""
The nodes that have one inbox in PostgreSQL: each tells the others of itself, and hears of them.

`table.py` is what is said to the database, `neighbours.py` when, `desk.py` what the web side is
told, with a database or without.
"""
