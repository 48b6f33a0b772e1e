"""The price of a parcel by its weight."""

STEPS = ((2, 490), (5, 690), (10, 950), (31, 1690))
"""Kilograms up to which a price in cents holds."""


def price(kilograms: float) -> int:
    """Cents for a parcel. Raises `ValueError` for one that is too heavy."""
    for most, cents in STEPS:
        if kilograms <= most:
            return cents
    raise ValueError(f"{kilograms} kg is more than {STEPS[-1][0]} kg")
