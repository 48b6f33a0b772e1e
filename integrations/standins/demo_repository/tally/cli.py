"""The command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .ledger import BadLedger, read
from .report import balances, money, settle, table


def main(argv: Sequence[str]) -> int:
    """Exit code: 0, or 2 when the file cannot be read."""
    options = _parser().parse_args(argv)
    try:
        balance = balances(read(options.file.read_text().splitlines()))
    except (OSError, BadLedger) as error:
        sys.stderr.write(f"tally: {error}\n")
        return 2
    sys.stdout.write(_answer(balance, options) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tally", description="Who owes whom, to the cent.")
    parser.add_argument("file", type=Path, help="CSV file with the columns payer, amount, what, for")
    parser.add_argument("--settle", action="store_true", help="show the payments that make everybody even")
    return parser


def _answer(balance: dict[str, int], options: argparse.Namespace) -> str:
    if options.settle:
        return "\n".join(f"{debtor} pays {creditor} {money(cents)}" for debtor, creditor, cents in settle(balance))
    return table(balance)
