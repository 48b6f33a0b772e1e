"""The gate: runs the contract's commands itself, in fresh checkouts of the candidate. Called by `jobs.advance_run`.

What to run and what it means is `jobs.evidence.gate_plan`'s. Each slice begins with fresh checkouts and takes up the
criteria that have no evidence in the transcript yet, so a crash or a deployment costs at most one command.
"""

from __future__ import annotations

import time
from pathlib import Path

from integrations.errors import Rejected
from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import Entry
from integrations.results import EVIDENCE, Evidence, Gated
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.values import CommitSha
from jobs.evidence.gate_plan import GatePlan, Place, Ran, evidence, found_by_running, plan, runs_again
from jobs.evidence.tampering.behind import add_script_lines
from jobs.loop.state import Criterion
from jobs.roles.slice import RunResult, Slice, run_in_sandbox, set_up

_PLACES: tuple[Place, ...] = ("guarded", "own", "before")


class _Broken(Exception):
    """The gate cannot go on: told to stop, or the repository's setup failed."""

    def __init__(self, ended: RunResult) -> None:
        super().__init__(ended.summary)
        self.ended = ended


def run_gate(run: Slice) -> RunResult | None:
    """Evidence for each criterion with a command, what a person has to agree to, and what looks left behind."""
    spec = run.spec
    changes = run.mirror.changes(spec.workspace.base_sha, spec.start_sha)
    asked = "\n".join((spec.ticket.title, spec.ticket.description, *(w.text for w in spec.guidance)))
    checked = add_script_lines(spec.contract, lambda path: _text_at_base(run, path))
    planned = plan(changes, spec.contract, spec.policy.loop.tests, asked, checked)
    checkouts = _Checkouts(run, planned)
    checkouts.clear()
    try:
        found = _all_evidence(run, planned, checkouts)
    except _Broken as broken:
        return broken.ended
    finally:
        checkouts.clear()
    if found is None:
        return None
    tampering = (*planned.tampering, *found_by_running(planned, found))
    tree = run.mirror.tree_of(spec.start_sha)
    return RunResult("done", result=Gated(tree=tree, evidence=found, tampering=tampering, stray=planned.stray))


def _text_at_base(run: Slice, path: str) -> str | None:
    try:
        return run.mirror.read(run.spec.workspace.base_sha, path)
    except Rejected:  # too large, or not text: no script
        return None


class _Checkouts:
    """The run's checkouts, made when first asked for. The first is the run's own folder, the others lie beside it."""

    def __init__(self, run: Slice, planned: GatePlan) -> None:
        self._piece, self._plan = run, planned
        self._made: dict[Place, Workspace] = {}

    def clear(self) -> None:
        """Remove them all, with whatever still runs in them."""
        for place in _PLACES:
            kill_sandboxes(self._folder(place))
            self._piece.mirror.remove_workspace(self._folder(place))

    def at(self, place: Place) -> Workspace:
        """The checkout, with the repository's setup commands done. Raises `_Broken` when they fail."""
        if place not in self._made:
            workspace = self._piece.mirror.create_workspace(self._folder(place), self._commit(place))
            if (broken := set_up(self._piece, workspace)) is not None:
                raise _Broken(broken)
            self._made[place] = workspace
        return self._made[place]

    def _folder(self, place: Place) -> Path:
        folder = self._piece.folder
        return folder if place == "guarded" else folder.with_name(f"{folder.name}.{place}")

    def _commit(self, place: Place) -> CommitSha:
        spec, mirror = self._piece.spec, self._piece.mirror
        if place == "before":
            return mirror.write_mixed_commit(spec.workspace.base_sha, self._plan.new_tests)
        return mirror.write_mixed_commit(spec.start_sha, self._plan.from_base) if place == "guarded" else spec.start_sha


def _all_evidence(run: Slice, planned: GatePlan, checkouts: _Checkouts) -> tuple[Evidence, ...] | None:
    """One piece of evidence per command, in order; None when the slice's time is over before the last. Each slice gets
    one further."""
    deadline = time.monotonic() + run.world.settings.slice_seconds
    known = {e.name: e for e in _noted(run)}
    wanted = [c for c in run.spec.contract.criteria if c.command]
    waiting = [c for c in wanted if c.id not in known]
    for criterion in waiting:
        if run.stopped():
            raise _Broken(RunResult("stopped"))
        if criterion is not waiting[0] and time.monotonic() > deadline:
            return None
        known[criterion.id] = _evidence(run, planned, checkouts, criterion)
        _note(run, known[criterion.id])
    return tuple(known[c.id] for c in wanted)


def _noted(run: Slice) -> list[Evidence]:
    entries = run.conversation.entries()
    return [EVIDENCE.from_builtins(e.data["evidence"]) for e in entries if e.kind == "note" and "evidence" in e.data]


def _note(run: Slice, found: Evidence) -> None:
    ended = ", then ".join(map(str, found.exit_codes))
    text = f"$ {found.command}\nexit {ended}\n{found.output[-1000:]}"
    run.conversation.append(Entry("note", {"text": text, "evidence": EVIDENCE.to_builtins(found)}))


def _evidence(run: Slice, planned: GatePlan, checkouts: _Checkouts, criterion: Criterion) -> Evidence:
    again = run.spec.policy.loop.flaky_reruns
    guarded = _tries(run, checkouts.at("guarded"), criterion.command, again)
    own = _tries(run, checkouts.at("own"), criterion.command, again) if planned.from_base else None
    passed = not any(r.exit_code for r in own or guarded)
    before = _before(run, checkouts, criterion) if passed and criterion.id in planned.before else None
    return evidence(criterion, guarded, own, before)


def _before(run: Slice, checkouts: _Checkouts, criterion: Criterion) -> Ran | None:
    """The command at the base commit with the new tests; None where not even the setup works there."""
    try:
        workspace = checkouts.at("before")
    except _Broken as broken:
        if broken.ended.outcome == "stopped":
            raise
        return None
    return _ran(run, workspace, criterion.command)


def _tries(run: Slice, workspace: Workspace, command: str, most: int) -> list[Ran]:
    ran = [_ran(run, workspace, command)]
    while runs_again(ran, most):
        ran.append(_ran(run, workspace, command))
    return ran


def _ran(run: Slice, workspace: Workspace, command: str) -> Ran:
    result = run_in_sandbox(run, workspace, command)
    if result.stopped:
        raise _Broken(RunResult("stopped"))
    output = result.output.decode(errors="replace")
    if result.timed_out:
        output += f"\n(stopped after {run.world.settings.command_seconds} s)"
    return Ran(result.exit_code, output, result.digest, result.seconds, result.timed_out)
