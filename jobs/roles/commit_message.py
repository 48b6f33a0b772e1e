"""The message of the commit that Loopline publishes. Pure. Called by `maker`.

Trailers: https://docs.github.com/en/pull-requests/committing-changes-to-your-project/creating-and-editing-commits
"""

from __future__ import annotations

import re
import unicodedata

from integrations.values import Person
from jobs.loop.commands import RunSpec

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,9}")
_LONGEST_NAME = 100


def build_commit_message(spec: RunSpec, own_email: str) -> str:
    """Title and trailers: the run, and the ticket's creator as co-author. `own_email` is Loopline's address."""
    trailers = [f"Loopline-Run: {spec.run_id}"]
    if spec.policy.loop.co_author and (author := _format_co_author(spec.ticket.creator, own_email)):
        trailers.append(f"Co-authored-by: {author}")
    title = " ".join(spec.ticket.title.split())
    return "\n".join((f"{spec.ticket.identifier}: {title}", "", *trailers, ""))


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
