"""Automations on a real board and code host: declared on the base branch, started by slots, requests and triggers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import requests

from integrations.automation_events import AutomationRequested, DeclarationsOutdated
from integrations.events import BranchPushed, ChecksReported, TicketEdited, TimePassed
from integrations.standins.demo.stack import REPOSITORY, TEAM
from integrations.values import CommitSha, Identifier, TicketId, TicketRef
from jobs.automate import automate
from jobs.inbox.automation_sweep import find_missed
from jobs.inbox.dispatch import route
from jobs.loop.automation_memory import build_blocks, restore_state
from jobs.loop.automation_state import (
    AUTOMATION_STATE,
    AutomationRun,
    AutomationState,
    KnownFinding,
    automations_id,
)
from jobs.loop.derived_ids import finding_ticket_id
from jobs.runtime import keys
from jobs.store.automations import AutomationStore
from jobs.workflow.automations.decision import day_of
from tests.jobs.board import Board
from tests.jobs.hands import Hands
from tests.jobs.story import VAGUE, said

MAILBOX = automations_id(REPOSITORY)
TRIAGE = "---\nschedule: 0 9 * * *\nsources: [issues]\n---\nLook at the issues.\n"


def declare(board: Board, name: str, text: str) -> CommitSha:
    return CommitSha(Hands(board).commit("main", f".loopline/automations/{name}.md", text))


def work(board: Board, *events: Any) -> AutomationState:
    """Deliver the events, and take the automations as far as they go."""
    store = AutomationStore(board.world.redis)
    for event in events:
        assert store.deliver(event)
    automate(MAILBOX)
    found = store.load(MAILBOX)
    assert found
    return found


def outdated(name: str = "o1") -> DeclarationsOutdated:
    return DeclarationsOutdated(event_id=name, ticket_id=MAILBOX)


def pending(board: Board) -> int:
    return int(board.world.redis.llen(keys.mailbox(MAILBOX)))


def script(board: Board, *checks: dict[str, Any]) -> None:
    body = {"repository": REPOSITORY, "checks": checks, "apply": "main"}
    requests.post(f"{board.urls['pull_requests']}/_ci", json=body, timeout=10).raise_for_status()


def test_declarations_are_read_from_the_base_branch_and_broken_ones_reported(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    sha = declare(board, "bad", "---\nscedule: x\n---\n")

    state = work(board, outdated())

    assert [one.name for one in state.automations] == ["ci-triage"]
    assert (state.team, state.base_branch, state.base_sha) == (TEAM, "main", sha)
    (problem,) = state.problems
    assert problem.startswith(
        ".loopline/automations/bad.md in acme/tally at main cannot be used: line 2, scedule: it is"
    )
    assert state.due_at > board.world.now()
    assert state.policy.loop.checks


def test_workflow_file_that_is_broken_keeps_its_automations_and_those_of_the_folder_are_read(board: Board) -> None:
    hands = Hands(board)
    entry = "---\nloop:\n  automations:\n    entry: {prompt: Look.}\n---\n"
    hands.commit("main", "WORKFLOW.md", entry)
    work(board, outdated())
    declare(board, "ci-triage", TRIAGE)
    hands.commit("main", "WORKFLOW.md", entry.replace("Look.}", "Look."))

    state = work(board, outdated("o2"))

    assert [one.name for one in state.automations] == ["ci-triage", "entry"]
    assert state.problems[0].startswith("WORKFLOW.md in acme/tally at main cannot be used: line 5 is not YAML")


def test_operators_automations_apply_to_every_repository(board: Board) -> None:
    folder = board.world.settings.home / "automations"
    folder.mkdir(parents=True)
    (folder / "deps.md").write_text("Look.")
    (folder / "bad name.md").write_text("Look.")
    (folder / "latin.md").write_bytes(b"\xff")
    (folder / "folder.md").mkdir()

    state = work(board, outdated())

    assert [(one.name, one.origin) for one in state.automations] == [("deps", str(folder / "deps.md"))]
    assert ["cannot be read" in problem for problem in state.problems] == [True, True, False]
    assert "rename it" in state.problems[2]


def test_slot_reads_the_sources_and_ends_without_a_model_call_when_there_is_nothing(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    due = work(board, outdated()).due_at

    state = work(board, TimePassed(event_id="due", ticket_id=MAILBOX, due=due))
    assert state.history == ()  # the deadline is far ahead of the present
    state = work(board, AutomationRequested(event_id="r1", ticket_id=MAILBOX, name="ci-triage", by="Ana"))

    (record,) = state.history
    assert (record.outcome, record.cause, record.cost_usd) == ("nothing", "manual", 0.0)
    assert board.world.runs.list_unfinished() == []


def test_push_to_the_base_branch_reads_the_declarations_again_and_others_do_not(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    work(board, outdated())

    for branch, expected in (("feature", 0), ("main", 1)):
        sha = declare(board, "other", "Look.") if branch == "main" else CommitSha("a" * 40)
        route(
            board.world.redis,
            BranchPushed(event_id=f"push-{branch}", repository=REPOSITORY.upper(), branch=branch, head_sha=sha),
        )
        assert pending(board) == expected

    assert [one.name for one in work(board).automations] == ["ci-triage", "other"]


def test_failed_check_of_the_base_branch_starts_one_run_and_one_of_a_fork_none(board: Board) -> None:
    declare(board, "ci-triage", "---\non: ci_red\nsources: [issues]\n---\n")
    state = work(board, outdated())

    def report(name: str, sha: str, conclusion: Any = "failure") -> None:
        event = ChecksReported(
            event_id=name, repository=REPOSITORY, branch="main", head_sha=CommitSha(sha), name="build",
            conclusion=conclusion,
        )  # fmt: skip
        route(board.world.redis, event)

    report("fork", "f" * 40)
    report("green", state.base_sha, "success")
    assert pending(board) == 0
    report("red", state.base_sha)
    report("red too", state.base_sha)
    assert pending(board) == 1

    assert [record.cause for record in work(board).history] == ["event"]


def test_red_base_branch_without_a_webhook_is_found_by_the_sweep(board: Board) -> None:
    declare(board, "ci-triage", "---\non: ci_red\nsources: [issues]\n---\n")
    state = work(board, outdated())
    script(board, {"name": "build", "conclusions": ["failure"]})

    find_missed(board.world)

    work(board)
    (record,) = work(board).history
    assert (record.cause, state.base_sha) == ("event", work(board).base_sha)


def test_label_starts_the_automations_of_its_team(board: Board) -> None:
    declare(board, "flaky", "---\non: label\nlabel: Flaky\nsources: [issues]\n---\n")
    work(board, outdated())

    for n, (team, label) in enumerate([("OPS", "flaky"), (TEAM, "bug"), (TEAM, "flaky"), (TEAM, "flaky")]):
        event = TicketEdited(
            event_id=f"l{n}", ticket_id=TicketId("t1"), order_only=True, new_labels=(label,), team=team
        )
        route(board.world.redis, event)

    assert pending(board) == 1


def test_sweep_reads_new_repositories_and_asks_for_an_unchanged_one_once_in_half_an_hour(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    find_missed(board.world)
    assert [one.name for one in work(board).automations] == ["ci-triage"]

    for _ in range(3):
        find_missed(board.world)
        assert pending(board) == 0
    board.world.redis.delete(keys.SWEPT)
    find_missed(board.world)
    assert pending(board) == 1  # the first time with this commit
    work(board)
    board.world.redis.delete(keys.SWEPT)
    find_missed(board.world)
    assert pending(board) == 0


def test_repository_that_is_gone_is_reported_and_retried(board: Board) -> None:
    team = board.world.policy.teams[TEAM]
    board.world.policy = replace(board.world.policy, teams={TEAM: replace(team, repository="acme/gone")})
    mailbox, store = automations_id("acme/gone"), AutomationStore(board.world.redis)
    store.deliver(DeclarationsOutdated(event_id="o1", ticket_id=mailbox))

    automate(mailbox)

    state = store.load(mailbox)
    assert state and state.automations == ()
    assert "acme/gone" in state.problems[0] and "LOOPLINE_TEAMS" in state.problems[0]


def test_findings_of_a_repository_that_was_renamed_stay_known_under_its_new_name(board: Board) -> None:
    ref = TicketRef(id=finding_ticket_id(REPOSITORY, "f" * 32, 0), identifier=Identifier("ENG-9"))
    known = KnownFinding(
        fingerprint="f" * 32, evidence="", title="T", automation="ci-triage", status="rejected", ticket=ref
    )
    before = replace(work(board, outdated()), findings=(known,), last_slots={"ci-triage": 1.0})
    board.world.redis.set(keys.automations(MAILBOX), AUTOMATION_STATE.encode(before))
    Hands(board).call("PATCH", f"/repos/{REPOSITORY}", name="ledger")
    team = board.world.policy.teams[TEAM]
    board.world.policy = replace(board.world.policy, teams={TEAM: replace(team, repository="acme/ledger")})
    mailbox, store = automations_id("acme/ledger"), AutomationStore(board.world.redis)

    store.deliver(DeclarationsOutdated(event_id="o1", ticket_id=mailbox))
    automate(mailbox)

    state = store.load(mailbox)
    assert state and (state.findings, state.base_branch, state.earlier_names) == ((known,), "main", (REPOSITORY,))
    assert store.find_present_name(REPOSITORY) == "acme/ledger"
    (block,) = build_blocks(state)
    assert restore_state("acme/ledger", block, board.world.now()).findings[0].ticket == ref


def test_findings_of_another_repository_are_not_taken_over(board: Board) -> None:
    known = KnownFinding(fingerprint="f" * 32, evidence="", title="T", automation="ci-triage")
    gone = AutomationState(repository="acme/gone", findings=(known,))
    served = AutomationState(repository=REPOSITORY.upper(), findings=(known,))
    for state in (gone, served):
        board.world.redis.set(keys.automations(state.id), AUTOMATION_STATE.encode(state))
        board.world.redis.sadd(keys.AUTOMATIONS, state.id)

    assert work(board, outdated()).findings == ()


def test_run_on_a_ticket_starts_the_automation_once_and_answers(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    work(board, outdated())

    board.write_as(board.ana.linear_key, VAGUE, "/run ci-triage")
    board.drive(VAGUE)

    (record,) = work(board).history
    assert (record.cause, record.outcome) == ("manual", "nothing")
    assert said(board, VAGUE)[-1].startswith("The automation `ci-triage` of acme/tally starts.")
    board.drive(VAGUE)
    assert len(work(board).history) == 1


def test_run_without_money_left_for_the_day_answers_with_the_reason(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    state = work(board, outdated())
    spent = replace(state, spent={"ci-triage": {day_of(board.world.now()): 5.0}})
    board.world.redis.set(keys.automations(MAILBOX), AUTOMATION_STATE.encode(spent))

    board.write_as(board.ana.linear_key, VAGUE, "/run ci-triage")
    board.drive(VAGUE)

    assert "cannot start now. The day's budget of $5.00 is used up ($5.00 spent)" in said(board, VAGUE)[-1]
    assert work(board).history == ()


def test_run_while_another_one_is_in_progress_answers_that_it_starts_after_it(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    state = work(board, outdated())
    running = replace(state, runs={"ci-triage": AutomationRun(id="r", automation="ci-triage", cause="manual")})
    board.world.redis.set(keys.automations(MAILBOX), AUTOMATION_STATE.encode(running))

    board.write_as(board.ana.linear_key, VAGUE, "/run ci-triage")
    board.drive(VAGUE)

    assert "of acme/tally starts after the run that is in progress." in said(board, VAGUE)[-1]


def test_run_of_an_unknown_automation_answers_with_those_that_exist(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    work(board, outdated())

    board.write_as(board.ana.linear_key, VAGUE, "/run ci-triag")
    board.drive(VAGUE)

    assert said(board, VAGUE)[-1] == "No automation of acme/tally is named ci-triag. There are: ci-triage."
    assert pending(board) == 0


def test_run_by_a_guest_starts_nothing(board: Board) -> None:
    declare(board, "ci-triage", TRIAGE)
    work(board, outdated())

    board.write_as("lin_api_eve", VAGUE, "/run ci-triage")
    board.drive(VAGUE)

    assert pending(board) == 0 and "permission" in said(board, VAGUE)[-1]
