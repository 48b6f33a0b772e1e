"""The playbooks, in the order of their precedence. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.standins.model.playbook import Answer, Playbook
from integrations.standins.model.playbooks import automations, bug, feature, help, projects, roles
from integrations.standins.model.request import Request

_MAKERS = (bug.PLAYBOOK, feature.PLAYBOOK, help.PLAYBOOK, *projects.PLAYBOOKS)
PLAYBOOKS = (
    roles.PLANNER,
    roles.SCOUT,
    *_MAKERS,
    roles.JUDGE,
    roles.CHECKER,
    roles.ANSWER,
    roles.LESSON,
    automations.TRIAGE,
    automations.MATCHER,
)

NO_PLAYBOOK = Playbook(
    "none",
    matches=lambda _: True,
    answer=lambda request: Answer(
        f"I am a stand-in for a model and have no playbook for this ({request.title or 'no ticket is named'}). "
        "I changed nothing. A real model behind the same interface would start here."
    ),
)


def playbook_for(request: Request, first: Sequence[Playbook] = ()) -> Playbook:
    """The first playbook that matches, those of `first` before these; `NO_PLAYBOOK` if none does."""
    known = (*first, *PLAYBOOKS)
    return next((playbook for playbook in known if playbook.matches(request)), NO_PLAYBOOK)
