"""Hapless makers: they repeat themselves, stall, burn tokens, break their tools, never stop."""

from __future__ import annotations

from dataclasses import replace

from integrations.standins.model.playbook import Answer, bash, create, view
from integrations.standins.model.request import Call
from tests.dishonest.plays.words import MEND, REVIEW, RUN, not_done
from tests.dishonest.scenario import End, dishonest, honest, script, step_by_step
from tests.dishonest.shop import BROKEN, CHECK, CODE

SPINS = "Needs you: no progress"
UNCLEAR = "The contract may ask for something"


def _spins(*says: str) -> End:
    end = not_done(SPINS, *says, escalation="spinning")
    return replace(end, never_says=(*end.never_says, UNCLEAR))


def _ended(*says: str, escalation: str = "turns") -> End:
    end = not_done("the maker ended without a result", *says, escalation=escalation)
    return replace(end, never_says=(*end.never_says, UNCLEAR))


def _debug(step: int) -> Answer:
    """A session that goes on: prints that come and go, the same red test after each of them, then the fix."""
    if step >= 24:
        return (Answer("The fix.", (MEND,)), Answer("The tests.", (RUN,)), Answer("Mended."))[step - 24]
    number, kind = divmod(step, 4)
    added = create(CODE, BROKEN.replace("    return", f"    print({number}, cents, percent)\n    return"))
    probe = bash("python3 -c 'from shop.price import price; price(1000, 150)'")
    return Answer("I look at the values.", ((added, RUN, probe, create(CODE, BROKEN))[kind],))


SCENARIOS = (
    dishonest(
        "repeats the same failing command",
        step_by_step(lambda step: Answer("Once more.", (bash(CHECK),))),
        _spins("the maker made no progress", CHECK, "same error"),
    ),
    dishonest(
        "repeats the same look around",
        step_by_step(lambda step: Answer("I look again.", (view(CODE),))),
        _spins("with the same result"),
    ),
    dishonest(
        "alternates between two steps",
        step_by_step(lambda step: Answer("And now the other.", ((view(CODE), bash("ls shop"))[step % 2],))),
        _spins("in turn"),
    ),
    dishonest(
        "repeats three steps in turn",
        step_by_step(lambda step: Answer("Next.", ((view(CODE), bash("ls shop"), bash(CHECK))[step % 3],))),
        _spins("repeated the same 3 steps"),
    ),
    dishonest(
        "repeats a command with another comment each time",
        step_by_step(lambda step: Answer("Once more.", (bash(f"{CHECK}  # attempt {step}"),))),
        _spins("small differences"),
    ),
    dishonest(
        "repeats a command with another number and order each time",
        step_by_step(
            lambda step: Answer(
                "Again.", (bash(f"echo run {step}; {('python3 -E -B', 'python3 -B -E')[step % 2]} -m unittest"),)
            )
        ),
        _spins("small differences"),
    ),
    dishonest(
        "waits for what never comes",
        step_by_step(lambda step: Answer("I wait.", (bash(f"sleep 0.{step}1; cat README.md"),))),
        _spins("The agent waited", "nothing changed"),
        policy={"spinning": {"polls": 6}},
    ),
    dishonest(
        "makes very many calls at once",
        step_by_step(lambda step: Answer("All.", tuple(bash(f"echo {n} {step}") for n in range(11)))),
        _spins("11 tool calls in one reply"),
        policy={"spinning": {"calls_per_turn": 10}},
    ),
    dishonest(
        "reads and reads without a change",
        step_by_step(lambda step: Answer("I read.", tuple(bash(f"cat {n}.py {'x' * step}") for n in range(10)))),
        _spins("tool calls without a change"),
        policy={"spinning": {"calls_before_change": 20}},
    ),
    honest("debugs for long with the same red test", step_by_step(_debug), REVIEW),
    dishonest(
        "makes and takes back the same change",
        step_by_step(
            lambda step: Answer(
                "Hm.", (bash(f"sed -i s/{('cents,', 'money,')[step % 2]}/{('money,', 'cents,')[step % 2]}/ {CODE}"),)
            )
        ),
        _spins(),
    ),
    dishonest(
        "touches a file each turn without a change",
        step_by_step(
            lambda step: Answer(
                f"Step {step}.",
                (bash(f"touch {CODE}; echo {step}"), bash("echo x >> shop/a.py") if not step else bash(f"true {step}")),
            )
        ),
        _spins("changed no file"),
        policy={"spinning": {"unchanged_turns": 4, "near_repeat": 50}},
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
        _ended("used all of its turns", "Needs you: out of turns", "Tried: "),
        turns=5,
    ),
    dishonest(
        "calls tools with wrong arguments",
        step_by_step(lambda step: Answer("", (Call("bash", {"cmd": f"ls {step}"}), Call("search", {"pattern": step})))),
        _ended("used all of its turns", "Needs you: out of turns", "Tried: "),
        turns=5,
    ),
    dishonest(
        "ends with an empty message",
        script(Answer("")),
        _ended("empty reply twice in a row", escalation="infrastructure"),
    ),
    dishonest(
        "never stops",
        step_by_step(lambda step: Answer(f"Step {step}.", (bash(f"echo {step} >> shop/notes.py"),))),
        _ended("used all of its turns", "Needs you: out of turns", "Tried: "),
        turns=5,
    ),
    dishonest(
        "is cut at its length limit each time",
        script(Answer("On and on. " * 8_000)),
        _ended("cut at its length limit twice", escalation="infrastructure"),
    ),
    dishonest(
        "does the same in every attempt",
        step_by_step(lambda step: Answer("Once more.", (bash(CHECK),))),
        _spins("the maker made no progress"),
        policy={"attempts": 3},
    ),
    dishonest(
        "fails the same check again and again",
        step_by_step(lambda step: Answer("Done.") if step else Answer("", (bash("date >> notes.rst"),))),
        not_done("the same checks failed 2 times in a row", escalation="spinning"),
        policy={"iterations": 4, "spinning": {"same_failures": 2}},
    ),
)
