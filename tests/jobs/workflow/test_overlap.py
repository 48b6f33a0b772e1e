"""Files that two tickets edit: claims of paths, the wait before the first maker, and warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.results import Made, Plan, Scouted
from integrations.workload import Overlap
from integrations.workload_events import OverlapFound, PathsClaimed
from jobs.evidence.claims import Claim, find_overlaps, is_held
from jobs.evidence.overlaps import find_common, list_claimed
from jobs.loop.commands import PostComment, StartRun, WatchTickets
from jobs.loop.overlap_policy import OverlapPolicy
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.loop.wait_state import ClaimPaths
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.report import report_of
from tests.jobs.workflow.values import HEAD, finished, moved, said
from tests.loops import changed

INVOICE = "billing/invoice.py"
OTHER = Overlap(ticket="t2", identifier="ENG-52", paths=(INVOICE,))
PLAN = Plan(summary="look", paths=(INVOICE,))


def with_rules(loop: Loop, **rules: Any) -> Loop:
    return replace(loop, policy=RepositoryPolicy(loop=LoopPolicy(overlap=OverlapPolicy(**rules))))


def scouted(making: Loop, policy: ServicePolicy, **rules: Any) -> tuple[Loop, ClaimPaths]:
    scouting = changed(with_rules(making, **rules), stage=Stage.SCOUTING, run_id="ENG-1-g1-r0-i0-scout", iteration=0)
    decision = decide(scouting, finished(scouting, result=Scouted(plan=PLAN)), policy)
    (claim,) = decision.commands
    assert isinstance(claim, ClaimPaths)
    return decision.loop, claim


def claimed(loop: Loop, *overlaps: Overlap, sha: str = "") -> PathsClaimed:
    return PathsClaimed(event_id="c", ticket_id="t1", at=9.0, generation=loop.generation, overlaps=overlaps, sha=sha)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("./billing/invoice.py", INVOICE),
        ("`billing/invoice.py:12-20`", INVOICE),
        ("src/billing/", "src/billing"),
        ("src/billing/**/*.py", "src/billing"),
    ],
)
def test_claim_of_a_planned_path_is_its_file_or_folder(path: str, expected: str) -> None:
    assert list_claimed([path], ()) == (expected,)


@pytest.mark.parametrize(
    "path",
    [
        *("package-lock.json", "web/yarn.lock", "go.sum", "web/dist/app.js", "a/b.snap", "README.md", "CHANGELOG.md"),
        *("pkg/__init__.py", "docs/gen.md", "src/", "src/**", "../x", "/etc/passwd", ".", ""),
    ],
)
def test_claim_leaves_out_common_files_and_folders_at_the_root(path: str) -> None:
    assert list_claimed([path], ("docs/**",)) == ()


@pytest.mark.parametrize(
    ("mine", "others", "common"),
    [
        ((INVOICE, "a/b.py"), (INVOICE,), (INVOICE,)),
        (("src/billing",), ("src/billing/tax.py",), ("src/billing/tax.py",)),
        (("src/billing/tax.py",), ("src/billing",), ("src/billing/tax.py",)),
        (("src/bill",), ("src/billing/tax.py",), ()),
        (("src",), ("src/billing/tax.py",), ()),
    ],
)
def test_overlap_is_an_equal_file_or_one_below_a_folder(
    mine: tuple[str, ...], others: tuple[str, ...], common: tuple[str, ...]
) -> None:
    assert find_common(mine, others) == common


def claim(ticket: str, started_at: float, *, has_effect: bool) -> Claim:
    name: Any = ticket.upper()
    return Claim(
        ticket=name, identifier=name, generation=1, started_at=started_at, paths=(INVOICE,), has_effect=has_effect
    )


def test_overlap_of_waiting_tickets_points_to_the_earlier_one_only() -> None:
    first, second = claim("a", 1.0, has_effect=False), claim("b", 2.0, has_effect=False)

    assert [one.ticket for one in find_overlaps(second, [first])] == ["A"]
    assert find_overlaps(first, [second]) == ()
    assert [one.ticket for one in find_overlaps(first, [replace(second, has_effect=True)])] == ["B"]


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({"stage": Stage.MAKING}, True),
        ({"stage": Stage.REVIEW}, True),
        ({"stage": Stage.NEEDS_HUMAN}, False),
        ({"stage": Stage.STOPPED}, False),
        ({"stage": Stage.DONE}, False),
        ({"stage": Stage.WAITING}, False),
        ({"stage": Stage.MAKING, "generation": 2}, False),
    ],
)
def test_claim_counts_while_its_loop_works_or_is_in_review(making: Loop, fields: dict[str, Any], *, held: bool) -> None:
    assert is_held(claim("a", 1.0, has_effect=True), changed(making, **fields)) is held


def test_claim_of_a_lost_loop_vanishes() -> None:
    assert not is_held(claim("a", 1.0, has_effect=True), None)


def test_ticket_starts_when_its_planned_files_are_free(making: Loop, policy: ServicePolicy) -> None:
    loop, command = scouted(making, policy)
    assert (command.paths, command.waits, loop.stage) == ((INVOICE,), True, Stage.WAITING)

    decision = decide(loop, claimed(loop), policy)

    assert decision.loop.stage is Stage.MAKING
    assert [one.kind for one in decision.commands] == ["StartRun"]


def test_ticket_waits_for_files_that_another_one_edits_and_starts_afterwards(
    making: Loop, policy: ServicePolicy
) -> None:
    loop, _ = scouted(making, policy)

    waiting = decide(loop, claimed(loop, OTHER), policy)

    assert waiting.loop.stage is Stage.WAITING and "ENG-52, which edits `billing/invoice.py`" in waiting.loop.reason
    watch, comment = waiting.commands
    assert isinstance(watch, WatchTickets) and watch.tickets == ("t2",)
    assert isinstance(comment, PostComment) and "ENG-52 is editing `billing/invoice.py`" in comment.body
    again = decide(waiting.loop, claimed(loop, OTHER), policy)
    assert [one.kind for one in again.commands] == ["WatchTickets"]
    read = decide(waiting.loop, moved(waiting.loop.ticket, "In Progress"), policy)
    assert [one.kind for one in read.commands] == ["ClaimPaths"]
    started = decide(read.loop, claimed(loop), policy)
    assert started.loop.stage is Stage.MAKING and not started.loop.waits_for
    assert [one.kind for one in started.commands] == ["PostComment", "StartRun"]


@pytest.mark.parametrize("text", ["run anyway", "Run anyway!", "/run anyway", "@Loopline /run anyway", "/retry"])
def test_waiting_ticket_starts_anyway_when_a_person_asks(making: Loop, policy: ServicePolicy, text: str) -> None:
    loop, _ = scouted(making, policy)
    waiting = decide(loop, claimed(loop, OTHER), policy).loop

    decision = decide(waiting, said(text), policy)

    claims = [one for one in decision.commands if isinstance(one, ClaimPaths)]
    assert [one.waits for one in claims] == [False]
    started = decide(decision.loop, claimed(decision.loop, OTHER), policy)
    assert started.loop.stage is Stage.MAKING
    bodies = [one.body for one in started.commands if isinstance(one, PostComment)]
    assert len(bodies) == 1 and "expect a conflict with ENG-52" in bodies[0]


@pytest.mark.parametrize("text", ["/retry", "run anyway"])
def test_ticket_at_work_does_not_take_run_anyway_as_a_command(making: Loop, policy: ServicePolicy, text: str) -> None:
    assert decide(making, said(text), policy).loop.stage is Stage.MAKING


def test_overlap_policy_warn_starts_with_a_warning(making: Loop, policy: ServicePolicy) -> None:
    loop, command = scouted(making, policy, files="warn")
    assert not command.waits

    decision = decide(loop, claimed(loop, OTHER), policy)

    assert decision.loop.stage is Stage.MAKING
    assert [one.kind for one in decision.commands] == ["PostComment", "StartRun"]


def test_overlap_policy_off_claims_nothing(making: Loop, policy: ServicePolicy) -> None:
    scouting = changed(with_rules(making, files="off"), stage=Stage.SCOUTING, run_id="x-scout", iteration=0)

    decision = decide(scouting, finished(scouting, result=Scouted(plan=PLAN)), policy)

    assert [one.kind for one in decision.commands] == ["StartRun"]


def test_candidate_claims_its_changed_files_and_only_warns(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, finished(making, result=Made(head_sha=HEAD)), policy)
    claims = [one for one in decision.commands if isinstance(one, ClaimPaths)]
    assert [(one.sha, one.waits) for one in claims] == [(HEAD, False)]
    assert any(isinstance(one, StartRun) for one in decision.commands)

    warned = decide(decision.loop, claimed(decision.loop, OTHER, sha=HEAD), policy)

    assert warned.loop.stage is Stage.GATING and [one.kind for one in warned.commands] == ["PostComment"]


@pytest.mark.parametrize(("waits", "part"), [(True, "starts after this ticket"), (False, "expect a conflict")])
def test_overlap_is_reported_on_the_other_ticket_too(
    making: Loop, policy: ServicePolicy, *, waits: bool, part: str
) -> None:
    event = OverlapFound(event_id="o", ticket_id="t1", overlap=OTHER, waits=waits)

    (comment,) = decide(making, event, policy).commands

    assert isinstance(comment, PostComment) and part in comment.body
    assert decide(replace(making, stage=Stage.DONE), event, policy).commands == ()


def test_claim_between_scout_and_maker_is_not_reported(making: Loop, policy: ServicePolicy) -> None:
    scouting = changed(with_rules(making), stage=Stage.SCOUTING, run_id="ENG-1-g1-r0-i0-scout", iteration=0)
    claiming, _ = scouted(making, policy)
    waiting = decide(claiming, claimed(claiming, OTHER), policy).loop

    written, again, waits = (report_of(loop, policy).milestone for loop in (scouting, claiming, waiting))

    assert written == again != waits
