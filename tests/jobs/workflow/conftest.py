"""Values for the rules' tests: no Redis, no clock, no fixture that acts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.values import Ticket
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract, Criterion, Loop, Stage
from jobs.workflow import ServicePolicy
from jobs.workflow.decision import TeamPolicy
from tests.jobs.workflow.values import BASE, HEAD, evidence, passing
from tests.loops import changed, loop_with

COLUMNS = {
    "agent": "Agent",
    "working": "In Progress",
    "review": "In Review",
    "done": "Done",
    "needs_human": "Needs Human",
}


@pytest.fixture
def policy() -> ServicePolicy:
    team = TeamPolicy(repository="acme/shop", columns=COLUMNS)
    return ServicePolicy(teams={"ENG": team}, models={"maker": "m", "checker": "c", "strong": "s"}, max_iterations=3)


@pytest.fixture
def ticket() -> Ticket:
    done_when = "## Done when\n- `pytest -q` passes\n- the sixth login is refused (evidence: test)"
    return Ticket(id="t1", identifier="ENG-1", title="Limit logins", description=done_when, team="ENG", column="Agent")


@pytest.fixture
def contract() -> Contract:
    return Contract(
        criteria=(
            Criterion(id="c1", text="`pytest -q` passes", command="pytest -q"),
            Criterion(id="c2", text="the sixth login is refused", evidence="test"),
        )
    )


@pytest.fixture
def making(ticket: Ticket, contract: Contract) -> Loop:
    return loop_with(
        replace(ticket, column="In Progress"),
        generation=1,
        stage=Stage.MAKING,
        repository="acme/shop",
        base_branch="main",
        base_sha=BASE,
        branch="loopline/eng-1-limit-logins",
        policy=RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="pytest -q"),))),
        contract=contract,
        iteration=1,
        run_id="ENG-1-g1-r0-i1-maker",
    )


@pytest.fixture
def review(making: Loop) -> Loop:
    shown = {"stage": Stage.REVIEW, "head_sha": HEAD, "pushed_sha": HEAD, "number": 7, "url": "http://h/7"}
    return changed(making, **shown, verdict=passing(), evidence=(evidence(0),), summary="Counts logins.")
