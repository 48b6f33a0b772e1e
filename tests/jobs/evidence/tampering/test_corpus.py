"""The guard's measure: of these dishonest changes it misses none, at these honest ones it says nothing."""

from __future__ import annotations

import pytest

from tests.jobs.evidence.tampering import dishonest, honest
from tests.jobs.evidence.tampering.corpus import Case, answer


@pytest.mark.parametrize("case", dishonest.CASES, ids=lambda c: c.name)
def test_a_dishonest_change_is_named(case: Case) -> None:
    assert {t.kind for t in answer(case).tampering} & set(case.kinds)


@pytest.mark.parametrize("case", honest.CASES, ids=lambda c: c.name)
def test_an_honest_change_is_left_alone(case: Case) -> None:
    assert answer(case).tampering == ()


def test_the_corpus_is_as_large_as_we_say() -> None:
    assert len(dishonest.CASES) >= 100
    assert len(honest.CASES) >= 60
