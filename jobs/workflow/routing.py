"""The repository of a ticket: chosen by the ticket's own text, its labels, its project, or the team's default. Pure.

A ticket that determines none, or more than one, asks on the ticket; nothing is guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from integrations.images_in_texts import list_images_in_texts
from integrations.values import Ticket, TicketImage
from jobs.loop.commands import Command, MoveTicket, PostComment, PrepareWorkspace
from jobs.loop.comments import Guidance
from jobs.loop.repository_tags import find_tags, order_by_text
from jobs.loop.state import Loop, Stage, Workspace
from jobs.messages import routing as messages
from jobs.workflow.decision import Decision, Route, ServicePolicy, TeamPolicy
from jobs.workflow.parts import split

_BRANCH = re.compile(r"(?!loopline/|/|-|\.|@$)(?!.*(\.\.|//|@\{|/\.|\.lock(/|$)))[!-~]{1,200}(?<![/.])", re.IGNORECASE)
_NOT_IN_REF = set("~^:?*[\\")


@dataclass(frozen=True)
class Chosen:
    """The repository, 'owner/name', and the base branch; empty for the default one."""

    repository: str
    base_branch: str = ""


@dataclass(frozen=True)
class Several:
    """Different repositories that the ticket names, in the order in which their parts are merged."""

    chosen: tuple[Chosen, ...]

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Repository and base branch of each."""
        return tuple((one.repository, one.base_branch) for one in self.chosen)

    def order_by(self, text: str) -> Several:
        """In the order that the text asks for."""
        names = order_by_text([one.repository for one in self.chosen], text)
        return Several(tuple(sorted(self.chosen, key=lambda one: names.index(one.repository))))


@dataclass(frozen=True)
class Ask:
    """No repository, or several; `reason` is one sentence."""

    choices: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Refused:
    """The ticket names a repository or branch that cannot be used; `choices` are the allowed repositories."""

    choices: tuple[str, ...]
    reason: str


def choose_repository(ticket: Ticket, team: TeamPolicy) -> Chosen | Several | Ask | Refused:
    """By `[repo=owner/name#branch]` in title or description, then label, then project, then the default."""
    text = f"{ticket.title}\n{ticket.description}"
    if tags := find_tags(text):
        choice = _choose_named(tags, team)
        return choice.order_by(text) if isinstance(choice, Several) else choice
    labels = {label.casefold() for label in ticket.labels}
    if several := _find_several(labels, team):
        return several.order_by(text)
    by_label = [route for route in team.routes if labels & {label.casefold() for label in route.labels}]
    project = ticket.project.casefold()
    by_project = [route for route in team.routes if project and project in {p.casefold() for p in route.projects}]
    found_by: tuple[tuple[Literal["label", "project"], list[Route]], ...] = (
        ("label", by_label),
        ("project", by_project),
    )
    for kind, found in found_by:
        if names := _names(found):
            return Chosen(names[0]) if len(names) == 1 else Ask(names, messages.several_routes_reason(kind, names))
    return Chosen(team.repository) if team.repository else Ask(team.repositories, messages.NO_ROUTE_REASON)


def _find_several(labels: set[str], team: TeamPolicy) -> Several | None:
    """The repositories of several labels, each of which determines one; None for any other labels."""
    by_label = {
        label: {route.repository for route in team.routes if label in {one.casefold() for one in route.labels}}
        for label in labels
    }
    named = set().union(*by_label.values()) if by_label else set()
    is_clear = all(len(found) <= 1 for found in by_label.values())
    places = tuple(Chosen(name) for name in team.repositories if name in named)
    return Several(places) if is_clear and len(places) > 1 else None


def read_repository_answer(text: str, team: TeamPolicy) -> Chosen | Refused | None:
    """A person's answer to the question: the number of a choice, a name, or a tag; None if it is none of these."""
    if tags := find_tags(text):
        found = _choose_named(tags, team)
        return found if isinstance(found, Chosen | Refused) else None
    answer = text.strip().strip("`.,!").rstrip()
    if answer.isascii() and answer.isdecimal():
        number = int(answer)
        return Chosen(team.repositories[number - 1]) if 1 <= number <= len(team.repositories) else None
    name, _, branch = answer.partition("#")
    if not re.search(r"\s", answer) and (known := _find_allowed(name, team)):
        return _check_branch(Chosen(known, branch), team)
    named = {known for known in team.repositories if known.casefold() in text.casefold().split()}
    return Chosen(named.pop()) if len(named) == 1 else None


def _names(routes: list[Route]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(route.repository for route in routes))


def _choose_named(tags: list[tuple[str, str]], team: TeamPolicy) -> Chosen | Several | Ask | Refused:
    chosen = []
    for name, branch in tags:
        known = _find_allowed(name, team)
        if known is None:
            return Refused(team.repositories, messages.unknown_repository_reason(name))
        checked = _check_branch(Chosen(known, branch), team)
        if isinstance(checked, Refused):
            return checked
        chosen.append(checked)
    if len(set(chosen)) == 1:
        return chosen[0]
    if len({one.repository for one in chosen}) == len(set(chosen)):
        return Several(tuple(dict.fromkeys(chosen)))
    names = tuple(dict.fromkeys(f"{one.repository}{'#' * bool(one.base_branch)}{one.base_branch}" for one in chosen))
    return Ask(tuple(dict.fromkeys(one.repository for one in chosen)), messages.several_named_reason(names))


def _check_branch(chosen: Chosen, team: TeamPolicy) -> Chosen | Refused:
    """git-check-ref-format(1), and no branch of Loopline: its WORKFLOW.md would be an agent's."""
    branch = chosen.base_branch
    if branch and (not _BRANCH.fullmatch(branch) or _NOT_IN_REF & set(branch)):
        return Refused(team.repositories, messages.invalid_branch_reason(branch))
    return chosen


def _find_allowed(name: str, team: TeamPolicy) -> str | None:
    """The team's repository of this name; the owner can be left out where that is unambiguous."""
    whole = [known for known in team.repositories if known.casefold() == name.casefold()]
    short = [known for known in team.repositories if known.casefold().partition("/")[2] == name.casefold()]
    found = whole or short
    return found[0] if len(found) == 1 else None


def awaits_repository(loop: Loop) -> bool:
    """Whether the open question on the ticket is the one for the repository."""
    return loop.stage is Stage.ASKING and not loop.workspace.repository


def prepare(loop: Loop) -> PrepareWorkspace:
    """The command that reads the repository again."""
    place = loop.workspace
    return PrepareWorkspace(
        generation=loop.generation,
        repository=place.repository,
        branch=place.branch,
        base=place.chosen_base,
        images=list_images(loop),
        head_sha=loop.checkpoint or loop.candidate.head_sha or loop.pull_request.pushed_sha,
        pushed_sha=loop.pull_request.pushed_sha,
        base_sha=place.base_sha,
        work=loop.unpushed,
    )


def list_images(loop: Loop) -> tuple[TicketImage, ...]:
    """The images of the description and of comments of people with permission, at most `MAX_IMAGES`."""
    written = [one.text for one in loop.ticket.remarks if one.author.may_steer]
    texts = (loop.ticket.description, *written, *(one.text for one in loop.comments.guidance))
    return list_images_in_texts(*texts)


def start_preparing(loop: Loop, policy: ServicePolicy, *commands: Command) -> Decision:
    """Read the repository, chosen now if it is not; without one, ask on the ticket."""
    if not loop.workspace.repository:
        choice = choose_repository(loop.ticket, policy.teams[loop.ticket.team])
        if isinstance(choice, Several):
            return split(loop, choice.places, loop.started_at, *commands)
        if not isinstance(choice, Chosen):
            return ask_for_repository(loop, choice, *commands)
        loop = replace(loop, workspace=place_at(loop.workspace, choice))
    loop = replace(loop, stage=Stage.PREPARING, reason="", waits_for=())
    return Decision(loop, (*commands, prepare(loop)))


def place_at(workspace: Workspace, choice: Chosen) -> Workspace:
    """The workspace in the chosen repository."""
    return replace(workspace, repository=choice.repository, chosen_base=choice.base_branch)


def ask_for_repository(loop: Loop, choice: Ask | Refused, *commands: Command) -> Decision:
    """Ask with all choices; the ticket waits in the column for questions."""
    loop = replace(loop, stage=Stage.ASKING, reason=messages.WHICH_REPOSITORY_REASON, waits_for=())
    body = messages.which_repository_message(choice.reason, choice.choices)
    question = PostComment(body=body, once=f"{loop.started_at}/repository")
    kept = (command for command in commands if not isinstance(command, MoveTicket))
    return Decision(loop, (*kept, question, MoveTicket(column="needs_human")))


def on_repository_answer(loop: Loop, answer: Guidance, policy: ServicePolicy) -> Decision:
    """Continue in the repository that a person named; ask again when the answer names none of the choices."""
    team = policy.teams.get(loop.ticket.team)
    if team is None:
        return Decision(loop)
    choice = read_repository_answer(answer.text, team)
    if isinstance(choice, Chosen):
        loop = replace(loop, workspace=place_at(loop.workspace, choice))
        return start_preparing(loop, policy, MoveTicket(column="working"))
    reason = choice.reason if choice else messages.NOT_A_CHOICE_REASON
    return Decision(loop, (PostComment(body=messages.which_repository_message(reason, team.repositories)),))


def on_description_edited(loop: Loop, policy: ServicePolicy) -> Decision:
    """The ticket changed while it waits for its repository: continue if it determines one now."""
    team = policy.teams.get(loop.ticket.team)
    choice = choose_repository(loop.ticket, team) if team else None
    if not isinstance(choice, Chosen | Several):
        return Decision(loop)
    return start_preparing(loop, policy, MoveTicket(column="working"))
