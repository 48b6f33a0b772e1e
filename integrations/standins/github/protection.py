"""Rules of a branch, from its rulesets and its classic protection, and how a pull request violates them.

Enforced on every merge, by a person, by auto-merge and by the merge queue. Messages are GitHub's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from integrations.standins.github.changes import (
    DECISIVE,
    changes,
    mergeable,
    newest_check_runs,
    newest_statuses,
)
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.problems import Problem
from integrations.standins.github.records import Pull, Review, ReviewComment
from integrations.standins.github.seed import ROLES, BranchProtection

PASSING = ("success", "neutral", "skipped")
METHODS = ("merge", "squash", "rebase")
CheckState = Literal["expected", "pending", "failing", "passing"]
RULE_VIOLATIONS = "Repository rule violations found"


@dataclass(frozen=True)
class Protection:
    """The strictest of all rules of a branch. `queue_method` is empty without a merge queue."""

    approvals: int = 0
    dismisses_stale: bool = False
    needs_other_pusher: bool = False
    needs_resolution: bool = False
    checks: tuple[str, ...] = ()
    is_strict: bool = False
    methods: tuple[str, ...] = METHODS
    queue_method: str = ""
    by_ruleset: bool = False

    @property
    def exists(self) -> bool:
        """Whether anything has to be fulfilled before a merge."""
        return bool(self.approvals or self.needs_resolution or self.checks or self.queue_method)


def protection_of(repository: Repository, branch: str) -> Protection:
    """The rules of a branch; only the default branch has some."""
    seeded = repository.seeded
    if branch != seeded.default_branch:
        return Protection(methods=tuple(seeded.merge_methods))
    rules = {rule["type"]: rule.get("parameters", {}) for rule in seeded.rules}
    reviews, tests = rules.get("pull_request", {}), rules.get("required_status_checks", {})
    classic = seeded.protection or BranchProtection()
    by_rule = [one["context"] for one in tests.get("required_status_checks", [])]
    allowed = reviews.get("allowed_merge_methods", METHODS)
    is_linear = "required_linear_history" in rules or classic.required_linear_history
    methods = [one for one in seeded.merge_methods if one in allowed and not (is_linear and one == "merge")]
    return Protection(
        approvals=max(reviews.get("required_approving_review_count", 0), classic.required_approving_review_count),
        dismisses_stale=reviews.get("dismiss_stale_reviews_on_push", False) or classic.dismiss_stale_reviews,
        needs_other_pusher=reviews.get("require_last_push_approval", False) or classic.require_last_push_approval,
        needs_resolution=reviews.get("required_review_thread_resolution", False)
        or classic.required_conversation_resolution,
        checks=tuple(dict.fromkeys([*by_rule, *classic.contexts])),
        is_strict=tests.get("strict_required_status_checks_policy", False) or classic.strict,
        methods=tuple(methods),
        queue_method=rules["merge_queue"].get("merge_method", "MERGE").lower() if "merge_queue" in rules else "",
        by_ruleset=bool(rules),
    )


def check_states(hub: Hub, repository: str, sha: str, names: Sequence[str]) -> dict[str, CheckState]:
    """The state of each of these checks on a commit: commit status or check run, the newest one."""
    found: dict[str, CheckState] = {}
    for status in newest_statuses(hub.store, repository, sha):
        failed = status.state in ("failure", "error")
        found[status.context] = "failing" if failed else "passing" if status.state == "success" else "pending"
    for run in newest_check_runs(hub.store, repository, sha):
        ended = "passing" if run.conclusion in PASSING else "failing"
        found[run.name] = ended if run.status == "completed" else "pending"  # type: ignore[assignment]
    return {name: found.get(name, "expected") for name in names}


def decisive_reviews(hub: Hub, pull: Pull) -> dict[str, Review]:
    """The decisive review of each reviewer: a later comment does not supersede it."""
    reviews = hub.store.all(Review, repository=pull.repository, number=pull.number)
    return {one.author: one for one in reviews if one.state in DECISIVE}


def decisions_of_writers(hub: Hub, repository: Repository, pull: Pull) -> dict[str, Review]:
    """Those that count for the rules."""
    return {login: one for login, one in decisive_reviews(hub, pull).items() if may_write(hub, repository, login)}


def may_write(hub: Hub, repository: Repository, login: str) -> bool:
    """Whether a person or an App has the role 'write'."""
    user = hub.user(login)
    role = user.permissions.get(repository.name, "none") if user else "write" if hub.app_of_bot(login) else "none"
    return ROLES.index(role) >= ROLES.index("write")


def unresolved_threads(hub: Hub, pull: Pull) -> list[ReviewComment]:
    """The first comments of the threads that are not resolved."""
    comments = hub.store.all(ReviewComment, repository=pull.repository, number=pull.number)
    return [one for one in comments if not one.in_reply_to and not one.resolved_by]


def is_behind(repository: Repository, pull: Pull) -> bool:
    """Whether the head does not contain the current base."""
    base = repository.git.head(pull.base)
    return bool(base) and not repository.git.is_ancestor(base or "", pull.head_sha)


def list_violations(hub: Hub, repository: Repository, pull: Pull) -> Iterator[str]:
    """What the pull request violates, one sentence each, apart from draft, conflict and merge method."""
    rules = protection_of(repository, pull.base)
    reviews = decisions_of_writers(hub, repository, pull)
    approvers = [login for login, one in reviews.items() if one.state == "APPROVED"]
    if len(approvers) < rules.approvals:
        some = "review is" if rules.approvals == 1 else "reviews are"
        yield f"At least {rules.approvals} approving {some} required by reviewers with write access."
    if rules.approvals and any(one.state == "CHANGES_REQUESTED" for one in reviews.values()):
        yield "Changes were requested by reviewers with write access."
    if rules.needs_other_pusher and not [login for login in approvers if login != pull.pushed_by]:
        yield f"New changes require approval from someone other than {pull.pushed_by}."
    if rules.needs_resolution and unresolved_threads(hub, pull):
        yield "A conversation must be resolved before this pull request can be merged."
    if unmet := describe_checks(hub, repository, pull.head_sha, rules):
        yield unmet
    if rules.is_strict and rules.checks and is_behind(repository, pull):
        yield "The head branch is not up to date with the base branch."


def describe_checks(hub: Hub, repository: Repository, sha: str, rules: Protection) -> str:
    """The required checks that have not passed on this commit, in one sentence; empty if all have."""
    states = check_states(hub, repository.name, sha, rules.checks)
    unmet = {name: state for name, state in states.items() if state != "passing"}
    if not unmet:
        return ""
    if len(unmet) == 1:
        [(name, state)] = unmet.items()
        return f'Required status check "{name}" is {"failing" if state == "failing" else state}.'
    if set(unmet.values()) == {"expected"}:
        return f"{len(unmet)} of {len(states)} required status checks are expected."
    kinds = {state: list(unmet.values()).count(state) for state in dict.fromkeys(unmet.values())}
    parts = " and ".join(f"{count} {state}" for state, count in kinds.items())
    return f"{len(unmet)} of {len(states)} required status checks have not succeeded: {parts}."


def has_failing_check(hub: Hub, repository: Repository, sha: str, rules: Protection) -> bool:
    """Whether a required check failed on this commit."""
    return "failing" in check_states(hub, repository.name, sha, rules.checks).values()


def check_rules(hub: Hub, repository: Repository, pull: Pull, method: str = "") -> None:
    """Raise the `Problem` with which GitHub refuses to merge; an empty `method` is that of the merge queue."""
    rules = protection_of(repository, pull.base)
    if pull.state != "open":
        raise Problem(405, "Pull Request is not mergeable")
    if pull.draft:
        raise Problem(405, "Pull Request is still a draft")
    if method and method not in rules.methods:
        name = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}[method]
        raise Problem(405, f"{name} are not allowed on this repository.")
    if not mergeable(repository, pull):
        raise Problem(405, "Pull Request is not mergeable")
    violations = list(list_violations(hub, repository, pull))
    if method and rules.queue_method:
        violations.insert(0, "Changes must be made through the merge queue")
    if violations:
        head = f"{RULE_VIOLATIONS}\n\n" if rules.by_ruleset else ""
        raise Problem(405, head + "\n\n".join(violations) + ("\n\n" if head else ""))


def review_decision(hub: Hub, repository: Repository, pull: Pull) -> str | None:
    """`reviewDecision`: null where no review is required or given."""
    states = [one.state for one in decisions_of_writers(hub, repository, pull).values()]
    if "CHANGES_REQUESTED" in states:
        return "CHANGES_REQUESTED"
    approved = states.count("APPROVED")
    if approved < protection_of(repository, pull.base).approvals:
        return "REVIEW_REQUIRED"
    return "APPROVED" if approved else None


def merge_state(hub: Hub, repository: Repository, pull: Pull, merges: bool | None) -> str:
    """`mergeStateStatus`, and in lower case `mergeable_state`. `merges`: None while that is being computed."""
    if merges is None or pull.state != "open":
        return "UNKNOWN"
    if not merges:
        return "DIRTY"
    if pull.draft:
        return "DRAFT"
    rules = protection_of(repository, pull.base)
    if rules.is_strict and rules.checks and is_behind(repository, pull):
        return "BEHIND"
    if any(list_violations(hub, repository, pull)):
        return "BLOCKED"
    states = [one.state for one in newest_statuses(hub.store, repository.name, pull.head_sha)]
    states += [run.conclusion or "pending" for run in newest_check_runs(hub.store, repository.name, pull.head_sha)]
    return "UNSTABLE" if any(state not in PASSING for state in states) else "CLEAN"


def is_outdated(repository: Repository, pull: Pull, comment: ReviewComment) -> bool:
    """Whether the commented line is not in the current diff any more."""
    if comment.commit_id == pull.head_sha:
        return False
    file = changes(repository, pull).file(comment.path)
    line = file.find(comment.line) if file else None
    return line is None or line.mark + line.text != comment.diff_hunk.rsplit("\n", 1)[-1]
