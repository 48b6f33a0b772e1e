"""Jot: a toy tracker whose board is a JSON file, with signed webhooks."""
