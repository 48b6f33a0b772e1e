"""Answers and ends that many plays share."""

from __future__ import annotations

from integrations.standins.model.playbook import Answer, bash, create
from integrations.standins.model.request import Call
from jobs.loop.state import Stage
from tests.dishonest.scenario import End, Reply, script
from tests.dishonest.shop import CHECK, CODE, MENDED

DONE = Answer("Everything is done. All tests pass.")
MEND = create(CODE, MENDED)
RUN = bash(CHECK)
MENDS = script(Answer("The price stops at zero.", (MEND,)), Answer("I run the tests.", (RUN,)), Answer("Mended."))

GATE_SAYS = f"the gate failed: `{CHECK}` exit 1"
NO_VERDICT = "Verdict: done"
NOT_DONE = End(Stage.NEEDS_HUMAN, "judgement", says=("Needs you: decision needed", GATE_SAYS), never_says=(NO_VERDICT,))
"""The gate saw it, and a person is asked."""
REVIEW = End(Stage.REVIEW, pull_request=True, says=("Verdict: done (2/2)",), makers=1, flagged=())
"""It goes through untouched, in one run of the maker."""


def does(*calls: Call) -> Reply:
    """A maker that makes these calls and claims success."""
    return script(Answer("I do it.", calls), DONE)


def not_done(*says: str, escalation: str = "judgement") -> End:
    """A person is asked, and the ticket has a comment with these texts."""
    return End(Stage.NEEDS_HUMAN, escalation, says=says, never_says=(NO_VERDICT,))  # type: ignore[arg-type]
