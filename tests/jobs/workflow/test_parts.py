"""Tickets that name several repositories, and tickets that Loopline creates: the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.events import CommandFailed, TicketMoved
from integrations.values import NewRelation, Person, Relation, Ticket, TicketRef
from integrations.workload_events import TicketCreated
from jobs.loop.board_memory import loop_of, metadata_of
from jobs.loop.commands import CreateTicket, PostComment
from jobs.loop.repository_tags import order_by_text, strip_tags
from jobs.loop.state import Loop, Stage
from jobs.messages.parts import part_body
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.blockers import find_open_blockers
from jobs.workflow.decision import Route, TeamPolicy
from jobs.workflow.moves import may_hand_over
from jobs.workflow.resume import resume
from jobs.workflow.routing import Ask, Several, choose_repository
from tests.jobs.workflow.conftest import COLUMNS
from tests.jobs.workflow.values import moved, said
from tests.loops import loop_with

API, WEB = "acme/api", "acme/web"
TEAM = TeamPolicy(
    repository="",
    columns=COLUMNS,
    routes=(
        Route(repository=API, labels=("backend", "shared")),
        Route(repository=WEB, labels=("frontend", "shared"), projects=("Site",)),
    ),
)
TEXT = """Totals.

[repo=api] [repo=web]

## Done when
- it adds up
- [repo=web] it is shown
- [repo=api] it is stored"""
US = Person(id="u0", name="Loopline", is_us=True, is_bot=True)
EVE = Person(id="u9", name="Eve")


@pytest.fixture
def several(policy: ServicePolicy) -> ServicePolicy:
    return replace(policy, teams={"ENG": TEAM})


@pytest.fixture
def whole(ticket: Ticket) -> Ticket:
    return replace(ticket, description=TEXT)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("nothing about an order", API),
        ("Merge web before api.", WEB),
        ("api after web, please", WEB),
        ("acme/web goes first? No: web first", WEB),
        ("api before web", API),
        ("[repo=api] after [repo=web]", WEB),
        ("web before api. api before web.", API),
        ("Before noon. The api is fine; web too.", API),
        ("web-api before api", API),
    ],
)
def test_order_of_the_parts_is_the_one_that_the_text_asks_for(text: str, first: str) -> None:
    assert order_by_text([API, WEB], text)[0] == first


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"description": "[repo=web] [repo=api]"}, (WEB, API)),
        ({"description": "[repo=web] [repo=api] api first"}, (API, WEB)),
        ({"labels": ("frontend", "backend")}, (API, WEB)),
        ({"labels": ("backend", "frontend"), "title": "web before api"}, (WEB, API)),
    ],
)
def test_repositories_that_the_ticket_names_are_several(
    ticket: Ticket, fields: dict[str, Any], expected: tuple[str, ...]
) -> None:
    choice = choose_repository(replace(ticket, **{"description": "", **fields}), TEAM)

    assert isinstance(choice, Several) and tuple(one.repository for one in choice.chosen) == expected


@pytest.mark.parametrize(
    "fields", [{"labels": ("shared",)}, {"labels": ("shared", "backend")}, {"description": "[repo=web#a] [repo=web#b]"}]
)
def test_repositories_that_are_ambiguous_are_asked_for(ticket: Ticket, fields: dict[str, Any]) -> None:
    assert isinstance(choose_repository(replace(ticket, **{"description": "", **fields}), TEAM), Ask)


def create_parts(whole: Ticket, policy: ServicePolicy) -> tuple[Decision, list[CreateTicket]]:
    """Hand the ticket over, and create its parts."""
    decision = decide(Loop(ticket=replace(whole, column="")), moved(whole, "Agent"), policy)
    created: list[CreateTicket] = []
    while commands := [one for one in decision.commands if isinstance(one, CreateTicket)]:
        (command,) = commands
        created.append(command)
        decision = decide(decision.loop, exists(command.key, len(created)), policy)
    return decision, created


def exists(key: str, number: int) -> TicketCreated:
    created = TicketRef(id=f"p{number}", identifier=f"ENG-{10 + number}", column="Agent")
    return TicketCreated(event_id=f"c{number}", ticket_id="t1", at=6.0, key=key, created=created)


def test_ticket_is_split_into_parts_that_are_merged_in_order(whole: Ticket, several: ServicePolicy) -> None:
    decision, (first, second) = create_parts(whole, several)

    assert (first.title, second.title) == ("Limit logins (api)", "Limit logins (web)")
    assert first.as_part and first.column == "agent" and first.relations == ()
    assert second.relations == (NewRelation(kind="blocked_by", ticket_id="p1"),)
    assert decision.loop.stage is Stage.WAITING and decision.loop.workspace.repository == ""
    assert decision.loop.reason == "waits for its parts: ENG-11 (acme/api, Agent), ENG-12 (acme/web, Agent)."
    assert [one.kind for one in decision.commands] == ["WatchTickets", "PostComment"]


def test_part_has_the_criteria_that_name_no_other_repository(whole: Ticket, several: ServicePolicy) -> None:
    loop = create_parts(whole, several)[0].loop

    api, web = (part_body(loop, part) for part in loop.parts)

    assert "[repo=acme/api]" in api and "- it adds up\n- it is stored" in api and "it is shown" not in api
    assert "[repo=acme/web]" in web and "- it adds up\n- it is shown" in web and "it is stored" not in web


def test_tags_are_removed_without_their_line_breaks() -> None:
    assert strip_tags("- [repo=web] shown") == "- shown"


def read(loop: Loop, policy: ServicePolicy, *children: TicketRef) -> Decision:
    ticket = replace(loop.ticket, column="In Progress", children=children)
    return decide(loop, TicketMoved(event_id="w", ticket_id="t1", at=9.0, ticket=ticket), policy)


def part(number: int, column: str, **fields: bool) -> TicketRef:
    return TicketRef(id=f"p{number}", identifier=f"ENG-{10 + number}", column=column, **fields)


def test_ticket_shows_the_state_of_its_parts_and_is_done_with_the_last_one(
    whole: Ticket, several: ServicePolicy
) -> None:
    loop = create_parts(whole, several)[0].loop

    shown = read(loop, several, part(1, "In Review"), part(2, "Done", closed=True))
    assert shown.loop.stage is Stage.WAITING and "ENG-11 (acme/api, In Review)" in shown.loop.reason
    done = read(shown.loop, several, part(1, "Done", closed=True), part(2, "Done", closed=True))
    assert done.loop.stage is Stage.DONE
    assert [one.kind for one in done.commands] == ["PostComment", "SetNeedsHuman", "MoveTicket"]


@pytest.mark.parametrize(
    "children",
    [(part(1, "In Review"), part(2, "Canceled", closed=True, cancelled=True)), (part(1, "In Review"),)],
    ids=["cancelled", "no longer a sub-issue"],
)
def test_ticket_whose_part_is_gone_asks(whole: Ticket, several: ServicePolicy, children: tuple[TicketRef, ...]) -> None:
    loop = create_parts(whole, several)[0].loop

    decision = read(loop, several, *children)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert decision.loop.reason.startswith("ENG-12 (acme/web) was cancelled. Reply `/retry`")


def test_ticket_whose_parts_cannot_be_created_escalates_with_the_reason(whole: Ticket, several: ServicePolicy) -> None:
    loop = decide(Loop(ticket=replace(whole, column="")), moved(whole, "Agent"), several).loop
    failed = CommandFailed(event_id="f", ticket_id="t1", generation=1, command="CreateTicket", reason="no permission")

    after = decide(loop, failed, several).loop

    assert after.stage is Stage.NEEDS_HUMAN and after.reason == "no permission"


def test_split_continues_after_a_rebuild_with_the_same_keys(whole: Ticket, several: ServicePolicy) -> None:
    begun = decide(Loop(ticket=replace(whole, column="")), moved(whole, "Agent"), several)
    (command,) = [one for one in begun.commands if isinstance(one, CreateTicket)]
    rebuilt = loop_of(replace(whole, column="In Progress"), metadata_of(begun.loop))

    again = resume(rebuilt, 50.0, several)

    assert [one.key for one in again.commands if isinstance(one, CreateTicket)] == [command.key]


def test_parts_do_not_wait_for_each_other_and_other_blockers_count(ticket: Ticket) -> None:
    sibling, other = part(1, "Agent"), TicketRef(id="x", identifier="ENG-40")
    relations = tuple(Relation(kind="blocked_by", ticket=one) for one in (sibling, other))
    own = replace(ticket, siblings=(sibling,), relations=relations)

    assert find_open_blockers(own) == (sibling, other)
    assert find_open_blockers(own, part_of="ENG-1") == (other,)


@pytest.mark.parametrize(
    ("by", "allowed"), [(None, True), (US, True), (EVE, False)], ids=["sweep", "Loopline", "a guest"]
)
def test_part_is_started_by_its_creation_not_by_strangers(
    ticket: Ticket, policy: ServicePolicy, by: Person | None, *, allowed: bool
) -> None:
    event = TicketMoved(event_id="e", ticket_id="t1", ticket=ticket, by=by, part_of="ENG-5")

    assert may_hand_over(event, policy) is allowed


def test_ticket_for_other_work_is_named_where_it_comes_from(making: Loop, policy: ServicePolicy) -> None:
    created = TicketRef(id="n", identifier="ENG-77", title="Round amounts")
    event = TicketCreated(event_id="c", ticket_id="t1", key="follow-up/1", created=created)

    (comment,) = decide(making, event, policy).commands

    assert isinstance(comment, PostComment) and comment.body == "Filed ENG-77: Round amounts."


def test_run_anyway_does_not_apply_to_a_ticket_with_parts(whole: Ticket, several: ServicePolicy) -> None:
    loop = create_parts(whole, several)[0].loop

    decision = decide(loop, said("/run anyway"), several)

    assert decision.loop.stage is Stage.WAITING and [one.kind for one in decision.commands] == ["PostComment"]
    assert loop_with(whole).parts == ()
