"""Reads expenses from CSV lines."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


@dataclass(frozen=True)
class Expense:
    """What somebody paid. `weights` says for whom, and how many shares each of them has."""

    payer: str
    cents: int
    what: str
    weights: dict[str, int]


class BadLedger(ValueError):
    """A line cannot be read; the message says which and why."""


def read(lines: Iterable[str]) -> list[Expense]:
    """The expenses in CSV lines with the columns payer, amount, what, for."""
    return [_expense(number, row) for number, row in enumerate(csv.DictReader(lines), 2)]


def _expense(number: int, row: dict[str, str]) -> Expense:
    try:
        cents = int(Decimal(row["amount"]) * 100)
        weights = dict(_weight(word) for word in row["for"].split())
        return Expense(row["payer"].strip(), cents, row["what"].strip(), weights)
    except (KeyError, AttributeError, InvalidOperation, ValueError) as error:
        raise BadLedger(f"line {number}: expected payer,amount,what,for, got {row}") from error


def _weight(word: str) -> tuple[str, int]:
    name, _, weight = word.partition(":")
    return name, int(weight or 1)
