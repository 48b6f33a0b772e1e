"""The message of a published commit, with hostile names and addresses of the ticket's creator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.values import Identifier, Person, Ticket, TicketId
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.roles.commit_message import build_commit_message
from tests.loops import spec_with

OWN = "loopline@example.com"
ANA = Person(id="u1", name="Ana Müller", email="ana@example.com", may_steer=True)


def read_trailers(person: Person | None, **changes: object) -> list[str]:
    ticket = Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="Fix\nrounding", creator=person)
    message = build_commit_message(replace(spec_with(ticket, "r1"), **changes), OWN)  # type: ignore[arg-type]
    assert message.startswith("ENG-1: Fix rounding\n\nLoopline-Run: r1\n") and message.endswith("\n")
    return message.splitlines()[3:]


def test_co_author_is_the_creator_of_the_ticket() -> None:
    assert read_trailers(ANA) == ["Co-authored-by: Ana Müller <ana@example.com>"]


@pytest.mark.parametrize(
    "person",
    [
        None,
        replace(ANA, is_bot=True),
        replace(ANA, is_us=True),
        replace(ANA, email=OWN.upper()),
        replace(ANA, email=""),
    ],
    ids=["unknown", "bot", "Loopline", "address of Loopline", "no address"],
)
def test_co_author_is_never_unknown_a_bot_or_loopline(person: Person | None) -> None:
    assert read_trailers(person) == []


@pytest.mark.parametrize(
    "email",
    [
        *("a@b", "a b@example.com", "a@example.com>\nSigned-off-by: Boss <boss@example.com", "a@example.com\n"),
        *("<a@example.com>", "a@exa mple.com", "a\0@example.com", "аna@example.com", '"a"@example.com', "@a.b", "a@.b"),
        *("x" * 65 + "@example.com", "a@example.com\u2028b", "a@b@example.com"),
    ],
)
def test_co_author_with_an_address_that_is_no_plain_one_is_left_out(email: str) -> None:
    assert read_trailers(replace(ANA, email=email)) == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "Ana\nSigned-off-by: Boss",
            "Ana\rB",
            "Ana <boss@example.com>",
            "@acme/all",
            "Fixes #12",
            "Fixes GH-12",
        ),
        *("Ana\u202eB", "Ana\u200bB", "Ana\u2028B", "Ana\0", "A" * 101, "Ana\x1b[2J", "https://evil.test/x"),
    ],
)
def test_co_author_with_a_name_that_a_code_host_could_act_on_has_the_local_part_as_name(name: str) -> None:
    assert read_trailers(replace(ANA, name=name)) == ["Co-authored-by: ana <ana@example.com>"]


@pytest.mark.parametrize("name", ["Ana", "Jean-Luc d’Arc Jr.", "O'Neil", "李 小龙", "अनु"])
def test_co_author_keeps_names_of_all_scripts(name: str) -> None:
    assert read_trailers(replace(ANA, name=name)) == [f"Co-authored-by: {name} <ana@example.com>"]


def test_co_author_can_be_switched_off() -> None:
    assert read_trailers(ANA, policy=RepositoryPolicy(loop=LoopPolicy(co_author=False))) == []
