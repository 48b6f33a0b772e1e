"""The message of the commit that Loopline publishes. Pure. Called by `maker`.

Reviewers whose suggestions were applied are co-authors, by the address that the code host knows for every account.

Trailers: https://docs.github.com/en/pull-requests/committing-changes-to-your-project/creating-and-editing-commits
"""

from __future__ import annotations

import re
import unicodedata

from integrations.values import Person
from jobs.loop.commands import RunSpec
from jobs.loop.review_state import OpenThread
from jobs.messages.sanitize import Own, sanitize_line

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,9}")
_LONGEST_NAME = 100


def build_commit_message(spec: RunSpec, own_email: str) -> str:
    """Title and trailers: the run, and as co-authors the ticket's creator and the authors of applied suggestions.
    `own_email` is Loopline's address."""
    trailers = [f"Loopline-Run: {spec.run_id}"]
    suggested = [_to_person(one) for one in spec.threads if one.is_applied]
    authors = [_format_co_author(one, own_email) for one in (spec.ticket.creator, *suggested)]
    if spec.policy.loop.co_author:
        trailers += [f"Co-authored-by: {author}" for author in dict.fromkeys(authors) if author]
    identifier = spec.ticket.identifier
    return "\n".join((sanitize_line(f"{identifier}: {spec.ticket.title}", Own(identifier)), "", *trailers, ""))


def _to_person(thread: OpenThread) -> Person:
    return Person(id=thread.login, name=thread.author, email=thread.email)


def _format_co_author(person: Person | None, own_email: str) -> str:
    """'Name <address>'; empty for bots, Loopline itself, and an address that cannot be in a trailer."""
    if person is None or person.is_bot or person.is_us or person.email.lower() == own_email.lower():
        return ""
    if not _ADDRESS.fullmatch(person.email):
        return ""
    name = person.name.strip()
    return f"{name if _is_plain_name(name) else person.email.partition('@')[0]} <{person.email}>"


def _is_plain_name(name: str) -> bool:
    """Whether the name has letters, spaces and a few marks only: no line break, mention or issue number, which a code
    host acts on."""
    plain = all(one in " .'’-" or unicodedata.category(one)[0] in "LM" for one in name)
    return plain and 0 < len(name) <= _LONGEST_NAME
