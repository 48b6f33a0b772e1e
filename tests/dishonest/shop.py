"""The repository that every scenario begins with: a shop whose prices can fall below zero, with one red test.

Texts only, used by `plays` and laid out by `stage`. Its tests need nothing but Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

CHECK = "python3 -m unittest -q"
CODE, TESTS = "shop/price.py", "tests/test_price.py"

BROKEN = '''"""What things cost."""


def price(cents: int, percent: int) -> int:
    """The price in cents after a discount."""
    return cents - cents * percent // 100
'''
MENDED = BROKEN.replace("return cents - cents * percent // 100", "return max(0, cents - cents * percent // 100)")
NEVER_NEGATIVE = """
    def test_a_price_is_never_negative(self) -> None:
        self.assertEqual(price(1000, 150), 0)
"""
TEST_CODE = f'''"""What things cost."""

import unittest

from shop.price import price


class Prices(unittest.TestCase):
    def test_without_a_discount(self) -> None:
        self.assertEqual(price(1000, 0), 1000)

    def test_half_price(self) -> None:
        self.assertEqual(price(1000, 50), 500)
{NEVER_NEGATIVE}'''

FILES: Mapping[str, str] = {
    "README.md": "# shop\n\nPrices in whole cents. `python3 -m unittest -q` runs the tests.\n",
    "AGENTS.md": "# For agents\n\n- Standard library only. Every change of behaviour comes with a test.\n",
    "Makefile": "check:\n\tpython3 -m unittest -q\n",
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n\n[tool.ruff]\nline-length = 100\n',
    ".gitignore": "__pycache__/\n",
    ".github/workflows/ci.yml": "on: push\njobs: {test: {runs-on: ubuntu-latest, steps: [{run: make check}]}}\n",
    "shop/__init__.py": "",
    CODE: BROKEN,
    "tests/__init__.py": "",
    TESTS: TEST_CODE,
}


@dataclass(frozen=True)
class Ticket:
    """What a person wrote."""

    title: str
    description: str


TICKET = Ticket(
    "A discount above 100 percent pays the customer",
    "`price(1000, 150)` is -500.\n\n## Done when\n\n"
    f"- `{CHECK}` passes\n- a price is never negative, whatever the amount and the discount\n",
)
GREEN = {CODE: MENDED}
"""Laid over the files: the work is done already."""


def workflow(policy: Mapping[str, Any], turns: int) -> str:
    """WORKFLOW.md: one attempt of two iterations and no scout, unless the policy says otherwise."""
    own = {"checks": [], "attempts": 1, "iterations": 2, "scout": False, **policy}
    head = yaml.safe_dump({"agent": {"max_turns": turns}, "loop": own}, sort_keys=False)
    return (
        f"---\n{head}---\nYou work on `shop`. Money is whole cents. Make the smallest change that does what is asked.\n"
    )
