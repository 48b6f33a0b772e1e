"""`python3 -m tally`."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
