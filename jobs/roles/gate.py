"""The gate: runs the contract's commands itself, in fresh trees of the candidate, and proves that they could have
failed. Called by `jobs.advance_run`.

Each slice runs what has no result in the transcript, so a crash or a deployment costs at most one command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from integrations.leaks.patterns import MAX_TEXT
from integrations.ports.agent_runner import Entry
from integrations.proof import Experiment, Measured, pack, unpack
from integrations.results import EVIDENCE, Evidence, Gated, Tampering
from jobs.effects.leaks import find_leaks, hide_secrets
from jobs.evidence.change_size import measure_change
from jobs.evidence.command_evidence import build_evidence, find_questions, refute, should_rerun
from jobs.evidence.conflict_markers import find_unresolved
from jobs.evidence.dependencies import find_new_dependencies
from jobs.evidence.named_paths import find_allowed_paths
from jobs.evidence.own_changes import find_own_changes
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import ClassifiedChange, classify_changes
from jobs.evidence.protected import find_protected
from jobs.evidence.stray_files import find_stray_files
from jobs.loop.state import Criterion
from jobs.roles.environment import EnvironmentFailed, identify_environment
from jobs.roles.fresh_trees import FreshTrees, Ran, Stopped
from jobs.roles.proof import Proof
from jobs.roles.reported_check import show_running_check
from jobs.roles.review_diff import read_attributes
from jobs.roles.slice import RunResult, Slice

MOST_OTHERS = 50
"""Files of other accounts that the result names."""


def run_gate(run: Slice) -> RunResult | None:
    """Evidence for each criterion with a command, the experiments, changes that a person has to approve, and stray
    files."""
    spec = run.spec
    commits = (spec.workspace.base_sha, spec.start_sha, spec.pushes)
    changes, others = find_own_changes(*commits, run.mirror.changes)
    if unresolved := find_unresolved(changes):
        return RunResult("done", result=Gated(tree=run.mirror.tree_of(spec.start_sha), unresolved=unresolved))
    layout = Layout.of(spec.policy.loop)
    change, trees = classify_changes(changes, layout), FreshTrees(run, run.world.settings.proof_commands)
    trees.clear()
    try:
        found = _gather_all(run, trees, change)
    except Stopped as stopped:
        return stopped.ended
    except EnvironmentFailed as failed:
        if not failed.command or not _changes_environment(run):
            raise
        found = _blame_candidate(run, failed), ()
    finally:
        trees.clear()
    if found is None:
        return None
    with_texts, _ = find_own_changes(*commits, lambda old, new: run.mirror.changes(old, new, MAX_TEXT))
    evidence, experiments = found
    tampering = hide_secrets((*find_leaks(with_texts), *_find_questions(run, change, experiments)))
    gated = Gated(
        tree=run.mirror.tree_of(spec.start_sha),
        evidence=evidence,
        tampering=tampering,
        stray=find_stray_files(changes, _read_request(run)),
        dependencies=find_new_dependencies(changes),
        others=tuple(others)[:MOST_OTHERS],
        size=measure_change(changes, layout, read_attributes(run), {one.path for one in tampering}),
        experiments=experiments,
        proof_seconds=round(sum(one.seconds for one in experiments), 3),
    )
    return RunResult("done", result=gated)


def _read_request(run: Slice) -> str:
    """What people have asked for."""
    ticket = run.spec.ticket
    return "\n".join((ticket.title, ticket.description, *(words.text for words in run.spec.guidance)))


def _find_questions(run: Slice, change: ClassifiedChange, experiments: Sequence[Experiment]) -> tuple[Tampering, ...]:
    """What a person has to approve: protected paths that the contract does not name, and results of experiments."""
    paths = [one.path for one in change.changes]
    approved = find_allowed_paths(paths, run.spec.contract.may_change, "", exactly=True)
    protected = find_protected(change.changes, run.spec.policy.loop.protected)
    return (
        *(one for one in protected if one.path not in approved),
        *find_questions(experiments, change.edited_tests),
    )


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


def _gather_all(
    run: Slice, trees: FreshTrees, change: ClassifiedChange
) -> tuple[tuple[Evidence, ...], tuple[Experiment, ...]] | None:
    """The evidence of each command in order, and the experiments; None if the slice's time ends before the last. Each
    slice runs at least one command."""
    spec, deadline = run.spec, time.monotonic() + run.world.settings.slice_seconds
    known, measured = _read_notes(run)
    wanted = [criterion for criterion in spec.contract.criteria if criterion.command]
    waiting = [criterion for criterion in wanted if criterion.id not in known]
    if wanted:
        trees.prepare(spec.start_sha)
    for criterion in waiting:
        if run.stopped():
            raise Stopped
        if criterion is not waiting[0] and time.monotonic() > deadline:
            return None
        show_running_check(run, criterion.command, 1 + len(known), len(wanted))
        known[criterion.id], measured[criterion.id] = _gather_evidence(run, trees, criterion)
    evidence = tuple(known[criterion.id] for criterion in wanted)
    if any(one.failed for one in evidence):
        return evidence, ()
    if waiting and time.monotonic() > deadline:
        return None
    green = {name: own for name, own in measured.items() if known[name].passed}
    experiments = Proof(run, trees, change, green, _find_allowed(run, change)).advance(deadline)
    if experiments is None:
        return None
    return tuple(refute(one, experiments) for one in evidence), experiments


def _find_allowed(run: Slice, change: ClassifiedChange) -> Callable[[str], bool]:
    """Whether the contract or the ticket names a changed path as one that may change."""
    paths = [one.path for one in change.changes]
    files = run.mirror.files(run.spec.workspace.base_sha)
    allowed = frozenset(find_allowed_paths(paths, run.spec.contract.may_change, _read_request(run), files))
    return lambda path: path in allowed


def _read_notes(run: Slice) -> tuple[dict[str, Evidence], dict[str, Measured]]:
    """The evidence and the measured runs of earlier slices, by criterion."""
    notes = [entry.data for entry in run.conversation.entries() if entry.kind == "note" and "measured" in entry.data]
    evidence = {found.name: found for note in notes if (found := EVIDENCE.from_builtins(note["evidence"]))}
    return evidence, {note["evidence"]["name"]: unpack(note["measured"]) for note in notes}


def _gather_evidence(run: Slice, trees: FreshTrees, criterion: Criterion) -> tuple[Evidence, Measured]:
    most = 0 if criterion.base == "failing" else run.spec.policy.loop.flaky_reruns
    start = run.spec.start_sha
    ran: list[Ran] = [trees.execute(criterion.command, start, {}, start)]
    while should_rerun([one.run for one in ran], most):
        ran.append(trees.execute(criterion.command, start, {}, start))
    found, measured = build_evidence(criterion, [one.run for one in ran], ran[-1].report), ran[-1].measure()
    codes = ", then ".join(map(str, found.exit_codes))
    text = f"$ {found.command}\nexit {codes}\n{found.output[-1000:]}"
    note = {"text": text, "evidence": EVIDENCE.to_builtins(found), "measured": pack(measured)}
    run.conversation.append(Entry("note", note))
    return found, measured
