"""Dividing amounts."""

import unittest

from tally.shares import split


class Splitting(unittest.TestCase):
    def test_equal_parts(self) -> None:
        self.assertEqual(split(900, {"Ada": 1, "Bo": 1, "Cy": 1}), {"Ada": 300, "Bo": 300, "Cy": 300})

    def test_parts_by_weight(self) -> None:
        self.assertEqual(split(900, {"Ada": 2, "Bo": 1}), {"Ada": 600, "Bo": 300})
