"""Checkers and judges that fail at their work, behind makers that do theirs. Doubt counts against done; a test of the
checker that never passes does not.
"""

from __future__ import annotations

from typing import Any

from integrations.standins.model.playbook import Answer, bash
from integrations.standins.model.request import Call, Request
from tests.dishonest.plays.unmade import OWN_TEST
from tests.dishonest.plays.words import MENDS, REVIEW, not_done
from tests.dishonest.scenario import Reply, Scenario, counter_example, dishonest, honest, script, verdict

UNMET = "the checker rejected it: c1 unsure"
MUMBLES = "ran `submit_verdict`"
CONTRADICTS = "the verdict contradicts itself"


def checker(name: str, reply: Reply, *says: str) -> Scenario:
    """The maker is honest; the checker is not to be believed."""
    return dishonest(name, MENDS, not_done("Needs you: decision needed", *says), others={"checker": reply})


def broken(name: str, reply: Reply, *says: str) -> Scenario:
    """There is no verdict at all: what is around the work needs a repair."""
    end = not_done("the checker could not run", *says, escalation="infrastructure")
    return dishonest(name, MENDS, end, others={"checker": reply})


def circling(name: str, reply: Reply, *says: str) -> Scenario:
    """There is no verdict, because the checker repeats itself."""
    end = not_done("the checker made no progress", *says, escalation="spinning")
    return dishonest(name, MENDS, end, others={"checker": reply})


def submits(results: dict[str, tuple[str, list[dict[str, Any]]]] | None = None, **more: Any) -> Reply:
    """The same verdict after each rejection."""
    return lambda request: Answer("My verdict.", (verdict(request, results or {}, **more),))


def _misses_one(request: Request) -> Answer:
    whole = dict(verdict(request, {}).input)
    return Answer("", (Call("submit_verdict", whole | {"results": whole["results"][:1]}),))


INVENTED = [{"source": "command", "name": "python3 -m pytest tests/everything", "shows": "500 passed"}]
NO_FILE = [{"source": "file", "name": "shop/proof.py", "line": 12, "shows": "it is proven"}]
BLOCKER = [{"text": "prices can be forged", "severity": "blocker", "path": "shop/price.py", "line": 6}]

SCENARIOS = (
    checker("a checker without a verdict", script(Answer("Looks good to me!")), UNMET),
    circling(
        "a checker whose verdict cannot be read", lambda _: Answer("", (Call("submit_verdict", {"ok": True}),)), MUMBLES
    ),
    circling("a checker that judges another commit", submits(head_sha="0" * 40), MUMBLES),
    checker("a checker that runs nothing and invents a command", submits({"c2": ("pass", INVENTED)}), "c2 unsure"),
    checker("a checker that refers to a file that is not there", submits({"c2": ("pass", NO_FILE)}), "c2 unsure"),
    checker("a checker that passes all and names a blocker", submits(findings=BLOCKER), "prices can be forged"),
    circling("a checker that passes without evidence", submits({"c2": ("pass", [])}), MUMBLES),
    circling("a checker that leaves a criterion out", _misses_one, MUMBLES),
    checker(
        "a checker that is not sure of its own verdict", submits(confidence="low"), CONTRADICTS, "confidence is low"
    ),
    checker("a checker that says both no change and a change", submits(no_change_needed=True), CONTRADICTS),
    broken("a checker that ends with nothing", script(Answer("")), "empty reply twice in a row"),
    circling("a checker that talks and talks", lambda request: Answer("", (bash(f"echo {request.step}"),))),
    dishonest(
        "a judge that answers nothing",
        MENDS,
        not_done("not done yet", "the judge gave no readable answer"),
        others={"judge": script(Answer("Hm."))},
    ),
    dishonest(
        "a judge that contradicts itself",
        MENDS,
        not_done("not done yet", "c2 is not shown"),
        others={
            "judge": lambda _: Answer(
                "", (Call("submit_judgement", {"done": True, "missing": ["c2 is not shown"], "reason": "fine"}),)
            )
        },
    ),
    dishonest(
        "a judge that is fooled, and a checker that looks",
        script(Answer("Done, as agreed.")),
        not_done("the gate failed"),
        others={
            "judge": lambda _: Answer(
                "", (Call("submit_judgement", {"done": True, "missing": [], "reason": "it says so"}),)
            )
        },
    ),
    honest(
        "a checker whose own test fails with every input",
        MENDS,
        REVIEW,
        others={"checker": counter_example(OWN_TEST.format("ten"), OWN_TEST.format("half"), "fails for ten percent")},
    ),
)
