"""The names of everything Loopline keeps in Redis, in one place.

Per ticket (`t` is the tracker's id of it) and per run (`r`). Nothing else in the product spells a key.
"""

from __future__ import annotations

INBOX = "inbox"  # stream: verified webhook deliveries, raw
INBOX_GROUP = "dispatch"
READY = "ready"  # set: tickets with a mailbox or an outbox that is not empty
RUNS = "runs"  # set: runs that have not finished
LOOPS = "loops"  # set: tickets with a loop
SWEEP_TURN = "sweep-turn"  # counter: whose comments the sweep reads next
REBUILT = "rebuilt"  # set once the board was searched for loops that this Redis does not know
BREAKER = "breaker:model"  # hash: since when, until when and why no run calls the model; absent while all is well
BREAKER_FAILURES = "breaker-failures:model"  # sorted set: calls that failed of late by their time, milliseconds
CREDENTIALS_ALARM = "alarm:credentials"  # set while the provider refuses our key or account; why, one sentence
REFUSED = "refused-credentials"  # what the provider says; there for a few minutes after it was last said
DEAD = "dead-letters"  # hash: items that failed too often or cannot be read, JSON by their id


def seen(source: str, delivery_id: str) -> str:
    """A delivery that was accepted."""
    return f"seen:{source}:{delivery_id}"


def loop(t: str) -> str:
    """The loop's state, JSON."""
    return f"loop:{t}"


def mailbox(t: str) -> str:
    """Events that wait for their decision, oldest first, JSON."""
    return f"mailbox:{t}"


def known_events(t: str) -> str:
    """Ids of events that were ever put into the mailbox."""
    return f"events:{t}"


def outbox(t: str, lane: str) -> str:
    """Commands that wait to be performed, oldest first, JSON."""
    return f"outbox:{lane}:{t}"


def failures(t: str) -> str:
    """Hash: how often the item at the head of a list has failed."""
    return f"failures:{t}"


def retry_at(t: str) -> str:
    """Set while the ticket waits for a provider; its life is the wait."""
    return f"retry:{t}"


def lease(name: str) -> str:
    """Who works on it, for how long."""
    return f"lease:{name}"


def report(t: str) -> str:
    """Digest of the progress comment and board memory that were written last."""
    return f"report:{t}"


def fence(name: str) -> str:
    """How often the lease was taken: the fencing token."""
    return f"fence:{name}"


def run(r: str) -> str:
    """The run's spec, JSON."""
    return f"run:{r}"


def runs_of(t: str) -> str:
    """Sorted set: the ticket's runs by their start, Unix seconds."""
    return f"runs-of:{t}"


def transcript(r: str) -> str:
    """Stream: the run's transcript."""
    return f"transcript:{r}"


def steering(r: str) -> str:
    """List: words of people that the run has not taken up."""
    return f"steering:{r}"


def stop(r: str) -> str:
    """Set when the run has to stop."""
    return f"stop:{r}"


def usage(r: str) -> str:
    """The run's ledger as the release before this one kept it, JSON; `jobs.store.ledger` carries it over."""
    return f"usage:{r}"


def run_ledger(r: str) -> str:
    """Hash: what the run used, what its call under way holds, how long it was at work."""
    return f"ledger:run:{r}"


def ticket_ledger(t: str) -> str:
    """Hash: what the ticket's runs used."""
    return f"ledger:ticket:{t}"


def day_ledger(day: str) -> str:
    """Hash: what all runs used on that day, which is '2026-11-25'."""
    return f"ledger:day:{day}"


def holds(ledger: str) -> str:
    """Hash: what calls under way hold of a ticket's or a day's ledger, by their run."""
    return f"holds:{ledger}"


def pull_request(repository: str, number: int) -> str:
    """Which ticket a pull request belongs to."""
    return f"index:pull:{repository.lower()}#{number}"


def branch(repository: str, name: str) -> str:
    """Which ticket a branch belongs to."""
    return f"index:branch:{repository.lower()}:{name}"


def head(repository: str, sha: str) -> str:
    """Which ticket a commit of ours belongs to."""
    return f"index:head:{repository.lower()}:{sha}"
