from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from integrations.failpoints import FAILPOINT_FORM
from tests.crash.cells import CELLS, Cell
from tests.crash.driver import MORNING_ORACLE, ORACLE, Outcome, run
from tests.crash.stack import free_ports

pytestmark = pytest.mark.timeout(200)
SAMPLE = ("git.push.done.self",)
LONG_SAMPLE = (
    "intake.lua.done.web",
    "acknowledge.lua.before.self", "commit.lua.done.redis", "linear.CreateComment.done.up",
    "transcript.turn.before.self", "github.POST.pulls.done.stop-13", "github.merge.lost_reply",
)  # fmt: skip


def test_cells_have_the_form_of_the_setting() -> None:
    assert all(re.fullmatch(FAILPOINT_FORM, cell.point) for cell in CELLS.values())


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(ORACLE, tmp_path_factory.mktemp("oracle") / "home", ports())


def of(story: str) -> list[Cell]:
    """The cells of a story."""
    return [cell for cell in CELLS.values() if cell.story == story]


def find_unpassed(story: str, oracle: Outcome) -> dict[str, int]:
    """How often the oracle passed the points of cells that never come."""
    named = {cell.name: cell.point.split(":") for cell in of(story) if cell.point}
    passed = {name: oracle.passed[f"{operation}:{phase}"] for name, (operation, phase, *_) in named.items()}
    return {name: passed[name] for name, (_, _, hit, _) in named.items() if int(hit) > passed[name]}


def ports() -> int:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return free_ports(26_000 + 1_000 * worker)


def test_story_without_a_crash_leaves_nothing_over(oracle: Outcome) -> None:
    assert oracle.sentences == []
    assert oracle.facts
    assert oracle.facts.left == []
    assert oracle.facts.ledger_calls == oracle.facts.billed_calls


def test_cells_cover_every_operation_of_the_story(oracle: Outcome) -> None:
    assert {point.partition(":")[0] for point in oracle.passed} - {cell.operation for cell in of("ticket")} == set()


def test_cells_name_points_that_the_story_passes(oracle: Outcome) -> None:
    assert find_unpassed("ticket", oracle) == {}


@pytest.fixture(scope="module")
def morning_oracle(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(MORNING_ORACLE, tmp_path_factory.mktemp("morning") / "home", ports())


@pytest.mark.long
def test_cells_of_the_automation_name_points_that_its_story_passes(morning_oracle: Outcome) -> None:
    assert morning_oracle.sentences == [] and find_unpassed("morning", morning_oracle) == {}


@pytest.mark.long
@pytest.mark.parametrize("name", ["morning.start_run.lua.done.redis", "morning.linear.UpsertAttachment.sent.3.self"])
def test_crash_of_an_automation_changes_nothing(name: str, tmp_path: Path, morning_oracle: Outcome) -> None:
    assert run(CELLS[name], tmp_path / "home", ports(), morning_oracle).sentences == []


@pytest.mark.parametrize("name", [*SAMPLE, *(pytest.param(name, marks=pytest.mark.long) for name in LONG_SAMPLE)])
def test_crash_changes_nothing(name: str, tmp_path: Path, oracle: Outcome) -> None:
    assert run(CELLS[name], tmp_path / "home", ports(), oracle).sentences == []
