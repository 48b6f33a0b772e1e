"""The repository's checks in a contract: replaced when the policy changes, marked with their state on the base commit.
Pure; called by `jobs.contract.agreement` and `jobs.workflow`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from integrations.results import BaseCheck
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Contract, Criterion

_ORIGIN = "repository check"


def build_checks(policy: RepositoryPolicy) -> tuple[Criterion, ...]:
    """The checks of the policy as k1, k2, …."""
    return tuple(
        Criterion(id=f"k{number}", text=f"{check.name} ({_ORIGIN})", command=check.run)
        for number, check in enumerate(policy.loop.checks, 1)
    )


def is_check(criterion: Criterion) -> bool:
    """Whether the criterion comes from the policy, not from people."""
    return criterion.id.startswith("k")


def replace_checks(contract: Contract, policy: RepositoryPolicy) -> Contract:
    """The contract with the policy's present checks, as a new version if they differ. Other criteria stay."""
    checks = build_checks(policy)
    if [(c.id, c.command) for c in checks] == [(c.id, c.command) for c in contract.criteria if is_check(c)]:
        return contract
    agreed = [c for c in contract.criteria if c.id.startswith("c")]
    requested = [c for c in contract.criteria if not c.id.startswith("c") and not is_check(c)]
    return replace(contract, criteria=(*agreed, *checks, *requested), version=contract.version + 1)


def mark_checks(contract: Contract, found: Iterable[BaseCheck], branch: str) -> Contract:
    """The contract with the state of each check on the base branch. A command that a criterion of the ticket names too
    has none: to make it pass is the work."""
    goals = {criterion.command for criterion in contract.criteria if not is_check(criterion)}
    states = {check.command: check.state for check in found if check.command not in goals}
    notes = {"": "", "failing": f", already failing on {branch}", "flaky": f", flaky on {branch}"}
    marked = []
    for criterion in contract.criteria:
        if is_check(criterion):
            state = states.get(criterion.command, "")
            name = criterion.text.rpartition(f" ({_ORIGIN}")[0]
            criterion = replace(criterion, base=state, text=f"{name} ({_ORIGIN}{notes[state]})")
        marked.append(criterion)
    return replace(contract, criteria=tuple(marked))
