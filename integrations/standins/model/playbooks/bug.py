"""The maker on the bug ticket of the demo repository: the first iteration fixes half of it.

The second iteration finds the failing test in the gate's output and fixes the rest; later ones answer a review.
"""

from __future__ import annotations

import re

from integrations.standins.model.playbook import (
    RUN_ALL,
    Answer,
    Playbook,
    bash,
    create,
    play,
    read_file,
    replace_in,
    review_script,
    view,
)
from integrations.standins.model.request import Request

SHARES = "tally/shares.py"
TESTS = "tests/test_rounding.py"
RUN_TESTS = "python3 -m unittest tests.test_rounding"

EQUAL_OLD = "    return {name: cents // len(names) for name in names}\n"
EQUAL_NEW = """    part, left = divmod(cents, len(names))
    return {name: part + (place < left) for place, name in enumerate(names)}
"""
WEIGHTED_OLD = "    return {name: cents * weight // total for name, weight in weights.items()}\n"
WEIGHTED_NEW = """    parts = {name: cents * weight // total for name, weight in weights.items()}
    left = cents - sum(parts.values())
    return {name: part + (place < left) for place, (name, part) in enumerate(parts.items())}
"""

FIRST_TRY = (
    Answer(
        "I start with the module that divides amounts, and with what its tests cover so far.",
        (view(SHARES), view("tests/test_shares.py")),
    ),
    Answer(
        "Both functions round every part down, so the rest is lost. First the tests from the ticket, for equal and for "
        "weighted shares.",
        (create(TESTS, read_file("test_rounding.py")),),
    ),
    Answer(
        "Now the fix: the cents that are left over go to the first people.", (replace_in(SHARES, EQUAL_OLD, EQUAL_NEW),)
    ),
    Answer("I run the tests of the equal shares.", (bash(f"{RUN_TESTS}.EqualShares -q"),)),
    Answer(
        "Left-over cents now go one each to the first people, and `tests/test_rounding.py` covers it. I ran the tests "
        "of the equal shares; I did not run the rest of the suite."
    ),
)
LOOK_AGAIN = Answer(
    "I start from what is on the branch. I run the rounding tests first, to see the failure myself.",
    (bash(f"{RUN_TESTS} -q"),),
)
SECOND_HALF = (
    Answer("The failing tests are all about weights, so I look at that function.", (view(SHARES),)),
    Answer(
        "`split_by_weight` still rounds down and drops the rest. The same rule goes there.",
        (replace_in(SHARES, WEIGHTED_OLD, WEIGHTED_NEW),),
    ),
    Answer("Now the new tests and the whole suite.", (bash(f"{RUN_TESTS} -q && {RUN_ALL}"),)),
    Answer(
        "The weighted split lost its rest as well: its left-over cents now also go one each to the first people. The "
        "rounding tests and the whole suite pass. Negative amounts are not covered by a test."
    ),
)


def _answer(request: Request) -> Answer:
    if request.iteration == 1 and not request.is_revision and not request.section("Results of the last iteration"):
        return play(FIRST_TRY, request)
    shown = [exchange.result for exchange in request.exchanges if exchange.call == LOOK_AGAIN.calls[0]]
    if not shown:
        return play((LOOK_AGAIN,), request)
    if re.search(r"^(FAIL|ERROR): test_weighted", shown[0], re.MULTILINE):
        return play((LOOK_AGAIN, *SECOND_HALF), request)
    return play((LOOK_AGAIN, *review_script(request)), request)


PLAYBOOK = Playbook(
    "bug", matches=lambda request: request.role == "maker" and "lose a cent" in request.title.lower(), answer=_answer
)
