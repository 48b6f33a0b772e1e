"""Counts the items of a warehouse in PostgreSQL."""
