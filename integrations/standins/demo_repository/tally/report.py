"""Adds up who paid and who owes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from .ledger import Expense
from .shares import split


def balances(expenses: Iterable[Expense]) -> dict[str, int]:
    """Cents by name, sorted by name: what was paid minus what was used."""
    result: dict[str, int] = defaultdict(int)
    for expense in expenses:
        result[expense.payer] += expense.cents
        for name, share in split(expense.cents, expense.weights).items():
            result[name] -= share
    return dict(sorted(result.items()))


def settle(balance: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Payments (from, to, cents) after which everybody is even, the largest debts first."""
    debts = sorted((cents, name) for name, cents in balance.items() if cents < 0)
    credits = sorted(((cents, name) for name, cents in balance.items() if cents > 0), reverse=True)
    payments = []
    while debts and credits:
        (owed, debtor), (due, creditor) = debts.pop(0), credits.pop(0)
        cents = min(-owed, due)
        payments.append((debtor, creditor, cents))
        if owed + cents:
            debts.insert(0, (owed + cents, debtor))
        if due - cents:
            credits.insert(0, (due - cents, creditor))
    return payments


def money(cents: int, sign: bool = False) -> str:
    """'12.34'; with `sign` also a plus."""
    return f"{cents / 100:+.2f}" if sign else f"{cents / 100:.2f}"


def table(balance: Mapping[str, int]) -> str:
    """One line for each person."""
    return "\n".join(f"{name:<8}{money(cents, sign=True):>8}" for name, cents in balance.items())
