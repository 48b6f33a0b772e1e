"""Rules for mentions of Loopline on tickets that it does not work on: a question is answered from the ticket and the
repository by the role `answer`; anything else gets the offer to take the ticket.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.events import WorkspaceReady
from integrations.values import Person, RunId
from jobs.loop.commands import PostComment, PrepareWorkspace, StopRun
from jobs.loop.comments import Guidance
from jobs.loop.policy import POLICY
from jobs.loop.state import Loop, Stage, Workspace
from jobs.messages import sessions as messages
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.routing import Chosen, choose_repository, place_at


def offer(loop: Loop) -> PostComment:
    """The offer to take the ticket."""
    return offer_with(messages.offer_message(loop.identifier))


def offer_with(body: str) -> PostComment:
    """A message with the choices to take the ticket or not."""
    return PostComment(body=body, choices=(messages.TAKE, messages.DECLINE))


def hear_mention(loop: Loop, guidance: Guidance, author: Person | None, policy: ServicePolicy) -> Decision:
    """Read the repository for a question of a person with permission, if the ticket determines one."""
    choice = choose_repository(loop.ticket, policy.teams[loop.ticket.team])
    is_question = "?" in guidance.text and author is not None and policy.may_start(author)
    if not is_question or not isinstance(choice, Chosen):
        return Decision(loop, (offer(loop),))
    answering = replace(loop.comments.answering, waiting=(*loop.comments.answering.waiting, guidance))
    loop = replace(loop, workspace=place_at(Workspace(), choice), comments=replace(loop.comments, answering=answering))
    place = loop.workspace
    prepare = PrepareWorkspace(generation=loop.generation, repository=place.repository, base=place.chosen_base)
    return Decision(loop, (prepare,))


def awaits_answer(loop: Loop) -> bool:
    """Whether a question on a ticket without work is open."""
    return loop.stage is Stage.IDLE and bool(loop.comments.answering.open)


def awaits_repository_of_question(loop: Loop) -> bool:
    """Whether the repository is still read for the question."""
    return awaits_answer(loop) and not loop.workspace.base_sha


def on_repository_read(loop: Loop, event: WorkspaceReady) -> Decision:
    """The repository is there: the role `answer` can begin."""
    workspace = replace(loop.workspace, base_branch=event.base_branch, base_sha=event.base_sha)
    return Decision(replace(loop, workspace=workspace, policy=POLICY.decode(event.policy)))


def give_up(loop: Loop) -> Decision:
    """The question cannot be answered: offer to take the ticket."""
    return withdraw(loop, offer(loop))


def withdraw(loop: Loop, message: PostComment) -> Decision:
    """End the open questions with this message."""
    run_id = loop.comments.answering.run_id
    stop = (StopRun(run_id=run_id),) if run_id else ()
    answering = replace(loop.comments.answering, run_id=RunId(""), asked=None, waiting=())
    return Decision(replace(loop, comments=replace(loop.comments, answering=answering)), (*stop, message))
