"""Claims of files in Redis: one of two tickets gets them, and nothing has to release them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis import Redis

from integrations.values import Ticket, TicketId
from jobs.evidence.claims import Claim
from jobs.loop.state import Loop, Stage
from jobs.loop.wait_state import WaitState
from jobs.store.claims import place_claim
from tests.loops import loop_with


class Loops(dict[str, Loop]):
    """The loops at the time of a claim."""

    def claims(self, redis: Redis, name: str, *paths: str, waits: bool = True) -> list[str]:
        """Claim as the loop of this name; returns the tickets that are in the way."""
        self.setdefault(name, waiting(name))
        claim = Claim(
            ticket=TicketId(name), identifier=_any(name), generation=1, started_at=float(ord(name)), paths=paths
        )
        found = place_claim(redis, "acme/shop", "main", claim, self.load, waits=waits)
        return [one.ticket for one in found]

    def load(self, ticket: TicketId) -> Loop | None:
        return self.get(ticket)


def _any(name: str) -> Any:
    return name


def waiting(name: str) -> Loop:
    ticket = Ticket(id=_any(name), identifier=_any(name), title="")
    return loop_with(ticket, generation=1, stage=Stage.WAITING, wait=WaitState(kind="files"))


def test_claim_of_the_same_files_waits_until_the_first_loop_has_ended(redis: Redis) -> None:
    loops = Loops()
    assert loops.claims(redis, "a", "x.py") == []
    assert loops.claims(redis, "b", "x.py", "y.py") == ["a"]
    assert loops.claims(redis, "c", "z.py") == []

    loops["a"] = loop_with(loops["a"].ticket, generation=1, stage=Stage.STOPPED)

    assert loops.claims(redis, "b", "x.py", "y.py") == []
    assert loops.claims(redis, "a", "x.py") == ["b"]


def test_claim_that_waits_keeps_its_place_before_later_tickets(redis: Redis) -> None:
    loops = Loops()
    loops.claims(redis, "a", "x.py")
    assert loops.claims(redis, "b", "x.py", "y.py") == ["a"]
    assert loops.claims(redis, "c", "y.py") == ["b"]
    del loops["a"]

    assert loops.claims(redis, "b", "x.py", "y.py") == []
    assert loops.claims(redis, "c", "y.py", waits=False) == ["b"]


def test_claims_of_the_same_moment_let_one_ticket_start(redis: Redis) -> None:
    loops = Loops({name: waiting(name) for name in "abcdefgh"})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: loops.claims(redis, name, "x.py"), "abcdefgh"))

    assert [others for others in found if not others] == [[]]
