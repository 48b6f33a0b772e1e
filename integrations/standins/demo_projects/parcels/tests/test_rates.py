import unittest

from parcels.rates import price


class Rates(unittest.TestCase):
    def test_each_step_has_its_price(self) -> None:
        self.assertEqual([price(weight) for weight in (1, 2, 5, 10, 31)], [490, 490, 690, 950, 1690])

    def test_parcel_above_a_step_has_the_next_price(self) -> None:
        self.assertEqual(price(10.4), 1690)

    def test_parcel_that_is_too_heavy_is_refused(self) -> None:
        self.assertRaises(ValueError, price, 32)
