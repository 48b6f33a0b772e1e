"""The machine block of a repository's memory, from which the state of its automations is rebuilt when Redis is lost.
Pure.

Linear keeps an attachment's metadata as an object of strings and numbers, so structure travels as JSON in strings.
Any account with write access to the ticket can edit it, so it is not trusted: each part is validated, and one that is
invalid is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from integrations.errors import Rejected
from integrations.values import Codec
from jobs.loop.automation_state import MOST_FINDINGS, AutomationState, KnownFinding, RunRecord
from jobs.loop.derived_ids import finding_ticket_id

Metadata = Mapping[str, str | int | float]
SCHEMA = 1
PART_CHARACTERS, MOST_PARTS, MOST_BLOCKS = 8_000, 10, 20
"""Of the findings. A block has at most ten parts, so that each of its attachments stays below the size of a comment."""
MOST_RUNS, MOST_DAYS, MOST_NAMES = 30, 3, 5
MOST_SECONDS = 1e11
MOST_ITEMS, ITEM_CHARACTERS, TITLE_CHARACTERS, REASON_CHARACTERS = 10, 200, 150, 300
_RANKS = {"open": 0, "accepted": 1, "rejected": 2, "done": 3}
_IDENTIFIER = re.compile(r"[\w-]{1,60}")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_EVIDENCE = re.compile(r"(?:[0-9a-f]{8}:[0-9a-f]{8} ?){0,30}")
_KNOWN: Codec[KnownFinding] = Codec(KnownFinding)
_RECORD: Codec[RunRecord] = Codec(RunRecord)
T = TypeVar("T")


def build_blocks(state: AutomationState) -> list[dict[str, str | int | float]]:
    """The metadata of each attachment: the first one has all but the findings that do not fit, which follow in the
    others. The open ones come first, then the newest; those beyond `MOST_BLOCKS` are left out."""
    parts = _split_findings(state.findings)[: MOST_PARTS * MOST_BLOCKS]
    chunks = [parts[start : start + MOST_PARTS] for start in range(0, len(parts), MOST_PARTS)] or [[]]
    heads = [_build_first_block(state), *(_identify(state) for _ in chunks[1:])]
    for head, chunk in zip(heads, chunks, strict=True):
        head.update({f"findings{number}": part for number, part in enumerate(chunk)})
    return heads


def _identify(state: AutomationState) -> dict[str, str | int | float]:
    names = json.dumps(state.earlier_names[-MOST_NAMES:])
    return {"schema": SCHEMA, "repository": state.repository, "earlier": names}


def _build_first_block(state: AutomationState) -> dict[str, str | int | float]:
    spent = {name: dict(sorted(days.items())[-MOST_DAYS:]) for name, days in state.spent.items()}
    short = [replace(one, counted=(), note=one.note[:REASON_CHARACTERS]) for one in state.history[-MOST_RUNS:]]
    records = [_RECORD.to_builtins(one) for one in reversed(short)]
    return _identify(state) | {
        "slots": _bound(state.last_slots),
        "read": _bound(state.read_at),
        "spent": _bound(spent),
        "history": _join_fitting(records),
    }


def restore_state(repository: str, metadata: Metadata, now: float, others: Sequence[Metadata] = ()) -> AutomationState:
    """The state that `build_blocks` was given, as far as it is valid. Declarations are read again, and a time in the
    future counts as `now`. `others` have further findings; of a finding in several blocks the first one counts. Raises
    `Rejected` for the memory of another repository or of a newer release."""
    if problem := _find_problem(repository, metadata):
        raise Rejected(problem)
    blocks = [metadata, *(one for one in others if not _find_problem(repository, one))][:MOST_BLOCKS]
    earlier = [name for name in _parse(metadata.get("earlier"), list) if isinstance(name, str)][-MOST_NAMES:]
    found: dict[str, KnownFinding] = {}
    for part in [block.get(f"findings{number}") for block in blocks for number in range(MOST_PARTS)]:
        for one in read_list(part, _KNOWN):
            if _is_valid((repository, *earlier), one) and len(found) < MOST_FINDINGS:
                found.setdefault(one.fingerprint, one)
    history = [one for one in read_list(metadata.get("history"), _RECORD) if _is_valid_record(one)]
    return AutomationState(
        repository=repository,
        earlier_names=tuple(earlier),
        last_slots=_read_times(metadata.get("slots"), now),
        read_at=_read_times(metadata.get("read"), now),
        spent={name: _read_costs(days) for name, days in _read_object(metadata.get("spent")).items()},
        findings=tuple(_clip(one, now) for one in found.values()),
        history=tuple(history[::-1][-MOST_RUNS:]),
    )


def _find_problem(repository: str, metadata: Metadata) -> str:
    """Why the block cannot be used, as a clause; empty if it can."""
    schema, name = metadata.get("schema"), metadata.get("repository")
    if not isinstance(schema, int | float) or schema > SCHEMA:
        return f"the memory of {repository} has schema {schema!r}; this release reads {SCHEMA}"
    return f"the memory of {repository} is that of {name!r}" if str(name).lower() != repository.lower() else ""


def _split_findings(findings: Sequence[KnownFinding]) -> list[str]:
    """As JSON lists that fit into one value each."""
    ordered = sorted(findings, key=lambda one: (_RANKS[one.status], -one.last_at))
    return split_lines(json.dumps(_shorten(one), ensure_ascii=False) for one in ordered)


def split_lines(entries: Iterable[str]) -> list[str]:
    """JSON values as JSON lists of at most `PART_CHARACTERS`, in their order."""
    parts, lines, size = list[str](), list[str](), 0
    for line in entries:
        if lines and size + len(line) + 2 > PART_CHARACTERS:
            parts.append(f"[{', '.join(lines)}]")
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 2
    return [*parts, f"[{', '.join(lines)}]"] if lines else parts


def _shorten(one: KnownFinding) -> dict[str, Any]:
    """The finding without what is empty and has a default."""
    short = replace(
        one,
        title=one.title[:TITLE_CHARACTERS],
        reason=one.reason[:REASON_CHARACTERS],
        items=tuple(item for item in one.items if len(item) <= ITEM_CHARACTERS)[:MOST_ITEMS],
        paths=tuple(path for path in one.paths if len(path) <= ITEM_CHARACTERS)[:MOST_ITEMS],
        ticket=replace(one.ticket, title="", description="") if one.ticket else None,
    )
    plain: dict[str, Any] = _KNOWN.to_builtins(short)
    ticket = {name: part for name, part in (plain["ticket"] or {}).items() if part}
    filled = {name: part for name, part in {**plain, "ticket": ticket or None}.items() if part}
    return {"evidence": "", **filled}


def _is_valid(names: Sequence[str], one: KnownFinding) -> bool:
    """Whether Loopline can have written it: its ticket has the id that is made from its fingerprint and one of the
    repository's names."""
    return (
        bool(_FINGERPRINT.fullmatch(one.fingerprint) and _EVIDENCE.fullmatch(one.evidence))
        and bool(_NAME.fullmatch(one.automation))
        and one.ticket is not None
        and one.ticket.id in {finding_ticket_id(name, one.fingerprint, one.reopened) for name in names}
        and bool(_IDENTIFIER.fullmatch(one.ticket.identifier))
        and all(map(_is_count, (one.first_at, one.last_at, one.decided_at)))
        and 0 < one.seen < 1_000_000
        and max(map(len, (*one.items, *one.paths)), default=0) <= ITEM_CHARACTERS
    )


def _is_valid_record(one: RunRecord) -> bool:
    return bool(_NAME.fullmatch(one.automation)) and all(map(_is_count, (one.started_at, one.ended_at, one.cost_usd)))


def _clip(one: KnownFinding, now: float) -> KnownFinding:
    return replace(
        one,
        title=one.title[:TITLE_CHARACTERS],
        reason=one.reason[:REASON_CHARACTERS],
        first_at=min(one.first_at, now),
        last_at=min(one.last_at, now),
        decided_at=min(one.decided_at, now),
    )


def read_list(given: object, codec: Codec[T]) -> Iterator[T]:
    """The entries that are valid."""
    for entry in _parse(given, list):
        try:
            yield codec.from_builtins(entry)
        except ValidationError:
            continue


def _read_object(given: object) -> dict[str, Any]:
    return {name: part for name, part in _parse(given, dict).items() if _NAME.fullmatch(name)}


def _read_times(given: object, now: float) -> dict[str, float]:
    return {name: min(float(at), now) for name, at in _read_object(given).items() if _is_count(at)}


def _read_costs(given: object) -> dict[str, float]:
    return {str(day): float(cost) for day, cost in given.items() if _is_count(cost)} if isinstance(given, dict) else {}


def _is_count(given: object) -> bool:
    """Whether it is a number of seconds or dollars that Loopline can have written."""
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < MOST_SECONDS


def _parse(given: object, form: type[T]) -> T:
    """The JSON value if it has this form; an empty one otherwise."""
    try:
        plain = json.loads(given) if isinstance(given, str) else None
    except (ValueError, RecursionError):
        plain = None
    return plain if isinstance(plain, form) else form()


def _join_fitting(entries: Sequence[Any]) -> str:
    """As a JSON list of the first entries that fit into one value."""
    lines, size = list[str](), 2
    for line in (json.dumps(entry, ensure_ascii=False) for entry in entries):
        size += len(line) + 2
        if size > PART_CHARACTERS:
            break
        lines.append(line)
    return f"[{', '.join(lines)}]"


def _bound(plain: object) -> str:
    text = json.dumps(plain)
    return text if len(text) <= PART_CHARACTERS else ""
