"""`python3 -m parcels WEIGHT` prints the price in cents."""

import sys

from parcels.rates import price

print(price(float(sys.argv[1])))
