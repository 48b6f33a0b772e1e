"""Splits shared expenses: who owes whom, to the cent."""
