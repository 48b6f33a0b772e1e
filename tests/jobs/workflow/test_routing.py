"""The repository of a ticket: the choice, the question, the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import TicketEdited
from integrations.values import Ticket
from jobs.loop.commands import PostComment, PrepareWorkspace
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.decision import Route, TeamPolicy
from jobs.workflow.routing import Ask, Chosen, Refused, choose_repository, read_repository_answer
from tests.jobs.workflow.conftest import COLUMNS
from tests.jobs.workflow.values import kinds, moved, said

ROUTES = (
    Route(repository="acme/shop", labels=("backend",)),
    Route(repository="acme/web", labels=("web", "Frontend"), projects=("Website",)),
    Route(repository="acme/docs", projects=("Handbook", "Website 2")),
)
TEAM = TeamPolicy(repository="", columns=COLUMNS, routes=ROUTES)
ALL = ("acme/shop", "acme/web", "acme/docs")


@pytest.fixture
def several(policy: ServicePolicy) -> ServicePolicy:
    return replace(policy, teams={"ENG": TEAM})


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        pytest.param({"description": "[repo=acme/web]"}, Chosen("acme/web"), id="tag in the description"),
        pytest.param({"title": "Fix it [repo=acme/docs]"}, Chosen("acme/docs"), id="tag in the title"),
        pytest.param({"description": "[repo=ACME/Web]"}, Chosen("acme/web"), id="case of a tag"),
        pytest.param({"description": "[repo=web]"}, Chosen("acme/web"), id="tag without the owner"),
        pytest.param({"description": "[repo=acme/web#release/2.1]"}, Chosen("acme/web", "release/2.1"), id="branch"),
        pytest.param({"description": "[repo=web] and [repo=web]"}, Chosen("acme/web"), id="the same tag twice"),
        pytest.param({"labels": ("WEB",)}, Chosen("acme/web"), id="label"),
        pytest.param({"labels": ("web", "frontend", "urgent")}, Chosen("acme/web"), id="two labels of one repository"),
        pytest.param({"project": "handbook"}, Chosen("acme/docs"), id="project"),
        pytest.param({"labels": ("backend",), "project": "Website"}, Chosen("acme/shop"), id="label before project"),
        pytest.param(
            {"labels": ("backend",), "description": "[repo=docs]"}, Chosen("acme/docs"), id="tag before label"
        ),
    ],
)
def test_repository_is_determined_by_the_ticket(ticket: Ticket, fields: dict[str, object], chosen: Chosen) -> None:
    assert choose_repository(replace(ticket, **{"description": "", **fields}), TEAM) == chosen  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "choices", "part"),
    [
        ({}, ALL, "Neither a label nor the project"),
        ({"project": "Web"}, ALL, "Neither"),
        (
            {"description": "[repo=web#a] [repo=web#b] [repo=docs]"},
            ("acme/web", "acme/docs"),
            "one ticket works in one",
        ),
        ({"description": "[repo=web#a] [repo=web#b]"}, ("acme/web",), "acme/web#a and acme/web#b"),
        ({"description": "as in `[repo=web]`"}, ALL, "Neither"),
        ({"description": "```\n[repo=web]\n```"}, ALL, "Neither"),
    ],
)
def test_repository_that_is_not_determined_is_asked_for(
    ticket: Ticket, fields: dict[str, object], choices: tuple[str, ...], part: str
) -> None:
    asked = choose_repository(replace(ticket, **{"description": "", **fields}), TEAM)  # type: ignore[arg-type]

    assert isinstance(asked, Ask) and asked.choices == choices and part in asked.reason


@pytest.mark.parametrize(
    ("tag", "part"),
    [
        ("[repo=evil/shop]", "not one of the team's repositories"),
        ("[repo=acme/web] [repo=acme/unknown]", "acme/unknown"),
        ("[repo=web#loopline/eng-1]", "cannot be a base branch"),
        ("[repo=web#--upload-pack=x]", "cannot be a base branch"),
        ("[repo=web#a..b]", "cannot be a base branch"),
        ("[repo=web#a:b]", "cannot be a base branch"),
        ("[repo=../../etc]", "not one of the team's repositories"),
    ],
)
def test_repository_or_branch_that_is_not_allowed_is_refused_with_the_choices(
    ticket: Ticket, tag: str, part: str
) -> None:
    refused = choose_repository(replace(ticket, description=tag), TEAM)

    assert isinstance(refused, Refused) and refused.choices == ALL and part in refused.reason


def test_default_repository_is_used_for_tickets_that_determine_none(ticket: Ticket) -> None:
    team = replace(TEAM, repository="acme/shop")

    assert choose_repository(replace(ticket, project="Handbook"), team) == Chosen("acme/docs")
    assert choose_repository(ticket, team) == Chosen("acme/shop")


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("2", Chosen("acme/web")),
        (" 3. ", Chosen("acme/docs")),
        ("acme/web", Chosen("acme/web")),
        ("`web`", Chosen("acme/web")),
        ("web#next", Chosen("acme/web", "next")),
        ("[repo=docs#v2]", Chosen("acme/docs", "v2")),
        ("please use acme/web for this", Chosen("acme/web")),
        ("0", None),
        ("4", None),
        ("²", None),
        ("acme/web or acme/docs", None),
        ("the usual one", None),
        ("", None),
    ],
)
def test_answer_names_a_repository_or_is_no_answer(text: str, chosen: Chosen | None) -> None:
    assert read_repository_answer(text, TEAM) == chosen


def test_question_with_choices_waits_for_an_answer_that_starts_the_work(ticket: Ticket, several: ServicePolicy) -> None:
    asked = decide(Loop(ticket=ticket), moved(ticket, "Agent"), several)
    (question,) = [c for c in asked.commands if isinstance(c, PostComment)]

    assert (asked.loop.stage, asked.loop.workspace.repository) == (Stage.ASKING, "")
    assert kinds(asked.commands) == ["SetNeedsHuman", "PostComment", "MoveTicket"]
    assert "2. `acme/web`" in question.body
    unclear = decide(asked.loop, said("the usual one"), several)
    assert unclear.loop.stage is Stage.ASKING and kinds(unclear.commands) == ["PostComment"]
    started = decide(unclear.loop, said("2"), several)
    (prepare,) = [c for c in started.commands if isinstance(c, PrepareWorkspace)]
    assert (started.loop.stage, prepare.repository, prepare.base) == (Stage.PREPARING, "acme/web", "")


def test_question_is_answered_by_an_edit_of_the_ticket(ticket: Ticket, several: ServicePolicy) -> None:
    asked = decide(Loop(ticket=ticket), moved(ticket, "Agent"), several).loop
    tagged = replace(asked.ticket, description="[repo=acme/docs#v2]\n" + ticket.description)

    started = decide(asked, TicketEdited(event_id="x", ticket_id="t1", ticket=tagged), several)

    (prepare,) = [c for c in started.commands if isinstance(c, PrepareWorkspace)]
    assert (prepare.repository, prepare.base) == ("acme/docs", "v2")
    labelled = replace(asked.ticket, labels=("backend",))
    event = TicketEdited(event_id="y", ticket_id="t1", ticket=labelled, order_only=True)
    assert decide(asked, event, several).loop.workspace.repository == "acme/shop"


def test_retry_keeps_the_repository_of_an_earlier_answer(ticket: Ticket, several: ServicePolicy) -> None:
    asked = decide(Loop(ticket=ticket), moved(ticket, "Agent"), several).loop
    stopped = replace(decide(asked, said("2"), several).loop, stage=Stage.STOPPED)

    again = decide(stopped, said("/retry"), several).loop

    assert (again.stage, again.workspace.repository, again.workspace.branch) == (
        Stage.PREPARING,
        "acme/web",
        stopped.workspace.branch,
    )
