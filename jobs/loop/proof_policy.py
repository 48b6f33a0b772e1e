"""Keys below `loop.proof` of `WORKFLOW.md`: how far the gate proves that the checks can fail. Values only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from integrations.values import value
from jobs.loop.policy_fields import Lines, Minutes


@value
class LayoutPolicy:
    """Path patterns that come before the built-in table of layouts."""

    product: Lines = ()
    """Product source."""
    tests: Lines = ()
    """Tests, with their data and snapshots."""
    configuration: Lines = ()
    """Files that configure checks, builds or runners."""


@value
class ProofPolicy:
    """How far the gate proves that a check that passes could have failed."""

    mode: Literal["full", "fast"] = "full"
    """full: all experiments. fast: without broken code and false expectations; the verdict says so."""
    minutes: Minutes = Field(default=30.0)
    """Time for all experiments with one commit; those that remain are named in the verdict as not run."""
    reports: Lines = ()
    """Path patterns of the reports that the checks write, JUnit XML or TAP, for runners that Loopline does not know."""
    layout: LayoutPolicy = LayoutPolicy()
