from __future__ import annotations

import pytest

from integrations.values import Ticket
from jobs.contract import agree, answered, command_in, criteria_in, items_in
from jobs.policy import Check, LoopPolicy, RepositoryPolicy

CHECKED = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="make test"),)))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Done when:\n- one\n- two", id="plain"),
        pytest.param("intro\n\n## Done when\n\n* one\n* two\n\n## Notes\n- three", id="heading, next heading ends it"),
        pytest.param("**Acceptance criteria**\n1. one\n2) two\n\nThat is all.\n- three", id="bold, numbered"),
        pytest.param("### Definition of Done:\n- [ ] one\n- [x] two", id="task list"),
        pytest.param("- zero\n\nDone when\n\n- one\n- two\n", id="an earlier list does not count"),
        pytest.param("**Done when:**\r\n\r\n- one\r\n- two\r\n", id="windows line ends"),
    ],
)
def test_a_finish_line_is_read_in_every_usual_form(text: str) -> None:
    assert criteria_in(text) == ["one", "two"]


@pytest.mark.parametrize("text", ["", "make it better", "- one\n- two", "We are done when it works.", "Done when"])
def test_a_text_without_a_list_below_a_heading_has_no_finish_line(text: str) -> None:
    assert criteria_in(text) == []


@pytest.mark.parametrize(
    ("item", "command"),
    [
        ("`pytest tests/auth -q` passes", "pytest tests/auth -q"),
        ("`./check.sh` exits 0", "./check.sh"),
        ("running `make lint` succeeds", "make lint"),
        ("a `--json` flag exists", ""),
        ("the sixth login is answered with `429`", ""),
        ("the `Login` class is gone", ""),
        ("`--strict` passes", ""),
        ("it works", ""),
    ],
)
def test_only_an_item_that_says_so_names_a_command(item: str, command: str) -> None:
    assert command_in(item) == command


def test_the_contract_is_the_tickets_list_and_the_repositorys_checks() -> None:
    contract = agree("Done when\n- `pytest` passes\n- it is fast", CHECKED)

    assert contract is not None
    shown = [(c.id, c.command) for c in contract.criteria]
    assert shown == [("c1", "pytest"), ("c2", ""), ("k1", "make test")]


def test_an_answer_counts_where_the_ticket_is_silent() -> None:
    contract = answered("- one\n- two", Ticket(id="t", identifier="E-1", title="x"), None, RepositoryPolicy())

    assert contract is not None
    assert [c.text for c in contract.criteria] == ["one", "two"]


def test_the_digest_changes_with_any_word() -> None:
    one, two = agree("Done when\n- a", CHECKED), agree("Done when\n- b", CHECKED)

    assert one is not None
    assert two is not None
    assert one.digest != two.digest


def test_an_answer_without_a_list_has_no_items() -> None:
    assert items_in("it should\nbe fast") == []
