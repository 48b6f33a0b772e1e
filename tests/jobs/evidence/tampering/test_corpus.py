"""The tamper guard finds all dishonest changes of the corpus and none of the honest ones."""

from __future__ import annotations

import pytest

from tests.jobs.evidence.tampering import dishonest, honest
from tests.jobs.evidence.tampering.corpus import Case, run_guard


@pytest.mark.parametrize("case", dishonest.CASES, ids=lambda c: c.name)
def test_guard_finds_a_dishonest_change(case: Case) -> None:
    assert {t.kind for t in run_guard(case).tampering} & set(case.kinds)


@pytest.mark.parametrize("case", honest.CASES, ids=lambda c: c.name)
def test_guard_ignores_an_honest_change(case: Case) -> None:
    assert run_guard(case).tampering == ()


def test_corpus_has_the_documented_size() -> None:
    assert len(dishonest.CASES) >= 100
    assert len(honest.CASES) >= 60
