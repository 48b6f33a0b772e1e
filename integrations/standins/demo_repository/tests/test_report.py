"""Adding up."""

import unittest

from tally.ledger import Expense
from tally.report import balances, settle, table

TAXI = Expense("Ada", 2400, "taxi", {"Ada": 1, "Bo": 1, "Cy": 1})


class Adding(unittest.TestCase):
    def test_balances(self) -> None:
        self.assertEqual(balances([TAXI]), {"Ada": 1600, "Bo": -800, "Cy": -800})

    def test_payments_make_everybody_even(self) -> None:
        self.assertEqual(settle({"Ada": 1700, "Bo": -600, "Cy": -1100}), [("Cy", "Ada", 1100), ("Bo", "Ada", 600)])

    def test_table(self) -> None:
        self.assertEqual(table({"Ada": 1600, "Bo": -800}), "Ada       +16.00\nBo         -8.00")
