"""State of a pull request's checks on the code host. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import HostCheck
from integrations.values import NO_COMMIT, CommitSha, value

CiNotice = Literal["missing", "pending"]
SHORT_LOG = 1_200
"""Characters of a failure's log in the board memory."""


@value
class CiState:
    """The checks of `head_sha`, the commit that was pushed last, and the fixing rounds of the pull request.

    `due_at` is when the checks are read next, `hinted_at` the first report since the last read, `since` the push or the
    last further attempt; all in Unix seconds, 0 for no such time."""

    due_at: float = 0.0
    hinted_at: float = 0.0
    since: float = 0.0
    head_sha: CommitSha = NO_COMMIT
    checks: tuple[HostCheck, ...] = ()
    """Those that count by the policy, of each name the newest."""
    base_failing: tuple[str, ...] = ()
    """Names of the checks that fail on the base commit."""
    base_flaky: tuple[str, ...] = ()
    """Names of the checks that passed and failed on the base commit."""
    is_expected: bool = False
    """Whether checks are waited for: the base commit has some, or a rule requires one."""
    required: tuple[str, ...] = ()
    """Names of the checks that a rule of the base branch requires."""
    reruns: int = 0
    """Further attempts of failing checks of this head that Loopline started."""
    rerun_ids: tuple[str, ...] = ()
    """Ids of the checks that got a further attempt."""
    flaky: tuple[str, ...] = ()
    """Names of the checks that failed and then passed on the same commit."""
    notices: tuple[CiNotice, ...] = ()
    """The comments about this head that are on the ticket."""
    rounds: int = 0
    """Fixing rounds of this pull request."""
    round_sha: CommitSha = NO_COMMIT
    """The commit whose failures the last round was about."""
    failures: tuple[CheckFailure, ...] = ()
    """The failures of the last round."""
    fingerprints: tuple[str, ...] = ()
    """Of the failures of each round."""

    def begin(self, head_sha: CommitSha, at: float) -> CiState:
        """The state after a push: rounds and known flaky checks are kept, of the same commit everything."""
        if head_sha == self.head_sha:
            return replace(self, since=at)
        return CiState(
            since=at,
            head_sha=head_sha,
            rounds=self.rounds,
            round_sha=self.round_sha,
            flaky=self.flaky,
            fingerprints=self.fingerprints,
        )

    def shorten(self) -> CiState:
        """The part that the board memory keeps."""
        failures = tuple(replace(one, log=one.log[-SHORT_LOG:], annotations=()) for one in self.failures[:3])
        checks = tuple(replace(one, summary="") for one in self.checks[:20])
        return replace(self, failures=failures, checks=checks)
