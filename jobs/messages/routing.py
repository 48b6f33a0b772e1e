"""Messages about permission to move cards, repositories, teams, and tickets that wait for others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from integrations.values import Person
from jobs.loop.state import Loop
from jobs.messages.foreign import list_authors
from jobs.messages.text import code, inline

CHOICES_SHOWN = 30


def list_names(names: Sequence[str]) -> str:
    """'ENG-3', 'ENG-3 and ENG-4', 'ENG-3, ENG-4 and 2 more'."""
    shown = [inline(name) for name in names[:5]] + ([f"{len(names) - 5} more"] if len(names) > 5 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def name_mover(by: Person | None) -> str:
    """The author of a move, for a sentence."""
    if by is None or not (by.id or by.name):
        return "an automation" if by else "an unknown account"
    return inline(by.name) or "this account"


def format_starters(starters: Sequence[str]) -> str:
    """Who has permission to start and stop work."""
    if not starters:
        return "Members of the workspace have it; guests, apps and integrations do not."
    return "The people in LOOPLINE_STARTERS and LOOPLINE_APPROVERS have it."


def not_started_message(by: Person | None, starters: Sequence[str], *, goes_back: bool) -> str:
    """A card in the agent column that was moved there without permission."""
    return (
        f"Not started: {name_mover(by)} does not have permission to hand tickets to Loopline. "
        f"{format_starters(starters)}{' The ticket goes back to its column.' if goes_back else ''}"
    )


def not_stopped_message(by: Person | None, starters: Sequence[str]) -> str:
    """A card that was moved away from the work without permission."""
    return (
        f"Not stopped: {name_mover(by)} does not have permission to stop Loopline. {format_starters(starters)} "
        "Work continues, and the ticket goes back to its column."
    )


def not_edited_message(by: Person | None, starters: Sequence[str]) -> str:
    """A new title or description by an account without permission."""
    return (
        f"Not used: {name_mover(by)} changed the ticket and does not have permission to change the work. "
        f"{format_starters(starters)} To use the new text, hand the ticket over again."
    )


def ended_message(loop: Loop, original: str, *, is_duplicate: bool) -> str:
    """The ticket was cancelled, or is a duplicate of `original` (empty if the board does not name it)."""
    title = f"**Duplicate{f' of {inline(original)}' if original else ''}.**" if is_duplicate else "**Cancelled.**"
    by = loop.workspace.taken_over_by or (loop.foreign.pushes and list_authors(loop.foreign.pushes))
    branch = f"the branch {code(loop.workspace.branch)} is left to {inline(by)}" if by else "the branch was deleted"
    return f"{title} Work has stopped; the worktree was deleted and {branch}."


def ended_reason(original: str, *, is_duplicate: bool) -> str:
    if not is_duplicate:
        return "The ticket was cancelled."
    return f"The ticket is a duplicate{f' of {inline(original)}' if original else ''}."


def closed_message(identifier: str, reason: str) -> str:
    """The one line on a pull request that Loopline closes."""
    return f"Closed by Loopline: {inline(reason).removesuffix('.').replace('The ticket', identifier, 1)}."


def left_team_reason(team: str) -> str:
    return f"the ticket was moved to team {inline(team)}, which Loopline does not serve."


def other_repository_reason(team: str, repositories: Sequence[str]) -> str:
    return f"the ticket was moved to team {inline(team)}, which works in {list_names(repositories)}."


def left_team_message(reason: str) -> str:
    return (
        f"**Stopped:** {inline(reason)} The branch and worktree are kept. To continue, move the ticket back to its "
        "team and then to the agent column."
    )


def team_not_served_message(team: str) -> str:
    return f"Not started: team {inline(team)} is not in LOOPLINE_TEAMS. Move the ticket to a team that is."


def which_repository_message(reason: str, choices: Sequence[str]) -> str:
    """The question for the repository; the answer is a number or a name."""
    listed = "\n".join(f"{number}. {code(name)}" for number, name in enumerate(choices[:CHOICES_SHOWN], 1))
    more = f"\n\n{len(choices) - CHOICES_SHOWN} more are allowed." if len(choices) > CHOICES_SHOWN else ""
    return (
        f"**Which repository?** {inline(reason)}\n\n{listed}{more}\n\nReply with the number or the name, or write "
        f"{code(f'[repo={choices[0]}]')} in the description; {code(f'[repo={choices[0]}#branch]')} also names the base "
        "branch."
    )


WHICH_REPOSITORY_REASON = "waiting for the repository: see the question on the ticket."
NOT_A_CHOICE_REASON = "That reply names none of the repositories."
NO_ROUTE_REASON = "Neither a label nor the project of this ticket determines one of the team's repositories."


def several_routes_reason(kind: Literal["label", "project"], names: Sequence[str]) -> str:
    return f"This ticket's {kind} matches several repositories: {list_names(names)}."


def several_named_reason(names: Sequence[str]) -> str:
    return f"The ticket names {list_names(names)}, and one ticket works in one repository: split it, or choose one."


def unknown_repository_reason(name: str) -> str:
    return f"The ticket names {inline(name)}, which is not one of the team's repositories in LOOPLINE_TEAMS."


def invalid_branch_reason(branch: str) -> str:
    return f"{inline(branch)} cannot be a base branch: write the name of a branch of people, such as release/2.1."


def cycle_reason(chain: Sequence[str]) -> str:
    """Tickets that wait for each other; `chain` begins and ends with the same one."""
    shown = " → ".join(inline(name) for name in chain)
    return f"these tickets wait for each other: {shown}. Remove a relation, or reply `/retry` to start this one now."
