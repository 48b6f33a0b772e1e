"""The texts of commands at the edge: sanitized, and without secrets of the process."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest

from integrations.code_hosts.github.code_host import GitHub
from integrations.values import Identifier, Ticket, TicketId
from jobs.effects.texts import SANITIZERS, WITHHELD, sanitize_command, sanitize_report
from jobs.loop import commands as c
from jobs.loop.state import Loop
from jobs.workflow.decision import ServicePolicy, TeamPolicy
from jobs.workflow.report import report_of

COMMANDS = [
    form
    for form in get_args(get_args(c.Command)[0])
    if form not in {c.StartRun, c.StopRun, c.Steer, c.Unsteer, c.AnswerRun}
]
NO_TEXTS = {
    "kind", "once", "comment_id", "emoji", "url", "repository", "branch", "base", "base_branch", "sha", "expected",
    "by", "reason", "run_id", "column", "only_from", "state", "reply_to", "back_to", "session_id", "due_date",
    "choices", "tickets", "merged", "template", "key", "team", "labels", "paths", "ignore",
    "login", "person_id", "email", "name", "approved_by", "request", "skills",
}  # fmt: skip
"""Ids, names and URLs of providers, and values of Loopline. `by` and `reason` of a freeze are not sent; `choices` are
sanitized by `jobs.effects.sessions`, which sends them."""
SECRET = "ghp_0123456789abcdef0123"
TICKET = Ticket(
    id=TicketId("t"),
    identifier=Identifier("ENG-1"),
    title="Fix it",
    url="https://linear.test/acme/issue/ENG-1",
    team="ENG",
)


@pytest.fixture
def world() -> Any:
    settings = SimpleNamespace(dashboard_url="https://loop.test", secret_values=lambda: frozenset({SECRET}))
    policy = ServicePolicy(teams={"ENG": TeamPolicy(repository="acme/shop", columns={})})
    return SimpleNamespace(settings=settings, policy=policy, code_host=GitHub("https://api.github.com", "token"))


@pytest.mark.parametrize("form", COMMANDS, ids=lambda form: form.__name__)
def test_texts_of_outward_commands_all_have_a_sanitizer(form: type) -> None:
    hints = get_type_hints(form)
    texts = {field.name for field in dataclasses.fields(form) if "str" in str(hints[field.name])}

    assert texts - SANITIZERS.keys() - NO_TEXTS - {"protected"} == set()


def test_texts_of_a_command_are_sanitized_and_its_own_links_stay(world: Any) -> None:
    body = "@team [a](https://evil.test) https://github.com/acme/shop/pull/7 https://linear.test/acme/issue/ENG-1"

    sent = sanitize_command(c.PostComment(body=body), TICKET, world)

    assert sent == c.PostComment(
        body=body.replace("@", "@\u200b").replace("](", "]\u200b(").replace("s://e", "s:\u200b//e")
    )


def test_text_with_a_secret_of_the_process_is_withheld(world: Any) -> None:
    command = c.CommentOnPullRequest(repository="acme/shop", number=1, body=f"it is {SECRET[::-1].upper()}")

    assert sanitize_command(command, TICKET, world) == dataclasses.replace(command, body=WITHHELD)


def test_board_memory_with_a_secret_of_the_process_is_withheld(world: Any) -> None:
    report = report_of(Loop(ticket=TICKET, reason=f"it is {SECRET}"), world.policy)

    sent = sanitize_report(report, TICKET, world)

    assert sent.progress == WITHHELD
    assert SECRET not in str(sent.metadata) and sent.metadata["identifier"] == "ENG-1"


@pytest.mark.parametrize(
    ("api", "page"),
    [
        ("https://api.github.com", "https://github.com/acme/shop"),
        ("https://api.acme.ghe.com/", "https://acme.ghe.com/acme/shop"),
        ("https://git.acme.test/api/v3", "https://git.acme.test/acme/shop"),
    ],
)
def test_page_url_of_a_repository(api: str, page: str) -> None:
    assert GitHub(api, "token").page_url("acme/shop") == page
