"""A repository that cannot be written to is found before anything is spent on its ticket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Forbidden, Misconfigured
from jobs.effects.gather import find_repository
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import REPOSITORY

PLACE = "GET /repos/o/r"


@pytest.fixture
def server() -> Iterator[Answering]:
    server = Answering()
    yield server
    server.close()


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (Answer(body={**REPOSITORY, "archived": True}), "is archived"),
        (Answer(body={**REPOSITORY, "full_name": "o/new"}), "is now o/new"),
        (Answer(body={**REPOSITORY, "full_name": "other/r"}), "is now other/r"),
        (Answer(404, {"message": "Not Found"}), "GitHub has no"),
    ],
)
def test_repository_that_cannot_be_written_to_is_a_matter_of_settings(
    server: Answering, answer: Answer, named: str
) -> None:
    server.on(PLACE, answer)
    with pytest.raises(Misconfigured, match=named) as raised:
        find_repository("o/r", GitHub(server.url, "token", backoff=0.001))
    assert "LOOPLINE_TEAMS" in str(raised.value) and raised.value.kind == "infrastructure"


@pytest.mark.parametrize("changes", [{}, {"archived": False}, {"archived": None}, {"full_name": "O/R"}])
def test_repository_that_can_be_written_to_is_returned(server: Answering, changes: dict[str, Any]) -> None:
    server.on(PLACE, Answer(body={**REPOSITORY, **changes}))
    assert find_repository("o/r", GitHub(server.url, "token", backoff=0.001)).default_branch == "main"


def test_repository_without_the_right_to_push_is_named_with_the_permission(server: Answering) -> None:
    server.on(PLACE, Answer(body={**REPOSITORY, "permissions": {"admin": False, "push": False, "pull": True}}))
    with pytest.raises(Forbidden, match=r"contents: write on o/r: grant it") as raised:
        find_repository("o/r", GitHub(server.url, "token", backoff=0.001))
    assert (raised.value.kind, raised.value.permission) == ("credentials", "contents: write")
