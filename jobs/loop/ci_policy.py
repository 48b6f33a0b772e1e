"""Keys below `loop.ci` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from integrations.ports.pull_request import HostCheck
from integrations.values import value
from jobs.loop.policy_fields import Lines

WaitMinutes = Annotated[float, Field(ge=0, le=10_080)]


@value
class CiPolicy:
    """How the code host's checks count. Globs match the name of a check, or its workflow and name as 'CI / build'."""

    ignore: Lines = ()
    """Globs of checks that do not count and are not shown, unless a rule of the code host requires them."""
    advisory: Lines = ()
    """Globs of checks that are shown, but neither waited for nor fixed, unless a rule requires them."""
    review: Literal["after", "before"] = "after"
    """Whether the ticket moves to the review column after or before the checks pass."""
    rounds: int = Field(default=3, ge=0, le=20)
    """Fixing rounds of one pull request for failing checks; then a person is asked."""
    reruns: int = Field(default=2, ge=0, le=5)
    """Further attempts of failing checks that look flaky, per commit."""
    missing_minutes: WaitMinutes = 15.0
    """Wait in minutes for the first check of a commit."""
    pending_minutes: WaitMinutes = 60.0
    """Wait in minutes until checks that have not ended are reported on the ticket."""

    def counts(self, check: HostCheck) -> bool:
        """Whether the check is shown."""
        return check.required or not _matches(self.ignore, check)

    def is_decisive(self, check: HostCheck) -> bool:
        """Whether the check has to pass."""
        return check.required or not _matches((*self.ignore, *self.advisory), check)


def _matches(globs: tuple[str, ...], check: HostCheck) -> bool:
    names = (check.name, f"{check.group} / {check.name}")
    return any(fnmatchcase(name, one) for one in globs for name in names)
