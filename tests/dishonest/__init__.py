"""Proof that done means done: scripted makers, checkers and judges, each played through the real pipeline.

`plays` holds the data, `stage` plays one, `report` counts; pytest and `python -m tests.dishonest --report` share all.
"""

from __future__ import annotations
