"""The rights of people on the board, for processes without the tracker's credentials: looked up by a worker on request
(`jobs.access.look_up_member`) and stored for some minutes.
"""

from __future__ import annotations

from redis import Redis

from integrations.values import Codec, Person, value
from jobs.runtime import keys

KNOWN_SECONDS, UNKNOWN_SECONDS, FAILED_SECONDS = 300, 60, 3
"""After which a person is looked up again: a known one, an unknown one, and after a failure."""


@value
class Membership:
    """A person's rights. `person` has the permissions that the operator's settings leave, None without an account;
    `teams` are the keys of the teams whose tickets the person can read. `problem`: why the look-up failed."""

    person: Person | None = None
    may_approve: bool = False
    teams: tuple[str, ...] = ()
    problem: str = ""


MEMBERSHIP: Codec[Membership] = Codec(Membership)


def find_member(redis: Redis, email: str) -> Membership | None:
    """The stored rights; None if a worker has to look them up."""
    raw = redis.get(keys.member(email))
    return MEMBERSHIP.decode(raw) if raw else None


def store_member(redis: Redis, email: str, membership: Membership) -> None:
    """Store the rights for a while."""
    known = KNOWN_SECONDS if membership.person else UNKNOWN_SECONDS
    redis.set(keys.member(email), MEMBERSHIP.encode(membership), ex=FAILED_SECONDS if membership.problem else known)
