"""The preflight: setup and checks on the base commit, without a model. Called by `jobs.advance_run`.

A check that fails here cannot be blamed on a change. Results are shared by all tickets (`jobs.store.preflights`), so a
base tree is checked once, and a crash costs at most one command.
"""

from __future__ import annotations

import time

from integrations.environments.failure import find_decisive_line
from integrations.ports.agent_runner import Entry
from integrations.results import BaseCheck, Preflighted
from jobs.evidence.command_run import CommandRun
from jobs.evidence.environment_problems import find_base_problem
from jobs.messages.environment import environment_reason
from jobs.roles.environment import identify_environment
from jobs.roles.fresh_trees import FreshTrees, Stopped
from jobs.roles.limits import get_check_seconds
from jobs.roles.slice import RunResult, Slice
from jobs.store.preflights import BaseChecks

_PREPARED = ""
"""The command under which a working setup is recorded."""
_MOST_UNFETCHED = 20


def run_preflight(run: Slice) -> RunResult | None:
    """The state of each check on the base commit, or the problem of the environment."""
    spec, mirror = run.spec, run.mirror
    base, commands = spec.workspace.base_sha, [check.run for check in spec.policy.loop.checks]
    known = BaseChecks(
        run.world.redis, spec.workspace.repository, mirror.tree_of(base), identify_environment(run, base)
    )
    checks = {name: check for name, check in known.find([_PREPARED, *commands]).items() if _is_valid(run, check)}
    if all(command in checks for command in (_PREPARED, *commands)):
        return _finish(run, [checks[command] for command in commands], checks[_PREPARED])
    trees = FreshTrees(run)
    trees.clear()
    try:
        trees.prepare(base)
        submodules, large_files = mirror.find_unfetched(base)
        unfetched = (*submodules, *large_files)[:_MOST_UNFETCHED]
        checks[_PREPARED] = BaseCheck(command=_PREPARED, line="\n".join(unfetched))
        deadline = time.monotonic() + run.world.settings.slice_seconds
        waiting = [command for command in dict.fromkeys(commands) if command not in checks]
        for command in waiting:
            if command is not waiting[0] and time.monotonic() > deadline:
                return None
            found = _run_check(run, trees, command, unfetched, known)
            if isinstance(found, RunResult):
                return found
            checks[command] = found
            known.keep(found)
    except Stopped as stopped:
        return stopped.ended
    finally:
        trees.clear()
    known.keep(checks[_PREPARED])
    return _finish(run, [checks[command] for command in commands], checks[_PREPARED])


def _is_valid(run: Slice, check: BaseCheck) -> bool:
    """Whether a stored result holds under the present time limit."""
    return check.seconds <= get_check_seconds(run.spec.policy, run.world.settings, check.command)


def _run_check(
    run: Slice, trees: FreshTrees, command: str, unfetched: tuple[str, ...], known: BaseChecks
) -> BaseCheck | RunResult:
    """Run the check, and repeat a failure to separate flaky from broken."""
    ran: list[CommandRun] = []
    base = run.spec.workspace.base_sha
    while not ran or (ran[-1].exit_code and len(ran) <= run.spec.policy.loop.flaky_reruns):
        if run.stopped():
            raise Stopped
        made = trees.execute(command, base, {}, base)
        ran.append(made.run)
        _note(run, command, made.run)
        if made.run.exit_code and (problem := find_base_problem(command, made.run, unfetched)):
            return RunResult("environment", environment_reason(problem, f"on {run.spec.workspace.base_branch}"))
    known.keep_report(command, made.measure())
    failed = next((one for one in ran if one.exit_code), None)
    seconds = round(max(one.seconds for one in ran), 3)
    if failed is None:
        return BaseCheck(command=command, seconds=seconds)
    return BaseCheck(
        command=command,
        state="flaky" if ran[-1].exit_code == 0 else "failing",
        exit_code=failed.exit_code,
        line=find_decisive_line(failed.output),
        seconds=seconds,
    )


def _note(run: Slice, command: str, ran: CommandRun) -> None:
    text = f"$ {command}\nexit {ran.exit_code} on {run.spec.workspace.base_branch}\n{ran.output[-1000:]}"
    run.conversation.append(Entry("note", {"text": text}))


def _finish(run: Slice, checks: list[BaseCheck], prepared: BaseCheck) -> RunResult:
    return RunResult("done", result=Preflighted(checks=tuple(checks), unfetched=tuple(prepared.line.splitlines())))
