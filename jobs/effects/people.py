"""People who have an account on the board and one on the code host: looked up for an event. Called by `gather`."""

from __future__ import annotations

from dataclasses import replace

import structlog

from integrations.errors import Rejected, Unauthorized
from integrations.ports.pull_request import PullRequestFacts
from integrations.values import Person
from jobs.effects.world import World
from jobs.store.people import Account

_log = structlog.get_logger(__name__)


def with_login(person: Person, repository: str, world: World) -> Person:
    """A person of the board with the account on the code host: the linked one, else that of the same address, which is
    linked then unless it belongs to another person. Raises `Unavailable`."""
    login = world.people.find_login(person.id, person.email)
    if not login and person.email and repository:
        try:
            login = world.code_host.find_login(repository, person.email)
        except Unauthorized:
            raise
        except Rejected as error:  # this credential cannot search
            _log.info("account of a person not looked up", person=person.name, reason=str(error))
        if login and world.people.find_by_login(login):
            login = ""
        if login:
            world.people.link(Account(id=person.id, name=person.name, email=person.email.lower(), login=login))
    return replace(person, login=login)


def with_name(person: Person, world: World) -> Person:
    """A person of the code host, with name and address on the board if the account is linked."""
    account = world.people.find_by_login(person.id)
    return replace(person, name=account.name, email=account.email) if account else person


def find_people(facts: PullRequestFacts, world: World) -> dict[str, Person]:
    """Everyone who wrote a review or an inline comment by login, with the name on the board as far as it is known."""
    authors = {one.author for one in facts.reviews}
    authors |= {comment.author for thread in facts.threads for comment in thread.comments}
    found = {login: with_name(Person(id=login, name=login), world) for login in sorted(authors) if login}
    return {login: replace(one, email=one.email or world.code_host.email_of(login)) for login, one in found.items()}
