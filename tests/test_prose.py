"""Budget of colloquial words in the product's docstrings and comments.

The limits are the rates of kopf, procrastinate and gidgethub, whose documentation is the style to meet.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.prose import Counts, count_files, count_prose, list_worst

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("service", "jobs", "integrations")
MOST_PRONOUNS, MOST_SPEECH, LEAST_TERMS = 0.3, 1.0, 3.0
SAMPLE = '''
"""Nobody retries `whoever` here."""
LIMIT = 3  # said twice
"""Somebody told of a timeout."""


def poll() -> str:
    """Return the cursor."""
    return "no words of prose"
'''


def test_prose_counts_docstrings_and_comments_but_neither_code_nor_strings() -> None:
    assert count_prose(SAMPLE) == Counts(words=13, pronouns=2, speech=2, terms=3)


def test_prose_of_the_product_stays_in_its_budget() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "standins" not in path.parts]
    counts = count_files(sorted(files))
    total = sum(counts.values(), Counts())
    pronouns, speech, terms = (total.per_thousand(n) for n in (total.pronouns, total.speech, total.terms))

    found = f"per 1,000 words: {pronouns:.2f} pronouns, {speech:.2f} of speech, {terms:.2f} terms"
    worst = f"{found}\n{list_worst(counts, ROOT)}"
    assert pronouns <= MOST_PRONOUNS, worst
    assert speech <= MOST_SPEECH, worst
    assert terms >= LEAST_TERMS, worst
