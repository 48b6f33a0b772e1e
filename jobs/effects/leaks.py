"""Checks of a candidate for secrets and for changes without approval. Called by maker and gate, and before a push."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from integrations.errors import Rejected
from integrations.git.changes import Change, read_added_lines
from integrations.git.mirror import Mirror
from integrations.leaks.own import OwnSecrets
from integrations.leaks.patterns import MAX_TEXT, find_secrets
from integrations.results import Tampering
from integrations.values import CommitSha
from jobs.evidence.protected import find_protected

MOST_LEAKS = 100


def find_leaks(changes: Iterable[Change]) -> list[Tampering]:
    """Each added line that looks like a secret, with its kind, never its text; at most 100. `changes` are with texts up
    to `MAX_TEXT`; binary files are not read: `refuse_own_secrets` searches those."""
    return [
        Tampering(kind="secret", path=change.path, line=one.line, text=one.kind)
        for change in changes
        for one in find_secrets(change.path, read_added_lines(change))
    ][:MOST_LEAKS]


def hide_secrets(found: Sequence[Tampering]) -> tuple[Tampering, ...]:
    """Remove the text of other findings on the line of a secret: it is shown on the ticket."""
    places = {(one.path, one.line) for one in found if one.kind == "secret"}
    hidden = (one.kind != "secret" and (one.path, one.line) in places for one in found)
    return tuple(replace(one, text="") if hide else one for one, hide in zip(found, hidden, strict=True))


def refuse_own_secrets(mirror: Mirror, secrets: OwnSecrets, sha: CommitSha, known: Sequence[CommitSha]) -> None:
    """Raise `Rejected` when a push of `sha` would send a secret of this process, in any form that `OwnSecrets` knows.

    There is no approval for it: the secret has to be removed, and replaced where it was issued."""
    if place := mirror.find_outgoing(sha, known, secrets.occur_in):
        raise Rejected(
            f"the change is refused: {place} holds a secret of Loopline's own settings. Nothing was pushed. Remove it "
            "from the change, and replace the secret where it was issued"
        )


def refuse_unapproved(mirror: Mirror, base: CommitSha, sha: CommitSha, protected: Sequence[str]) -> None:
    """Raise `Rejected` when the change from `base` holds something that needs a person's approval before a push.

    For a candidate that a person takes over before it was checked. `protected` are the policy's globs."""
    found = [*find_protected(mirror.changes(base, sha), protected), *find_leaks(mirror.changes(base, sha, MAX_TEXT))]
    if found:
        shown = "; ".join(
            f"`{one.path}` {'looks like a secret: ' * (one.kind == 'secret')}{one.text}" for one in found[:10]
        )
        raise Rejected(
            f"the branch was not pushed, because the candidate has changes that need approval: {shown}. The commit is "
            "kept: `/retry` continues with it, and `/accept` allows it when Loopline asks"
        )
