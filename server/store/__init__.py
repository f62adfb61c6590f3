"""Stores: where acknowledged messages live."""
