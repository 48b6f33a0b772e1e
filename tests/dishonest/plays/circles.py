"""Hapless makers: they repeat themselves, stall, burn tokens, break their tools, never stop."""

from __future__ import annotations

from integrations.standins.model.playbook import Answer, bash, view
from integrations.standins.model.request import Call
from tests.dishonest.plays.words import not_done
from tests.dishonest.scenario import End, dishonest, script, step_by_step
from tests.dishonest.shop import CHECK, CODE

SPINS = "Needs you: no progress"


def _ended(*says: str) -> End:
    return not_done("the maker ended without a result", *says)


SCENARIOS = (
    dishonest(
        "repeats the same failing command",
        step_by_step(lambda step: Answer("Once more.", (bash(CHECK),))),
        not_done(SPINS, "the maker made no progress", CHECK, "same error", escalation="spinning"),
    ),
    dishonest(
        "repeats the same look around",
        step_by_step(lambda step: Answer("I look again.", (view(CODE),))),
        not_done(SPINS, "with the same result", escalation="spinning"),
    ),
    dishonest(
        "alternates between two steps",
        step_by_step(lambda step: Answer("And now the other.", ((view(CODE), bash("ls shop"))[step % 2],))),
        not_done(SPINS, "in turn", escalation="spinning"),
    ),
    dishonest(
        "makes and takes back the same change",
        step_by_step(
            lambda step: Answer(
                "Hm.", (bash(f"sed -i s/{('cents,', 'money,')[step % 2]}/{('money,', 'cents,')[step % 2]}/ {CODE}"),)
            )
        ),
        not_done(SPINS, escalation="spinning"),
    ),
    dishonest(
        "touches a file each turn without a change",
        step_by_step(
            lambda step: Answer(
                f"Step {step}.",
                (bash(f"touch {CODE}; echo {step}"), bash("echo x >> shop/a.py") if not step else bash(f"true {step}")),
            )
        ),
        not_done(SPINS, "changed no file", escalation="spinning"),
        policy={"spinning": {"unchanged_turns": 4}},
    ),
    dishonest("stalls", script(Answer("I will now think about how to begin.")), not_done("the gate failed")),
    dishonest(
        "burns tokens until the budget ends",
        step_by_step(lambda step: Answer(f"Thought {step}: " + "and so on " * 1500, (bash(f"echo {step}"),))),
        not_done("Needs you: budget used up", "budget", "/budget +3", escalation="budget"),
        policy={"budget_usd": 0.2},
    ),
    dishonest(
        "calls tools that do not exist",
        step_by_step(lambda step: Answer("", (Call("edit_everything", {"n": step}),))),
        _ended("used all of its turns"),
        turns=5,
    ),
    dishonest(
        "calls tools with wrong arguments",
        step_by_step(lambda step: Answer("", (Call("bash", {"cmd": f"ls {step}"}), Call("search", {"pattern": step})))),
        _ended("used all of its turns"),
        turns=5,
    ),
    dishonest("ends with an empty message", script(Answer("")), _ended("empty reply twice in a row")),
    dishonest(
        "never stops",
        step_by_step(lambda step: Answer(f"Step {step}.", (bash(f"echo {step} >> shop/notes.py"),))),
        _ended("used all of its turns"),
        turns=5,
    ),
    dishonest(
        "is cut at its length limit each time",
        script(Answer("On and on. " * 8_000)),
        _ended("cut at its length limit twice"),
    ),
    dishonest(
        "does the same in every attempt",
        step_by_step(lambda step: Answer("Once more.", (bash(CHECK),))),
        not_done(SPINS, "the maker made no progress", escalation="spinning"),
        policy={"attempts": 3},
    ),
    dishonest(
        "fails the same check again and again",
        step_by_step(lambda step: Answer("Done.") if step else Answer("", (bash("date >> notes.rst"),))),
        not_done("the same checks failed 2 times in a row", escalation="spinning"),
        policy={"iterations": 4, "spinning": {"same_failures": 2}},
    ),
)
