from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from jobs.config.setting_types import FAILPOINT_FORM
from jobs.effects.perform import _PERFORMERS
from tests.crash.cells import ADVANCING, CELLS, PERFORMERS
from tests.crash.driver import ORACLE, Outcome, run
from tests.crash.stack import free_ports
from tests.support.checkout import REPOSITORY

pytestmark = [pytest.mark.timeout(200), pytest.mark.xdist_group("stacks")]
SAMPLE = (
    "intake.journaled.web", "dispatch.done.self", "commit.journaled.redis", "post_comment.done.up", "turn.done.self",
    "publish_branch.sent.self", "open_pull_request.done.stop-13", "github.merge.lost_reply",
)  # fmt: skip


def points() -> set[tuple[str, str]]:
    """Step and phase of every point in the product; performers have three, named after them, and entries two."""
    sources = [p.read_text() for folder in ("jobs", "service") for p in (REPOSITORY / folder).rglob("*.py")]
    found = {pair for text in sources for pair in re.findall(r'fail\("(\w+)", "(\w+)"\)', text)}
    found |= {(name.__name__, phase) for name in _PERFORMERS.values() for phase in ("before", "done", "journaled")}
    return found | {
        (kind, phase) for kind in ("brief", "block", "turn", "tool_result", "mark") for phase in ("done", "journaled")
    }


def test_every_cell_names_a_point_that_is_there() -> None:
    named = {tuple(cell.point.split(":")[:2]) for cell in CELLS.values() if cell.point}
    assert named - points() == set()
    assert all(re.fullmatch(FAILPOINT_FORM, cell.point) for cell in CELLS.values())


def test_every_effect_of_the_story_has_cells() -> None:
    silent = {"react", "steer", "stop_run"}
    assert {performer.__name__ for performer in _PERFORMERS.values()} - silent == set(PERFORMERS)
    assert len(ADVANCING) >= 12


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(ORACLE, tmp_path_factory.mktemp("oracle") / "home", ports())


def ports() -> int:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return free_ports(26_000 + 1_000 * worker)


def test_without_a_crash_nothing_is_left_over(oracle: Outcome) -> None:
    assert oracle.sentences == []
    assert oracle.facts
    assert oracle.facts.left == []
    assert oracle.facts.ledger_calls == oracle.facts.billed_calls


@pytest.mark.parametrize("name", SAMPLE)
def test_a_crash_changes_nothing(name: str, tmp_path: Path, oracle: Outcome) -> None:
    assert run(CELLS[name], tmp_path / "home", ports(), oracle).sentences == []
