"""The body of `WORKFLOW.md` as a Liquid template of Symphony: `{{ issue.identifier }}`, `{% if attempt %}`. Pure.

A body without the variables `issue` and `attempt` is text. Title and description are not inserted: they are text of the
ticket's author, which agents get as data, apart from the repository's instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.explain import show_name
from integrations.texts import cut
from integrations.values import Ticket

VARIABLES = ("issue", "attempt")
FIELDS = (
    *("id", "identifier", "title", "description", "state", "url", "branch_name", "labels", "priority"),
    *("blocked_by", "created_at", "updated_at"),
)
"""Fields of `issue` in Symphony's specification, section 4.1.1."""
REFERENCES = {"title": "(the ticket's title)", "description": "(the ticket's description)"}


def is_template(body: str) -> bool:
    """Whether the body names a variable of Symphony inside Liquid's marks."""
    return ("{{" in body or "{%" in body) and any(name in body for name in VARIABLES)


def find_template_problems(body: str) -> list[tuple[int, str]]:
    """Return (line of the body, problem) for a body that cannot be rendered, and for each unknown variable."""
    if not is_template(body):
        return []
    from jobs.loop import liquid_template

    try:
        unknown = liquid_template.find_unknown(body, FIELDS)
        liquid_template.render_template(body, {"issue": dict.fromkeys(FIELDS, "x"), "attempt": 1}, FIELDS)
    except liquid_template.TEMPLATE_ERRORS as error:
        reason, index = liquid_template.explain_template_error(error)
        place = _find_line(body, index)
        return [(place, f"The text is no Liquid template ({cut(reason, 150)}), so it is used as it is")]
    first = dict(reversed(unknown))
    found = sorted((_find_line(body, index), name) for name, index in first.items())
    return [(line, f"The variable {show_name(name)} is unknown, so it stays as written") for line, name in found]


def render(body: str, issue: Mapping[str, Any], attempt: int | None) -> str:
    """Return the body with the variables of a ticket; as it is when it is no template. `attempt` is None for the first
    run and counts the later ones from 1, as in Symphony."""
    if not is_template(body):
        return body
    from jobs.loop import liquid_template

    texts = {name: REFERENCES[name] if issue.get(name) else None for name in REFERENCES}
    known = {**dict.fromkeys(FIELDS), **issue, **texts}
    try:
        return liquid_template.render_template(body, {"issue": known, "attempt": attempt}, FIELDS)
    except liquid_template.TEMPLATE_ERRORS:
        return body


def describe_issue(ticket: Ticket) -> dict[str, Any]:
    """The variable `issue` of a ticket."""
    blockers = [relation.ticket for relation in ticket.relations if relation.kind == "blocked_by"]
    return {
        **{name: getattr(ticket, name) for name in ("id", "identifier", "title", "description", "url", "branch_name")},
        "state": ticket.column,
        "labels": [label.lower() for label in ticket.labels],
        "priority": ticket.priority or None,
        "blocked_by": [{"id": one.id, "identifier": one.identifier, "state": one.column} for one in blockers],
        "updated_at": ticket.updated_at or None,
    }


def _find_line(body: str, index: int) -> int:
    return body.count("\n", 0, index) + 1
