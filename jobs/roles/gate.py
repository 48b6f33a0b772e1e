"""The gate: runs the contract's commands itself, in fresh checkouts of the candidate. Called by `jobs.advance_run`.

`jobs.evidence.gate_plan` decides which commands run and combines their results. Each slice starts with fresh checkouts
and runs the criteria without evidence in the transcript, so a crash or a deployment costs at most one command.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from integrations.errors import Rejected
from integrations.ports.agent_runner import Entry
from integrations.results import EVIDENCE, Evidence, Gated
from integrations.sandbox.environment import Environment
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.sandbox.session import Session
from integrations.values import CommitSha
from jobs.effects.leaks import find_leaks, hide_secrets
from jobs.evidence.change_size import measure_change
from jobs.evidence.command_run import CommandRun
from jobs.evidence.dependencies import find_new_dependencies
from jobs.evidence.gate_plan import (
    GatePlan,
    Place,
    combine_runs,
    find_tampering_by_running,
    plan_gate,
    should_rerun,
)
from jobs.evidence.tampering.behind import add_script_lines
from jobs.loop.running_check import RunningCheck
from jobs.loop.state import Criterion
from jobs.roles.environment import (
    BuildStopped,
    EnvironmentFailed,
    identify_environment,
    prepare_environment,
    write_exclusions,
)
from jobs.roles.limits import get_check_seconds
from jobs.roles.review_diff import read_attributes
from jobs.roles.slice import RunResult, Slice, run_check

_PLACES: tuple[Place, ...] = ("guarded", "own", "before")


class _Broken(Exception):
    """The gate cannot continue: the run was stopped."""

    def __init__(self, ended: RunResult) -> None:
        super().__init__(ended.summary)
        self.ended = ended


def run_gate(run: Slice) -> RunResult | None:
    """Evidence for each criterion with a command, changes that a person has to approve, and stray files."""
    spec = run.spec
    changes = run.mirror.changes(spec.workspace.base_sha, spec.start_sha)
    asked = "\n".join((spec.ticket.title, spec.ticket.description, *(w.text for w in spec.guidance)))
    checked = add_script_lines(spec.contract, lambda path: _read_at_base(run, path))
    planned = plan_gate(changes, spec.contract, spec.policy.loop.tests, asked, checked, spec.policy.loop.protected)
    checkouts = _Checkouts(run, planned)
    checkouts.clear()
    try:
        found = _gather_all(run, planned, checkouts)
    except _Broken as broken:
        return broken.ended
    except EnvironmentFailed as failed:
        if not failed.command or not _changes_environment(run):
            raise
        found = _blame_candidate(run, failed)
    finally:
        checkouts.clear()
    if found is None:
        return None
    leaks = find_leaks(run.mirror, spec.workspace.base_sha, spec.start_sha)
    tampering = hide_secrets((*leaks, *planned.tampering, *find_tampering_by_running(planned, found)))
    gated = Gated(
        tree=run.mirror.tree_of(spec.start_sha),
        evidence=found,
        tampering=tampering,
        stray=planned.stray,
        dependencies=find_new_dependencies(changes),
        size=measure_change(changes, spec.policy.loop.tests, read_attributes(run), {one.path for one in tampering}),
    )
    return RunResult("done", result=gated)


def _changes_environment(run: Slice) -> bool:
    """Whether the candidate's environment is another one than that of the base commit, whose build works."""
    return identify_environment(run, run.spec.start_sha) != identify_environment(run, run.spec.workspace.base_sha)


def _blame_candidate(run: Slice, failed: EnvironmentFailed) -> tuple[Evidence, ...]:
    """Evidence for a change of an input with which the setup commands fail: every command counts as failed."""
    output = f"{failed}\nThe change edits files that the environment is built from.\n{failed.output}"
    rest = "not run: the environment of the change cannot be built"
    return tuple(
        Evidence(
            name=criterion.id,
            command=criterion.command if number else failed.command,
            exit_code=failed.exit_code or 1,
            output=rest if number else output,
        )
        for number, criterion in enumerate(c for c in run.spec.contract.criteria if c.command)
    )


def _read_at_base(run: Slice, path: str) -> str | None:
    try:
        return run.mirror.read(run.spec.workspace.base_sha, path)
    except Rejected:  # too large, or not text: not a script
        return None


class _Checkouts:
    """The run's checkouts and their sandboxes, created on first use. The first is the run's folder, the others are
    next to it."""

    def __init__(self, run: Slice, planned: GatePlan) -> None:
        self._run, self._plan = run, planned
        self._made: dict[Place, Session] = {}
        self._environments: dict[CommitSha, Environment] = {}
        self._sessions = ExitStack()

    def clear(self) -> None:
        """Remove all checkouts and the processes that still run in them."""
        self._sessions.close()
        for place in _PLACES:
            kill_sandboxes(self._find_folder(place))
            self._run.mirror.remove_workspace(self._find_folder(place))

    def get(self, place: Place) -> Session:
        """The checkout's sandbox, in the environment of the candidate, or of the base commit for `before`. Raises
        `_Broken` if the run is stopped, `EnvironmentFailed` if there is no environment."""
        if place not in self._made:
            base, commit = self._run.spec.workspace.base_sha, self._write_commit(place)
            workspace = self._run.mirror.create_workspace(self._find_folder(place), commit, base)
            environment = self._prepare(base if place == "before" else self._run.spec.start_sha)
            write_exclusions(workspace, environment)
            self._made[place] = self._sessions.enter_context(self._run.sandbox.open(workspace, environment))
        return self._made[place]

    def _prepare(self, sha: CommitSha) -> Environment:
        if sha not in self._environments:
            try:
                self._environments[sha] = prepare_environment(self._run, sha)
            except BuildStopped:
                raise _Broken(RunResult("stopped")) from None
        return self._environments[sha]

    def _find_folder(self, place: Place) -> Path:
        folder = self._run.folder
        return folder if place == "guarded" else folder.with_name(f"{folder.name}.{place}")

    def _write_commit(self, place: Place) -> CommitSha:
        spec, mirror = self._run.spec, self._run.mirror
        if place == "before":
            return mirror.write_mixed_commit(spec.workspace.base_sha, self._plan.new_tests)
        return mirror.write_mixed_commit(spec.start_sha, self._plan.from_base) if place == "guarded" else spec.start_sha


def _gather_all(run: Slice, planned: GatePlan, checkouts: _Checkouts) -> tuple[Evidence, ...] | None:
    """One piece of evidence per command, in order; None if the slice's time ends before the last. Each slice runs at
    least one command."""
    spec, deadline = run.spec, time.monotonic() + run.world.settings.slice_seconds
    notes = [entry.data for entry in run.conversation.entries() if entry.kind == "note" and "evidence" in entry.data]
    known = {e.name: e for e in (EVIDENCE.from_builtins(note["evidence"]) for note in notes)}
    wanted = [c for c in spec.contract.criteria if c.command]
    waiting = [c for c in wanted if c.id not in known]
    for criterion in waiting:
        if run.stopped():
            raise _Broken(RunResult("stopped"))
        if criterion is not waiting[0] and time.monotonic() > deadline:
            return None
        limit = get_check_seconds(spec.policy, run.world.settings, criterion.command)
        number, now = 1 + sum(c.id in known for c in wanted), run.world.now()
        check = RunningCheck(number=number, total=len(wanted), command=criterion.command, started_at=now, limit=limit)
        run.world.runs.note_check(spec, check)
        found = known[criterion.id] = _gather_evidence(run, planned, checkouts, criterion)
        codes = ", then ".join(map(str, found.exit_codes))
        text = f"$ {found.command}\nexit {codes}\n{found.output[-1000:]}"
        run.conversation.append(Entry("note", {"text": text, "evidence": EVIDENCE.to_builtins(found)}))
    return tuple(known[c.id] for c in wanted)


def _gather_evidence(run: Slice, planned: GatePlan, checkouts: _Checkouts, criterion: Criterion) -> Evidence:
    again = 0 if criterion.base == "failing" else run.spec.policy.loop.flaky_reruns
    guarded = _run_repeatedly(run, checkouts.get("guarded"), criterion.command, again)
    own = _run_repeatedly(run, checkouts.get("own"), criterion.command, again) if planned.from_base else None
    passed = not any(r.exit_code for r in own or guarded)
    before = _run_before(run, checkouts, criterion) if passed and criterion.id in planned.before else None
    return combine_runs(criterion, guarded, own, before)


def _run_before(run: Slice, checkouts: _Checkouts, criterion: Criterion) -> CommandRun:
    """Run the command at the base commit with the new tests."""
    return _run_once(run, checkouts.get("before"), criterion.command)


def _run_repeatedly(run: Slice, session: Session, command: str, most: int) -> list[CommandRun]:
    ran = [_run_once(run, session, command)]
    while should_rerun(ran, most):
        ran.append(_run_once(run, session, command))
    return ran


def _run_once(run: Slice, session: Session, command: str) -> CommandRun:
    ran = run_check(run, session, command)
    if ran is None:
        raise _Broken(RunResult("stopped"))
    return ran
