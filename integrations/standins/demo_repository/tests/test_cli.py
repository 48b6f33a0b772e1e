"""The command line."""

import contextlib
import io
import unittest
from pathlib import Path

from tally.cli import main

TRIP = str(Path(__file__).parent.parent / "examples" / "trip.csv")


class CommandLine(unittest.TestCase):
    def test_balances(self) -> None:
        self.assertIn("Ada", self.output(TRIP))

    def test_payments(self) -> None:
        self.assertIn("pays Ada", self.output(TRIP, "--settle"))

    def test_a_missing_file_is_named(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(main(["nowhere.csv"]), 2)
        self.assertIn("nowhere.csv", errors.getvalue())

    def output(self, *argv: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(main(argv), 0)
        return printed.getvalue()
