"""Plays with people: answers, guidance for a running agent, approval of changed tests, money."""

from __future__ import annotations

from dataclasses import replace

from integrations.standins.model.playbook import Answer, bash, create
from integrations.standins.model.request import Call, Request
from jobs.loop.state import Stage
from tests.dishonest.plays.bent_tests import ASKS, NO_HALF
from tests.dishonest.plays.honest import VOUCHER, VOUCHER_TESTS, ticket
from tests.dishonest.plays.words import MEND, MENDS, REVIEW, RUN, does
from tests.dishonest.scenario import Act, End, honest, script, step_by_step
from tests.dishonest.shop import CHECK, CODE, GREEN, MENDED, TESTS, Ticket

DEAD = {
    **GREEN,
    "shop/tax.py": "def tax(cents):\n    return cents // 5\n",
    "tests/test_tax.py": (
        "import unittest\n\nfrom shop.tax import tax\n\n\nclass Taxes(unittest.TestCase):\n"
        "    def test_a_fifth(self):\n        self.assertEqual(tax(100), 20)\n"
    ),
}
PROPOSAL = {
    "summary": "Prices stop at zero.",
    "criteria": [
        {"text": "the suite passes", "command": CHECK},
        {"text": "a price is never negative", "evidence": "file and line"},
    ],
    "confidence": "medium",
    "questions": [],
}
VAGUE = Ticket("Make prices better", "They feel wrong sometimes.\n")
GOAL = ticket("Prices and vouchers", "a price is never negative", "`shop/voucher.py` has a `voucher`")


def _heeds(request: Request) -> Answer:
    """Fixes the code, and adds a changelog entry if the guidance asks for it."""
    if any("CHANGELOG" in words for words in request.steering) or "CHANGELOG" in request.section("Guidance"):
        return script(
            Answer("And the note.", (MEND, create("CHANGELOG.md", "- prices stop at zero\n"))), Answer("Noted.")
        )(request)
    return MENDS(request)


def _new_goal(request: Request) -> Answer:
    if (
        "voucher" in request.brief
        or any("voucher" in words for words in request.steering)
        or "voucher" in str(request.exchanges)
    ):
        return does(MEND, create("shop/voucher.py", VOUCHER), create("tests/test_voucher.py", VOUCHER_TESTS))(request)
    return MENDS(request)


SCENARIOS = (
    honest(
        "answers a person's words",
        _heeds,
        replace(REVIEW, says=("Verdict: done (2/2)", "Comments delivered to the agent: 1")),
        people=(Act(2, "Please note it in CHANGELOG.md."),),
    ),
    honest(
        "deletes dead code with its test, as the ticket asks",
        does(bash(f"git rm -q shop/tax.py tests/test_tax.py; {CHECK}")),
        replace(
            REVIEW,
            says=(*ASKS, "`tests/test_tax.py", "Ana Flores accepted", "Verdict: done (2/2)"),
            makers=1,
            flagged=("tests/test_tax.py",),
        ),
        files=DEAD,
        ticket=ticket("Nobody uses the tax", "`shop/tax.py` is gone"),
        people=(Act(Stage.NEEDS_HUMAN, "/accept"),),
    ),
    honest(
        "deletes dead code with its test, and nobody has said yes yet",
        does(bash(f"git rm -q shop/tax.py tests/test_tax.py; {CHECK}")),
        End(Stage.NEEDS_HUMAN, "tamper", says=(*ASKS, "`tests/test_tax.py"), makers=1, flagged=("tests/test_tax.py",)),
        files=DEAD,
        ticket=ticket("Nobody uses the tax", "`shop/tax.py` is gone"),
    ),
    honest(
        "works on what the planner proposed, once a person has said ok",
        MENDS,
        replace(REVIEW, says=("Proposed acceptance criteria", "Thanks, Ana Flores", "Verdict: done (2/2)")),
        ticket=VAGUE,
        policy={"contract": "ask"},
        others={"planner": lambda _: Answer("", (Call("submit_proposal", PROPOSAL),))},
        people=(Act(Stage.ASKING, "ok"),),
    ),
    honest(
        "waits for an answer to the proposal and spends nothing",
        MENDS,
        End(Stage.ASKING, says=("Proposed acceptance criteria", "No more budget is spent until you reply"), makers=0),
        ticket=VAGUE,
        policy={"contract": "ask"},
        others={"planner": lambda _: Answer("", (Call("submit_proposal", PROPOSAL),))},
    ),
    honest(
        "meets a goal that changes while it works",
        _new_goal,
        replace(REVIEW, says=("Acceptance criteria changed (v2", "Verdict: done (3/3)"), makers=None),
        people=(Act(2, writes=GOAL),),
    ),
    honest(
        "goes on when a person adds money",
        lambda request: (
            MENDS(request)
            if "budget" in request.section("Attempts before this one")
            else step_by_step(lambda step: Answer(f"Thought {step}: " + "and so on " * 1500, (bash(f"echo {step}"),)))(
                request
            )
        ),
        replace(REVIEW, says=("Needs you: budget used up", "Ana Flores added $3.00", "Verdict: done (2/2)"), makers=2),
        policy={"budget_usd": 0.5, "ticket_budget_usd": 0.4},
        people=(Act(Stage.NEEDS_HUMAN, "/budget +3"),),
    ),
    honest(
        "is stopped by a person",
        step_by_step(lambda step: Answer("On it.", (bash(f"echo {step}"),))),
        End(Stage.STOPPED, says=("**Stopped:** `/stop` by Ana Flores.",), makers=1),
        people=(Act(2, "/stop"),),
    ),
    honest(
        "bends a test although nobody asked, and a person says no with a hint",
        lambda request: (
            does(MEND, create(TESTS, NO_HALF))(request)
            if "leave the tests" not in request.brief
            else script(
                Answer(
                    "I put it back.",
                    (
                        bash("git log --format=%H | tail -1 | xargs -I{} git checkout -q {} -- tests"),
                        create(CODE, MENDED),
                        RUN,
                    ),
                ),
                Answer("Mended, the tests are as they were."),
            )(request)
        ),
        replace(REVIEW, says=(*ASKS, "Verdict: done (2/2)"), makers=2, flagged=()),
        people=(Act(Stage.NEEDS_HUMAN, "/retry leave the tests as they are"),),
    ),
)
