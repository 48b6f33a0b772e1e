"""The body of `WORKFLOW.md` as a Liquid template of Symphony: `{{ issue.identifier }}`, `{% if attempt %}`. Pure.

A body without the variables `issue` and `attempt` is text. Title and description are not inserted: they are text of the
ticket's author, which agents get as data, apart from the repository's instructions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError

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
_MOST_OUTPUT = 200_000


class _Limited(Environment):
    """Bounds of what a template can cost."""

    loop_iteration_limit = 10_000
    output_stream_limit = _MOST_OUTPUT
    local_namespace_limit = 100_000
    context_depth_limit = 20


_ENVIRONMENT = _Limited()
_OUTPUT = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def is_template(body: str) -> bool:
    """Whether the body names a variable of Symphony inside Liquid's marks."""
    return ("{{" in body or "{%" in body) and any(name in body for name in VARIABLES)


def find_template_problems(body: str) -> list[tuple[int, str]]:
    """Return (line of the body, problem) for a body that cannot be rendered, and for each unknown variable."""
    if not is_template(body):
        return []
    try:
        unknown = _find_unknown(body)
        _render(body, dict.fromkeys(FIELDS, "x"), 1)
    except (LiquidError, RecursionError) as error:
        token = getattr(error, "token", None)
        reason = cut(" ".join(str(getattr(error, "message", None) or "nested too deeply").split()), 150)
        place = _find_line(body, token.start_index if token else 0)
        return [(place, f"The text is no Liquid template ({reason}), so it is used as it is")]
    first = dict(reversed(unknown))
    found = sorted((_find_line(body, index), name) for name, index in first.items())
    return [(line, f"The variable {show_name(name)} is unknown, so it stays as written") for line, name in found]


def render(body: str, issue: Mapping[str, Any], attempt: int | None) -> str:
    """Return the body with the variables of a ticket; as it is when it is no template. `attempt` is None for the first
    run and counts the later ones from 1, as in Symphony."""
    if not is_template(body):
        return body
    texts = {name: REFERENCES[name] if issue.get(name) else None for name in REFERENCES}
    try:
        return _render(body, {**dict.fromkeys(FIELDS), **issue, **texts}, attempt)
    except (LiquidError, RecursionError):
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


def _render(body: str, issue: Mapping[str, Any], attempt: int | None) -> str:
    return _parse(_keep_unknown(body)).render(issue=issue, attempt=attempt)


@lru_cache(maxsize=64)
def _parse(body: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(body)


@lru_cache(maxsize=64)
def _keep_unknown(body: str) -> str:
    """The template with each output of an unknown variable marked as text."""
    places = [index for _, index in _find_unknown(body)]

    def mark(output: re.Match[str]) -> str:
        is_unknown = any(output.start() < index < output.end() for index in places)
        return f"{{% raw %}}{output[0]}{{% endraw %}}" if is_unknown else output[0]

    return _OUTPUT.sub(mark, body)


def _find_unknown(body: str) -> list[tuple[str, int]]:
    """Each use of a variable that is neither `attempt` nor a field of `issue`, with its index, in order."""
    found = []
    for name, uses in _parse(body).analyze().globals.items():
        for use in uses:
            path = [str(part) for part in use.segments]
            is_field = name == "issue" and len(path) > 1 and path[1] in FIELDS
            if name != "attempt" and not is_field:
                found.append((".".join(path), use.span.index))
    return sorted(found, key=lambda one: one[1])


def _find_line(body: str, index: int) -> int:
    return body.count("\n", 0, index) + 1
