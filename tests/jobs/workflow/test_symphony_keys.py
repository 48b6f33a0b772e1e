"""Keys of Symphony that decide whether a ticket starts and goes on."""

from __future__ import annotations

from dataclasses import replace

from integrations.values import Ticket
from jobs.loop.commands import PostComment
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.loop.symphony import TrackerPolicy
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import kinds, moved, ready
from tests.loops import changed

LABELLED = RepositoryPolicy(tracker=TrackerPolicy(required_labels=("agent",)))


def handed_over(ticket: Ticket, policy: ServicePolicy) -> Loop:
    return decide(Loop(ticket=ticket), moved(ticket, "Agent"), policy).loop


def test_ticket_without_a_required_label_does_not_start(ticket: Ticket, policy: ServicePolicy) -> None:
    decision = decide(handed_over(ticket, policy), ready(LABELLED), policy)
    assert decision.loop.stage is Stage.STOPPED and "StartRun" not in kinds(decision.commands)
    (body,) = [command.body for command in decision.commands if isinstance(command, PostComment)]
    assert "requires the label `agent`" in body and "`/retry`" in body


def test_ticket_with_the_required_labels_starts(ticket: Ticket, policy: ServicePolicy) -> None:
    loop = handed_over(replace(ticket, labels=("Agent", "ui")), policy)
    assert "StartRun" in kinds(decide(loop, ready(LABELLED), policy).commands)


def test_ticket_with_a_pull_request_goes_on_without_its_label(review: Loop, policy: ServicePolicy) -> None:
    revised = changed(review, stage=Stage.PREPARING)
    assert "StartRun" in kinds(decide(revised, ready(LABELLED, generation=revised.generation), policy).commands)


def test_policy_notes_are_one_comment(ticket: Ticket, policy: ServicePolicy) -> None:
    noted = RepositoryPolicy(notes=("Keys without a meaning here: codex", "`git clone` is left out"))
    comments = [
        command
        for command in decide(handed_over(ticket, policy), ready(noted), policy).commands
        if isinstance(command, PostComment)
    ]
    assert [(one.once, "\n" in one.body) for one in comments] == [("policy-notes", False)]
    assert "Keys without a meaning here: codex. `git clone` is left out." in comments[0].body


def test_move_to_an_active_state_does_not_stop(making: Loop, policy: ServicePolicy) -> None:
    active = replace(making, policy=RepositoryPolicy(tracker=TrackerPolicy(active_states=("Rework",))))
    assert decide(active, moved(making.ticket, "Rework"), policy).loop.stage is making.stage
    assert decide(active, moved(making.ticket, "Elsewhere"), policy).loop.stage is Stage.STOPPED
