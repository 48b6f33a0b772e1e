"""Compares the findings of a run with the known ones, and decides which are filed. Pure.

Called by the rules of automations, and for the identity of a finding by `jobs.roles.triage`. Identity comes from the
cited source items alone, never from a model's text, so that another description of the same failure is no new finding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from integrations.findings import Match, ProposedFinding, Severity, SourceItem
from integrations.ports.tracker import ColumnRole
from integrations.values import Identifier, Ticket, TicketRef, value
from jobs.loop.automation import AutomationLimits, StartRule
from jobs.loop.automation_state import FindingStatus, KnownFinding
from jobs.loop.derived_ids import finding_ticket_id

RECENT_SECONDS = 2 * 86_400
"""After a finding's ticket is done, in which its old failures are still in the sources."""
MOST_ITEMS, MOST_PATHS = 30, 30
MOST_PAIRS = 40
ORDER: tuple[Severity, ...] = ("urgent", "high", "normal", "low")
_KINDS = ("advisory", "check", "flaky", "command", "tool", "issue", "ticket", "pull_request", "release", "commit")
"""The kinds of source items. The first one among those that a finding cites identifies it."""
_PASSING = frozenset({"commit"})
"""Kinds that are other ones at every run, and so identify a finding only if it cites nothing else."""
_WORD = re.compile(r"[a-z_]{3,}")
_COMMON = frozenset({"the", "and", "for", "with", "from", "that", "this", "not", "are", "has", "fails", "failing"})
_ALIKE, _ALIKE_IN_PLACE = 0.5, 0.2
"""Shares of common terms, of both titles or of the other title in the new text, from which findings resemble each
other; the second for those about the same path."""


@value
class Pair:
    """Two findings that resemble each other, by fingerprint: `fingerprint` is new, `known` is known or new too."""

    fingerprint: str
    known: str


@value
class Filing:
    """A finding to file. `previous` is its closed ticket, which `returns` is the status of; `related` are other tickets
    about the same cause."""

    finding: ProposedFinding
    related: tuple[TicketRef, ...] = ()
    previous: TicketRef | None = None
    returns: Literal["", "rejected", "done"] = ""
    reopened: int = 0


@value
class Note:
    """A known finding that was found again, as it is now; `raised`: it is urgent now and was not before."""

    known: KnownFinding
    raised: bool = False


@value
class FilingPlan:
    """The result of a comparison. `filings` are in the order of severity; `rejected` are findings that a person
    rejected before, `dropped` those beyond the limits, `merged` the number of those that repeat another one."""

    filings: tuple[Filing, ...] = ()
    notes: tuple[Note, ...] = ()
    rejected: tuple[ProposedFinding, ...] = ()
    dropped: tuple[ProposedFinding, ...] = ()
    merged: int = 0

    @property
    def duplicates(self) -> int:
        """Findings that were known, or found twice."""
        return len(self.notes) + self.merged


def identify_finding(cited: Sequence[SourceItem]) -> tuple[str, str]:
    """Fingerprint and evidence of a finding that cites these items.

    The evidence is one 'item:signature' for each item that has one, as digests, to be compared item by item."""
    keys = list_lasting([item.key for item in cited])
    first = min(keys, key=_rank, default="")
    signed = [item for item in cited if item.key in keys and item.signature]
    parts = {f"{_digest(item.key, 8)}:{_digest(item.signature, 8)}" for item in signed}
    return _digest(first, 32), " ".join(sorted(parts))


def list_lasting(keys: Iterable[str]) -> list[str]:
    """The items that identify a finding: all but those of passing kinds, if there are others."""
    given = list(dict.fromkeys(keys))
    return [key for key in given if _kind_of(key) not in _PASSING] or given


def merge_repeated(found: Sequence[ProposedFinding]) -> list[ProposedFinding]:
    """Findings with the same fingerprint as one, which has the texts, items and criteria of all of them."""
    merged: dict[str, ProposedFinding] = {}
    for one in found:
        earlier = merged.get(one.fingerprint)
        merged[one.fingerprint] = _merge(earlier, one) if earlier else one
    return list(merged.values())


def find_resembling(found: Sequence[ProposedFinding], known: Sequence[KnownFinding]) -> tuple[Pair, ...]:
    """The pairs that a matcher has to compare: new findings that resemble a known one, or each other. The nearest
    first, bounded."""
    fresh = [one for one in merge_repeated(found) if _find_same(one, known) is None]
    scored: list[tuple[float, Pair]] = []
    for place, one in enumerate(fresh):
        others: list[KnownFinding | ProposedFinding] = [*known, *fresh[:place]]
        for other in others:
            if other.fingerprint != one.fingerprint and (score := _resemblance(one, other)):
                scored.append((score, Pair(fingerprint=one.fingerprint, known=other.fingerprint)))
    scored.sort(key=lambda pair: -pair[0])
    return tuple(pair for _, pair in scored[:MOST_PAIRS])


def plan_filing(
    found: Sequence[ProposedFinding],
    known: Sequence[KnownFinding],
    limits: AutomationLimits,
    automation: str,
    repository: str,
    at: float,
    matches: Sequence[Match] = (),
) -> FilingPlan:
    """Decide about each finding: filed, noted on its ticket, dropped because a person rejected it, or over the limits.

    `matches` are the matcher's, of which only those about pairs of `find_resembling` count."""
    pairs = {(pair.fingerprint, pair.known) for pair in find_resembling(found, known)}
    judged = [match for match in matches if (match.fingerprint, match.known) in pairs]
    by_fingerprint = {one.fingerprint: one for one in known}
    fresh, moved = _merge_matched(merge_repeated(found), judged)
    same_as = {
        moved.get(match.fingerprint, match.fingerprint): match.known
        for match in judged
        if match.relation == "same" and match.known in by_fingerprint
    }
    filings: dict[str, Filing] = {}
    notes: dict[str, Note] = {}
    rejected: list[ProposedFinding] = []
    for one in fresh:
        mechanical = _find_same(one, known)
        earlier = mechanical or by_fingerprint.get(same_as.get(one.fingerprint, ""))
        if earlier is None:
            filings[one.fingerprint] = Filing(finding=one)
        elif earlier.status in {"open", "accepted"} or (earlier.status == "done" and _is_recent(earlier, at)):
            notes[earlier.fingerprint] = _note(notes.get(earlier.fingerprint), earlier, one, at)
        elif (
            earlier.status == "rejected" and not _has_new_evidence(one, earlier) and (mechanical or not _is_urgent(one))
        ):
            rejected.append(one)
        else:
            filings[earlier.fingerprint] = _file_again(filings.get(earlier.fingerprint), one, earlier)
    kept, dropped = _limit(list(filings.values()), limits, _count_open(known, automation))
    linked = _link_related(kept, judged, by_fingerprint, repository)
    return FilingPlan(
        filings=tuple(linked),
        notes=tuple(notes.values()),
        rejected=tuple(rejected),
        dropped=tuple(one.finding for one in dropped),
        merged=len(found) - len(notes) - len(rejected) - len(filings),
    )


def build_known(filing: Filing, automation: str, at: float) -> KnownFinding:
    """The finding as it is known from now on; its ticket is set once it exists."""
    one = filing.finding
    return KnownFinding(
        fingerprint=one.fingerprint,
        evidence=one.evidence,
        title=one.title,
        automation=automation,
        severity=one.severity,
        items=one.items[:MOST_ITEMS],
        paths=one.paths[:MOST_PATHS],
        first_at=at,
        last_at=at,
        reopened=filing.reopened,
    )


def read_status(
    ticket: Ticket, role: ColumnRole | None, filed_in: str = "", *, was_handed_over: bool = False
) -> FindingStatus:
    """The status of a finding by its ticket on the board, whose column has this role. It was filed in the column
    `filed_in`, empty if that is not known: a person who moves it to another one accepts it, also for later."""
    if ticket.cancelled or ticket.duplicate or ticket.trashed:
        return "rejected"
    if role == "done" or ticket.column_type == "completed":
        return "done"
    is_at_work = role in {"agent", "working", "review"} or ticket.column_type == "started"
    has_left = bool(filed_in) and ticket.column != filed_in and role != "triage"
    return "accepted" if is_at_work or has_left or was_handed_over else "open"


def must_ask(finding: ProposedFinding, rule: StartRule) -> bool:
    """Whether the finding's ticket asks to start the work; without severities in the rule, about each finding."""
    return rule.policy == "ask" and finding.severity in (rule.severities or ORDER)


def can_start_itself(finding: ProposedFinding, rule: StartRule) -> bool:
    """Whether the start policy `auto` applies: the severity is allowed, and every cited item comes from the repository
    or its checks, so that no stranger can start work with an issue or a comment."""
    trusted = {"advisory", "check", "flaky", "command", "release", "commit"}
    is_trusted = all(_kind_of(key) in trusted for key in finding.items)
    return rule.policy == "auto" and finding.severity in rule.severities and is_trusted


def _find_same(one: ProposedFinding, known: Sequence[KnownFinding]) -> KnownFinding | None:
    """The known finding that this one is without a matcher: of the same fingerprint, or one cites all items of the
    other."""
    for other in known:
        if other.fingerprint == one.fingerprint:
            return other
    own = set(list_lasting(one.items))
    cited = [(other, set(list_lasting(other.items))) for other in known]
    including = [other for other, items in cited if own and items and (own <= items or items <= own)]
    return min(including, key=lambda other: other.status not in {"open", "accepted"}, default=None)


def _has_new_evidence(one: ProposedFinding, known: KnownFinding) -> bool:
    """Whether an item that both cite has a signature now that it never had."""
    before = known.evidence.split()
    items = {part.partition(":")[0] for part in before}
    return any(part not in before and part.partition(":")[0] in items for part in one.evidence.split())


def _is_recent(known: KnownFinding, at: float) -> bool:
    return at - known.decided_at < RECENT_SECONDS


def _is_urgent(one: ProposedFinding) -> bool:
    return one.severity == "urgent"


def _note(earlier: Note | None, known: KnownFinding, one: ProposedFinding, at: float) -> Note:
    """The known finding, found once more in this run, with the items and paths of the new one."""
    before = earlier.known if earlier else replace(known, seen=known.seen + 1, last_at=at)
    worse = min(before.severity, one.severity, key=ORDER.index)
    is_open = known.status == "open"
    merged = replace(
        before,
        evidence=_join_evidence(before.evidence, one.evidence) if is_open else before.evidence,
        items=_join(before.items, one.items, MOST_ITEMS),
        paths=_join(before.paths, one.paths, MOST_PATHS),
        severity=worse if is_open else before.severity,
    )
    return Note(known=merged, raised=is_open and worse == "urgent" and known.severity != "urgent")


def _join_evidence(before: str, now: str) -> str:
    """All signatures of each item, the newest ones if there are too many: a failure can change back."""
    return " ".join(list(dict.fromkeys([*before.split(), *now.split()]))[-MOST_ITEMS:])


def _file_again(filed: Filing | None, one: ProposedFinding, earlier: KnownFinding) -> Filing:
    """A new ticket for a finding whose ticket was closed. It keeps its identity and all of its evidence, for the next
    comparison."""
    merged = _merge(filed.finding, one) if filed else one
    evidence = _join_evidence(earlier.evidence, merged.evidence)
    again = replace(merged, fingerprint=earlier.fingerprint, evidence=evidence)
    returns: Literal["rejected", "done"] = "done" if earlier.status == "done" else "rejected"
    return Filing(finding=again, previous=earlier.ticket, returns=returns, reopened=earlier.reopened + 1)


def _merge(one: ProposedFinding, other: ProposedFinding) -> ProposedFinding:
    return replace(
        one,
        body=one.body if other.body in one.body else f"{one.body}\n\n{other.title}: {other.body}",
        severity=min(one.severity, other.severity, key=ORDER.index),
        items=_join(one.items, other.items, MOST_ITEMS),
        paths=_join(one.paths, other.paths, MOST_PATHS),
        criteria=tuple(dict.fromkeys((*one.criteria, *other.criteria))),
        runs=tuple(dict.fromkeys((*one.runs, *other.runs))),
        links=tuple(dict.fromkeys((*one.links, *other.links))),
        evidence=_join_evidence(one.evidence, other.evidence),
    )


def _merge_matched(
    found: Sequence[ProposedFinding], judged: Sequence[Match]
) -> tuple[list[ProposedFinding], dict[str, str]]:
    """The findings, without those that are the same as an earlier one of this run, which gets their texts; and the
    fingerprint of that one by those of the others."""
    merged = {one.fingerprint: one for one in found}
    moved: dict[str, str] = {}
    for match in judged:
        target = moved.get(match.known, match.known)
        if match.relation == "same" and {match.fingerprint, target} <= merged.keys() and match.fingerprint != target:
            one = merged.pop(match.fingerprint)
            merged[target] = _merge(merged[target], one)
            moved = {name: target if place == match.fingerprint else place for name, place in moved.items()}
            moved[match.fingerprint] = target
    return list(merged.values()), moved


def _limit(filings: Sequence[Filing], limits: AutomationLimits, opened: int) -> tuple[list[Filing], list[Filing]]:
    """The findings that are filed, the most severe first, and those beyond the limits. Urgent ones are always filed."""
    ordered = sorted(filings, key=lambda one: ORDER.index(one.finding.severity))
    free = max(0, min(limits.findings, limits.open_findings - opened))
    kept, dropped = list[Filing](), list[Filing]()
    for one in ordered:
        fits = len(kept) < free or _is_urgent(one.finding)
        (kept if fits else dropped).append(one)
    return kept, dropped


def _count_open(known: Sequence[KnownFinding], automation: str) -> int:
    return sum(one.automation == automation and one.status == "open" for one in known)


def _link_related(
    kept: Sequence[Filing], judged: Sequence[Match], known: dict[str, KnownFinding], repository: str
) -> list[Filing]:
    """The filings with the tickets of their related findings: known ones, and those that are filed before them."""
    tickets = {one.fingerprint: one.ticket for one in known.values() if one.ticket}
    linked = []
    for one in kept:
        own = one.finding.fingerprint
        names = [m.known for m in judged if m.fingerprint == own] + [m.fingerprint for m in judged if m.known == own]
        related = [tickets[name] for name in dict.fromkeys(names) if name in tickets and name != own]
        linked.append(replace(one, related=tuple(ref for ref in related if ref != one.previous)))
        ticket_id = finding_ticket_id(repository, own, one.reopened)
        tickets[own] = TicketRef(id=ticket_id, identifier=Identifier(""), title=one.finding.title)
    return linked


def _resemblance(one: ProposedFinding, other: KnownFinding | ProposedFinding) -> float:
    """0 for findings that have nothing in common, up to 3."""
    shares_items = bool(set(list_lasting(one.items)) & set(list_lasting(other.items)))
    shares_paths = bool(set(one.paths) & set(other.paths))
    mine, theirs = _terms(one.title), _terms(other.title)
    alike = len(mine & theirs) / len(mine | theirs) if mine | theirs else 0.0
    described = len(_terms(one.title, one.body, *one.paths) & theirs) / len(theirs) if theirs else 0.0
    likeness = max(alike, described)
    resembles = shares_items or likeness >= (_ALIKE_IN_PLACE if shares_paths else _ALIKE)
    return shares_items + shares_paths + likeness if resembles else 0.0


def _terms(*texts: str) -> set[str]:
    return set(_WORD.findall(" ".join(texts).lower())) - _COMMON


def _kind_of(key: str) -> str:
    return key.partition(":")[0]


def _rank(key: str) -> tuple[int, str]:
    kind = _kind_of(key)
    return (_KINDS.index(kind) if kind in _KINDS else len(_KINDS), key)


def _join(one: Sequence[str], other: Sequence[str], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))[:most]


def _digest(text: str, most: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:most]
