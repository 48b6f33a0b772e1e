"""Messages about the code host's checks. Called by `jobs.workflow`, for briefs by `jobs.roles`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.environments.failure import find_decisive_line
from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import HostCheck
from jobs.loop.ci_state import CiState
from jobs.loop.state import Loop, Stage
from jobs.messages.text import code, fenced, format_time, inline, limit_words, link

_MOST_NAMES = 6
_LINE_WORDS = 16
_RUNNER_END = "##[error]Process completed with exit code"
_RED = {"failure": "failed", "timed_out": "timed out", "cancelled": "was cancelled"}
_NOT_ENDED = {"pending", "action"}


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(code(name, 100) for name in names[:_MOST_NAMES])
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _plural(names: Sequence[object], one: str, several: str) -> str:
    return one if len(names) == 1 else several


def checks_line(loop: Loop) -> str:
    """The checks of the pushed commit in one line, empty without any: failing, waiting, passed, and which are flaky."""
    ci = loop.ci
    names = {one.name for one in ci.checks}
    passed = [one for one in ci.checks if one.conclusion not in {*_RED, *_NOT_ENDED}]
    parts = _list_open(loop) + ([f"{len(passed)} passed"] if passed else [])
    if flaky := [name for name in ci.flaky if name in names]:
        parts.append(f"{_names(flaky)} flaky, passed in a further attempt")
    return f"Checks: {'; '.join(parts)}." if parts else ""


def list_failing(ci: CiState) -> list[str]:
    """The names of the checks that failed."""
    return [one.name for one in ci.checks if one.conclusion in _RED]


def _list_open(loop: Loop) -> list[str]:
    """The checks that failed or have not ended."""
    parts, ci = [], loop.ci
    failing = list_failing(ci)
    if own := [name for name in failing if name not in ci.base_failing]:
        parts.append(f"{_names(own)} failing")
    if base := [name for name in failing if name in ci.base_failing]:
        parts.append(f"{_names(base)} {_plural(base, 'fails', 'fail')} on the base too")
    if waiting := [one.name for one in ci.checks if one.conclusion in _NOT_ENDED]:
        parts.append(f"waiting for {_names(waiting)}")
    return parts


def progress_line(loop: Loop) -> str:
    """The checks that failed or are waited for, for the progress comment; empty without any."""
    if loop.stage is Stage.CI and not loop.ci.checks:
        return f"Waiting for the first check since {format_time(loop.ci.since)}."
    parts = _list_open(loop)
    return f"Checks: {'; '.join(parts)}." if parts else ""


def pending_message(loop: Loop, waiting: Sequence[HostCheck]) -> str:
    """Checks have not ended for as long as the policy waits."""
    minutes, needs = loop.workflow.ci.pending_minutes, [one for one in waiting if one.conclusion == "action"]
    listed = _names([one.name for one in waiting])
    act = f" {_names([one.name for one in needs])} needs an action of a person there." if needs else ""
    place = link("pull request", loop.pull_request.url)
    return (
        f"**Still waiting for checks.** After {minutes:g} minutes {listed} "
        f"{_plural(waiting, 'has', 'have')} not ended on `{loop.pull_request.pushed_sha[:7]}` ({place}).{act} Loopline "
        "continues to wait; `/merge` and `/changes` apply as usual."
    )


def missing_message(loop: Loop, missing: Sequence[str]) -> str:
    """No check has begun on the pushed commit, or not those that a rule requires."""
    sha, minutes = loop.pull_request.pushed_sha[:7], loop.workflow.ci.missing_minutes
    if missing:
        lead = (
            f"{_names(missing)}, required by a rule of the base branch, did not begin on `{sha}` in {minutes:g} minutes"
        )
    else:
        lead = f"No check began on `{sha}` in {minutes:g} minutes, although the base branch has checks"
    return (
        f"**No check came.** {lead}. Make sure that the CI runs for pull requests of this branch. The ticket goes to "
        "review without it."
    )


def unread_message(reason: str) -> str:
    """The code host does not show its checks."""
    return f"The checks of the code host cannot be read, so the ticket goes to review without them. {inline(reason)}"


def rerun_reason(failures: Sequence[CheckFailure], causes: Sequence[str]) -> str:
    """Why failing checks get a further attempt."""
    shown = "; ".join(
        f"{code(one.name, 100)}: {inline(cause, 120)}" for one, cause in zip(failures, causes, strict=True)
    )
    return f"Running again what looks flaky ({shown})."


def not_rerun_reason(loop: Loop, reason: str) -> str:
    """Failing checks look flaky and cannot be run again."""
    names = [one.name for one in loop.ci.failures]
    return (
        f"{_names(names)} failed and {_plural(names, 'looks', 'look')} flaky, but Loopline cannot run "
        f"{_plural(names, 'it', 'them')} again: {inline(reason, 300)}. Run {_plural(names, 'it', 'them')} again on the "
        "code host; when the checks pass, the ticket goes to review by itself."
    )


def _summary(failures: Sequence[CheckFailure]) -> str:
    """Names with steps, and the line that decides."""
    named = ", ".join(_summarize_one(one) for one in failures[:4])
    more = f" and {len(failures) - 4} more" if len(failures) > 4 else ""
    last = _find_cause(failures[0])
    return f"{named}{more}" + (f": {code(limit_words(last, _LINE_WORDS))}" if last else "")


def _find_cause(failure: CheckFailure) -> str:
    """The first annotation, else the line of the log that decides; not the runner's own last line."""
    own = "\n".join(line for line in failure.log.splitlines() if not line.startswith(_RUNNER_END))
    return failure.annotations[0] if failure.annotations else find_decisive_line(own) if own.strip() else ""


def _summarize_one(one: CheckFailure) -> str:
    return code(name_failure(one), 120) + (f" (step {code(one.step, 80)})" if one.step else "")


def name_failure(failure: CheckFailure) -> str:
    """The name of the check with its workflow or app."""
    return f"{failure.group} / {failure.name}" if failure.group else failure.name


def round_message(loop: Loop, failures: Sequence[CheckFailure], number: int, rounds: int) -> str:
    """The comment at the beginning of a fixing round."""
    pages = [inline(one.url, 300) for one in failures[:4] if one.url]
    return (
        f"**Checks failed** on `{loop.pull_request.pushed_sha[:7]}`: {_summary(failures)}. Fixing "
        f"{_plural(failures, 'it', 'them')}, round {number} of {rounds}."
        + (f" Logs: {' '.join(pages)}" if pages else "")
    )


def round_cause(loop: Loop, failures: Sequence[CheckFailure]) -> str:
    """Why accepted work is continued, for the maker."""
    names = _names([name_failure(one) for one in failures])
    return f"checks of the code host failed on `{loop.pull_request.pushed_sha[:12]}`: {names}"


def rounds_reason(loop: Loop, failures: Sequence[CheckFailure]) -> str:
    """All fixing rounds are used."""
    rounds = loop.ci.rounds
    after = f"after {rounds} fixing {'round' if rounds == 1 else 'rounds'}" if rounds else "and no fixing is allowed"
    return f"the code host's checks still fail on `{loop.pull_request.pushed_sha[:7]}` {after}: {_summary(failures)}."


def same_failures_reason(loop: Loop, failures: Sequence[CheckFailure]) -> str:
    """Several rounds ended with the very same failures."""
    pushes = loop.ci.rounds + 1
    return f"the same checks of the code host failed with the same log in {pushes} pushes: {_summary(failures)}."


def cancelled_reason(loop: Loop, failures: Sequence[CheckFailure]) -> str:
    """Checks were cancelled in every attempt, which no change of the code fixes."""
    again = f", also after {loop.ci.reruns} further attempts" if loop.ci.reruns else ""
    names = _names([one.name for one in failures])
    return (
        f"{names} {_plural(failures, 'was', 'were')} cancelled on the code host{again}. Run "
        f"{_plural(failures, 'it', 'them')} again there; when the checks pass, the ticket goes to review by itself."
    )


def failure_logs_message(failures: Sequence[CheckFailure]) -> str:
    """The ends of the logs, for the details of an escalation."""
    return "\n\n".join(
        f"Last output of {_summarize_one(one)}:\n\n```\n{fenced(one.log or one.note or 'no output')}\n```"
        for one in failures[:4]
    )
