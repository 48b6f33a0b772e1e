"""State is changed through `dataclasses.replace`: mypy reports a wrong change, and pydantic refuses it at run time."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from mypy import api
from pydantic import ValidationError

from integrations.values import Identifier, Ticket, TicketId
from jobs.loop.state import LOOP, Loop

SNIPPET = """
from dataclasses import replace
from integrations.events import RunFinished
from integrations.results import Gated
from integrations.values import CommitSha, Identifier, RunId, Ticket, TicketId
from jobs.loop.state import Loop

sha, run_id, ticket_id = CommitSha("a" * 40), RunId("r1"), TicketId("t1")
loop = Loop(ticket=Ticket(id=ticket_id, identifier=Identifier("ENG-1"), title="T"))
"""
WRONG = {
    'replace(loop, stge="making")': 'Unexpected keyword argument "stge" for "replace" of "Loop"',
    'replace(loop, generation="three")': 'Argument "generation" to "replace" of "Loop" has incompatible type "str"',
    "replace(loop.attempt, head_sha=sha)": 'Unexpected keyword argument "head_sha" for "replace" of "Attempt"',
    "replace(loop.candidate, head_sha=run_id)": 'has incompatible type "RunId"; expected "CommitSha"',
    'replace(loop.candidate, head_sha="abc")': 'has incompatible type "str"; expected "CommitSha"',
    'Ticket(id=Identifier("ENG-1"), identifier=Identifier("ENG-1"), title="T")': 'expected "TicketId"',
    'RunFinished(event_id="e", run_id=run_id, generation=1, outcome="done", result=Gated(), verdict=None)': (
        'Unexpected keyword argument "verdict" for "RunFinished"'
    ),
    "loop.generation = 2": 'Property "generation" defined in "Loop" is read-only',
}
ROOT = Path(__file__).parents[3]
TICKET = Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="T")


def test_state_changes_are_checked_by_mypy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET + "\n".join(WRONG) + "\nreplace(loop, generation=2, run_id=run_id)\n", encoding="utf-8")
    monkeypatch.chdir(ROOT)
    cache = ROOT / ".mypy_cache"
    options = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={cache}/typed_state"]

    report, errors, _ = api.run([*options, str(snippet)])

    lines = [line for line in report.splitlines() if ": error: " in line]
    assert errors == "" and len(lines) == len(WRONG), report + errors
    for line, expected in zip(lines, WRONG.values(), strict=True):
        assert expected in line


@pytest.mark.parametrize(
    "change",
    [{"stge": "making"}, {"generation": "three"}, {"stage": "nowhere"}, {"attempt": None}, {"attempts": ("first",)}],
)
def test_state_change_with_a_wrong_value_raises(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        replace(Loop(ticket=TICKET), **change)


def test_state_cannot_be_assigned() -> None:
    loop: Any = Loop(ticket=TICKET)

    with pytest.raises(FrozenInstanceError):
        loop.generation = 2


def test_state_of_a_newer_release_is_read_without_its_new_fields() -> None:
    loop = Loop(ticket=TICKET)

    assert LOOP.decode(LOOP.encode(loop).replace('"attempt":{', '"new":1,"attempt":{"new":1,')) == loop
