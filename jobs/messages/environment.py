"""Problems of the environment and of the repository's policy, each in two sentences: the failure, and its likely cause
with the fix. Called by `jobs.roles` and `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from integrations.results import Preflighted
from jobs.evidence.environment_problems import EnvironmentProblem, ProblemKind
from jobs.loop.state import Contract
from jobs.messages.network import SETUP_KEY as NETWORK_KEY
from jobs.messages.network import blocked_hosts_line
from jobs.messages.text import code, format_version, inline

SETUP_KEY, CHECKS_KEY = "loop.environment.setup", "loop.checks"
SERVICES_KEY = "loop.environment.services"
LONGEST_COMMAND = 200
_NAMES: dict[ProblemKind, str] = {"setup": "setup command", "service": "service"}


def environment_reason(problem: EnvironmentProblem, place: str = "") -> str:
    """`place` is where the command ran, as 'on main'."""
    name = _NAMES.get(problem.kind, "check")
    command = code(problem.command, LONGEST_COMMAND)
    ending = f"The {name} {command} ended with exit {problem.exit_code}{f' {inline(place)}' if place else ''}"
    if problem.seconds:
        ending += f": it did not end within {problem.seconds:g} seconds"
    elif problem.line or problem.kind in {"output", "limit"}:
        ending += f": {code(problem.line or problem.subject)}"
    return f"{ending}. {_explain(problem)}."


def _explain(problem: EnvironmentProblem) -> str:
    """The likely cause, with the setting that changes it."""
    subject = problem.subject
    match problem.kind:
        case "setup":
            return _explain_setup(problem, subject)
        case "service":
            return f"The service {code(subject)} is not ready: correct its entry in `{SERVICES_KEY}` of WORKFLOW.md"
        case "tool":
            subject = code(subject) if subject else "A program of it"
            return f"{subject} is not in the environment: add it to `{SETUP_KEY}` in WORKFLOW.md"
        case "script":
            return f"The repository has no {code(subject)}: add it, or correct `{CHECKS_KEY}` in WORKFLOW.md"
        case "permission":
            fix = "commit it with its executable bit (`git update-index --chmod=+x`)"
            return f"{code(subject)} cannot be executed: {fix}"
        case "time":
            return (
                "The time limit is too short for it: raise `minutes` of the check or `loop.limits.check_minutes` in "
                "WORKFLOW.md; the default is the operator's LOOPLINE_COMMAND_SECONDS"
            )
        case "output":
            return (
                "It prints more than a command can: make it quieter, or raise `loop.limits.output_megabytes` in "
                "WORKFLOW.md"
            )
        case "limit":
            return "It exceeds a limit of the sandbox: make it use less, for example with fewer parallel jobs"
        case "unfetched":
            return (
                f"It probably needs {code(subject)}, whose content is not fetched; for a submodule set "
                "`loop.submodules: true`, for a file of Git LFS `loop.lfs: true`"
            )
    assert_never(problem.kind)


def _explain_setup(problem: EnvironmentProblem, subject: str) -> str:
    if problem.blocked:
        return f"Its connections were {blocked_hosts_line(problem.blocked, NETWORK_KEY).removesuffix('.')}"
    if problem.seconds:
        return "The time for setup is too short: ask the operator to raise `LOOPLINE_SETUP_MINUTES`"
    if subject:
        return (
            f"{code(subject)} is not on Loopline's machine: let an earlier command of `{SETUP_KEY}` install it, or ask "
            "the operator for it"
        )
    if problem.offline:
        return (
            f"It needs a host that it cannot reach: add the host to `{NETWORK_KEY}` in WORKFLOW.md, or ask the "
            "operator to set `LOOPLINE_REGISTRIES`"
        )
    return f"Correct the command in `{SETUP_KEY}` of WORKFLOW.md, or the file that it names"


def preflight_line(result: Preflighted, branch: str) -> str:
    """One line for the progress comment; empty without checks."""
    red = [f"{code(check.command)} fails" for check in result.checks if check.state == "failing"]
    red += [f"{code(check.command)} is flaky" for check in result.checks if check.state == "flaky"]
    missing = [f"not fetched: {', '.join(code(one) for one in result.unfetched)}"] if result.unfetched else []
    if not result.checks and not missing:
        return ""
    number = len(result.checks)
    state = "; ".join([*red, *missing]) or ("the check passes" if number == 1 else f"all {number} checks pass")
    return f"On {code(branch)}, before any change: {state}."


def unfetched_message(paths: Sequence[str], branch: str) -> str:
    names = ", ".join(code(path) for path in paths)
    return (
        f"The repository refers to content that is not fetched: {names}. Commands that need it fail on {code(branch)} "
        "too. Set `loop.submodules: true` in WORKFLOW.md for submodules, `loop.lfs: true` for files of Git LFS."
    )


def protected_paths_message(paths: Sequence[str]) -> str:
    """Before any budget is spent: the ticket names paths that an agent cannot change on its own."""
    names = ", ".join(code(path) for path in paths)
    return (
        f"The ticket names protected paths: {names}. The agent can read them, but a change of them needs a person's "
        "approval."
    )


def checks_changed_message(contract: Contract) -> str:
    """The policy has other checks than those in the contract."""
    checks = "\n".join(f"- {inline(c.text)}: {code(c.command)}" for c in contract.criteria if c.id.startswith("k"))
    return (
        f"**The repository's checks changed (contract {format_version(contract)}).** WORKFLOW.md now has:\n\n"
        f"{checks or '- none'}"
    )


def missing_labels_reason(missing: Sequence[str]) -> str:
    """The ticket lacks labels that the repository requires."""
    shown = " and ".join(code(label) for label in missing)
    return (
        f"Not started, because WORKFLOW.md requires {'the label' if len(missing) == 1 else 'the labels'} {shown} "
        "(`tracker.required_labels`). Add what is missing, then comment `/retry` or move the card to the agent column."
    )


def policy_notes_message(notes: Sequence[str]) -> str:
    """Parts of the file without an effect, in one line, on the first ticket of a repository."""
    return f"**WORKFLOW.md:** {inline('. '.join(notes))}. `loopline workflow check` shows the lines."
