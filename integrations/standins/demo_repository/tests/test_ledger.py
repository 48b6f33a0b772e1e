"""Reading expenses."""

import unittest

from tally.ledger import BadLedger, Expense, read

HEADER = "payer,amount,what,for"


class Reading(unittest.TestCase):
    def test_an_expense(self) -> None:
        expected = [Expense("Ada", 2400, "taxi", {"Ada": 1, "Bo": 1})]
        self.assertEqual(read([HEADER, "Ada,24.00,taxi,Ada Bo"]), expected)

    def test_weights(self) -> None:
        self.assertEqual(read([HEADER, "Bo,9,pizza,Ada:2 Bo"])[0].weights, {"Ada": 2, "Bo": 1})

    def test_a_bad_line_is_named(self) -> None:
        with self.assertRaisesRegex(BadLedger, "line 3"):
            read([HEADER, "Ada,1,x,Ada", "Ada,much,x,Ada"])
