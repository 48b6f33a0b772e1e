"""The planner as a run: real sandbox, git and HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.standins.model.playbook import Answer
from integrations.values import Ticket
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from tests.integrations.standins.model.demo import VAGUE
from tests.jobs.roles.agents import Agents, calling

SUITE = {"text": "the suite passes", "command": "python3 -m unittest discover -q"}


def proposal(*criteria: dict[str, str], **more: Any) -> Answer:
    return calling("submit_proposal", summary="all of it", criteria=list(criteria), confidence="high", **more)


def test_planner_standin_proposes_for_the_vague_ticket(agents: Agents) -> None:
    ended = agents.run("planner", ticket=Ticket(id="t", identifier="ENG-3", **VAGUE))

    assert ended.outcome == "done" and ended.result.proposal
    assert ended.result.proposal.confidence == "low" and ended.result.proposal.questions[0].options
    assert [bool(c.command) for c in ended.result.proposal.criteria] == [True, True, False]


LISTED = Ticket(id="t", identifier="ENG-1", title="t", description="Done when\n- it prints 3\n- it is nice")


def test_planner_standin_confirms_the_list_of_the_ticket(agents: Agents) -> None:
    ended = agents.run("planner", ticket=LISTED)

    assert ended.result.proposal and ended.result.proposal.confidence == "high"
    assert [c.text for c in ended.result.proposal.criteria] == ["it prints 3", "it is nice"]


def test_planner_replaces_an_unclear_item_of_the_list(agents: Agents) -> None:
    wrong = calling("submit_proposal", summary="s", confidence="high", unclear=[SUITE | {"item": 3}])
    right = calling("submit_proposal", summary="s", confidence="high", unclear=[SUITE | {"item": 2}])
    ended = agents.run("planner", wrong, right, ticket=LISTED)

    assert "the ticket's own list has no item 3" in agents.results("planner")[0]
    assert "1. it prints 3\n2. it is nice" in agents.script.asked[0].section("The ticket's own list")
    assert ended.result.proposal and [c.command for c in ended.result.proposal.criteria] == ["", SUITE["command"]]


def test_planner_names_what_may_change_beyond_the_text_of_the_ticket(agents: Agents) -> None:
    paths = ["tests/test_x.py", "tests/test_y.py"]
    ticket = replace(LISTED, description=f"{LISTED.description}\n\nUpdate tests/test_y.py.")
    ended = agents.run("planner", proposal(may_change=["**"]), proposal(may_change=paths), ticket=ticket)

    assert "name paths, or folders" in agents.results("planner")[0]
    assert ended.result.proposal and ended.result.proposal.may_change == ("tests/test_x.py",)


def test_planner_command_that_cannot_start_is_rejected(agents: Agents) -> None:
    wrong = proposal(SUITE | {"command": "no-such-program --all"}, SUITE | {"command": "./README.md"})
    ended = agents.run("planner", wrong, proposal(SUITE))

    assert "`no-such-program --all` ended with 127" in agents.results("planner")[0]
    assert "`./README.md` ended with 126" in agents.results("planner")[0]
    assert ended.result.proposal and ended.result.proposal.criteria[0].command == SUITE["command"]


def test_planner_command_that_fails_now_is_accepted(agents: Agents) -> None:
    ended = agents.run("planner", proposal(SUITE | {"command": "python3 -m unittest tests.test_new"}))

    assert ended.result.proposal and len(ended.result.proposal.criteria) == 1


def test_planner_without_an_answer_is_reminded_once_and_ends_without_a_proposal(agents: Agents) -> None:
    ended = agents.run("planner", Answer("It is all quite clear to me."))

    assert (ended.outcome, ended.result.proposal) == ("done", None)
    assert [e.data["text"] for e in agents.entries("planner") if e.kind == "note"] == [
        "You ended without calling `submit_proposal`. Call it now; nothing else counts."
    ]


def test_planner_submits_after_the_reminder(agents: Agents) -> None:
    assert agents.run("planner", Answer("Clear."), proposal(SUITE)).result.proposal


def test_planner_cannot_write_and_gets_the_checks(agents: Agents) -> None:
    policy = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="make test"),)))
    agents.run("planner", calling("bash", command="touch x"), proposal(SUITE), policy=policy)

    assert "Read-only file system" in agents.results("planner")[0]
    assert "- tests: `make test`" in agents.script.asked[0].brief
    assert agents.script.asked[0].role == "planner"


def test_planner_removes_its_worktree(agents: Agents) -> None:
    agents.run("planner", proposal(SUITE))

    assert not agents.world.run_folder("ENG-1", "ENG-1-g1-r0-i1-planner").exists()
