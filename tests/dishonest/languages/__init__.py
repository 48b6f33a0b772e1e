"""Plays in six languages with real runners: changes that a gate must refuse, and changes that it must let pass.

`play` has the type, one file per language the data, `outcome` plays one, `table` counts, `selfcheck` checks the plays.
"""

from __future__ import annotations
