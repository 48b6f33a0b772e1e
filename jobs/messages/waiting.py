"""Messages about tickets that wait for others: blockers, parts, files, reviews."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.workload import OpenReview, Overlap
from jobs.loop.state import Loop
from jobs.loop.wait_state import Part, WaitState
from jobs.messages.routing import list_names
from jobs.messages.text import code, inline, link

DAY = 86_400.0
MOST_LISTED = 10
ANYWAY = "Reply `/run anyway` to start it now."


def explain_wait(loop: Loop, at: float) -> str:
    """Why the loop waits, in one sentence: for progress comment, `/why`, `/status` and dashboard."""
    wait = loop.wait
    match wait.kind:
        case "tickets":
            return f"waits for {_name_tickets(loop)}."
        case "parts":
            return f"waits for its parts: {', '.join(map(_format_part, loop.parts))}."
        case "files":
            return f"waits for {_list_overlaps(wait.overlaps)}."
        case "reviews":
            return f"waits for people: {_count_reviews(wait, at)}."
        case "unreviewed":
            return (
                f"waits for people: {wait.lines:,} lines were merged in seven days without a review by a person "
                f"(limit {wait.limit:,})."
            )


def _name_tickets(loop: Loop) -> str:
    names = list_names([one.identifier for one in loop.waits_for])
    children = {one.id for one in loop.ticket.children}
    is_children = all(one.id in children for one in loop.waits_for)
    return f"its sub-issue{'s' * (len(loop.waits_for) > 1)} {names}" if is_children else names


def _count_reviews(wait: WaitState, at: float) -> str:
    number, oldest = len(wait.reviews), wait.reviews[:1]
    waiting = "verified pull request waits" if number == 1 else "verified pull requests wait"
    named = "".join(f", the oldest, {inline(one.identifier)}, for {_format_age(one, at)}" for one in oldest)
    return f"{number} {waiting} for a review (limit {wait.limit}){named}"


def waits_message(loop: Loop, at: float) -> str:
    """The comment at the beginning of a wait: for what, when it ends, and how to start now."""
    wait, reason = loop.wait, explain_wait(loop, at)
    head = f"**{reason[0].upper()}{reason[1:]}**"
    match wait.kind:
        case "tickets":
            done = "it is done or cancelled" if len(loop.waits_for) == 1 else "they are done or cancelled"
            return f"{head} Work starts by itself when {done}. {ANYWAY}"
        case "parts":
            return split_message(loop.parts)
        case "files":
            ends = "is" if len(wait.overlaps) == 1 else "are"
            return (
                f"**{_list_edits(wait.overlaps)}** This ticket starts by itself when "
                f"{list_names([one.identifier for one in wait.overlaps])} {ends} merged, stopped or closed. {ANYWAY}"
            )
        case "reviews":
            return f"{head} This ticket starts by itself when there are fewer. {ANYWAY}\n\n{_list_reviews(wait, at)}"
        case "unreviewed":
            return (
                f"{head} This ticket starts by itself when enough of those merges are more than seven days old. "
                f"{ANYWAY} The limit is `loop.overlap.unreviewed_lines_per_week` in WORKFLOW.md."
            )


def _list_reviews(wait: WaitState, at: float) -> str:
    """The pull requests that wait for people, the oldest first."""
    shown = [f"- {link(one.identifier, one.url)}, for {_format_age(one, at)}" for one in wait.reviews[:MOST_LISTED]]
    more = len(wait.reviews) - MOST_LISTED
    return "\n".join(shown + ([f"- … and {more} more"] if more > 0 else []))


def _format_age(review: OpenReview, at: float) -> str:
    """As 'less than a day', '1 day', '3 days'."""
    days = int(max(at - review.since, 0) // DAY)
    return "less than a day" if not days else f"{days} day{'s' * (days > 1)}"


def _list_overlaps(overlaps: Sequence[Overlap]) -> str:
    return " and ".join(f"{inline(one.identifier)}, which edits {_list_paths(one.paths)}" for one in overlaps[:3])


def _list_edits(overlaps: Sequence[Overlap]) -> str:
    return " ".join(f"{inline(one.identifier)} is editing {_list_paths(one.paths)}." for one in overlaps[:3])


def _list_paths(paths: Sequence[str]) -> str:
    shown = ", ".join(code(path) for path in paths[:3])
    return f"{shown} and {len(paths) - 3} more" if len(paths) > 3 else shown


def starts_message(names: Sequence[str]) -> str:
    """The wait is over."""
    return f"{list_names(names)} {'is' if len(names) == 1 else 'are'} no longer in the way. Starting."


REVIEWED_MESSAGE = "People have reviewed enough. Starting."


def anyway_message(by: str) -> str:
    return f"Starting now, as {inline(by)} asked."


def overlaps_message(overlaps: Sequence[Overlap]) -> str:
    """A warning: both tickets edit the same files now."""
    names = list_names([one.identifier for one in overlaps])
    return f"{_list_edits(overlaps)} This ticket edits the same, so expect a conflict with {names}."


def edited_too_message(overlap: Overlap, *, waits: bool) -> str:
    """On the ticket that came first."""
    paths, name = _list_paths(overlap.paths), inline(overlap.identifier)
    if waits:
        return f"{name} has to edit {paths} too; it starts after this ticket."
    return f"{name} edits {paths} too, so expect a conflict between the two pull requests."


def _format_part(part: Part) -> str:
    name = inline(part.ticket.identifier) if part.ticket else "not created yet"
    column = f", {inline(part.ticket.column)}" if part.ticket and part.ticket.column else ""
    return f"{name} ({inline(part.repository)}{column})"


def split_message(parts: Sequence[Part]) -> str:
    """The ticket names several repositories, and each has its own ticket now."""
    listed = "\n".join(f"{number}. {_format_part(part)}" for number, part in enumerate(parts, 1))
    return (
        f"**Split into {len(parts)} parts**, one for each repository that this ticket names:\n\n{listed}\n\nThey are "
        "worked on side by side and merged in this order; remove a relation *blocked by* between them to change that. "
        "This ticket is done when all of them are."
    )


def parts_done_message(parts: Sequence[Part]) -> str:
    return f"**Done.** All parts are merged: {', '.join(map(_format_part, parts))}."


def part_cancelled_reason(parts: Sequence[Part]) -> str:
    """One or more parts were cancelled, so the ticket cannot become done by itself."""
    names = list_names([f"{part.ticket.identifier} ({part.repository})" for part in parts if part.ticket])
    return (
        f"{names} {'was' if len(parts) == 1 else 'were'} cancelled. Reply `/retry` to do that part in a new ticket, or "
        "move this ticket to done if the other parts are enough."
    )


def merged_first_reason(names: Sequence[str]) -> str:
    """A part that comes before this one is not merged yet."""
    return (
        f"{list_names(names)} {'comes' if len(names) == 1 else 'come'} first: merge that, then reply `/merge` here "
        "again. To merge in another order, remove the relation *blocked by* from this ticket."
    )


def ticket_created_message(identifier: str, title: str) -> str:
    return f"Filed {inline(identifier)}: {inline(title)}."
