"""Parsing and rendering of Liquid templates, by the library. Called by `template`, which imports it when a
`WORKFLOW.md` has a template: few have one, and the import costs each process a tenth of its start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError

TEMPLATE_ERRORS = (LiquidError, RecursionError)
_MOST_OUTPUT = 200_000
_OUTPUT = re.compile(r"\{\{.*?\}\}", re.DOTALL)


class _Limited(Environment):
    """Bounds of what a template can cost."""

    loop_iteration_limit = 10_000
    output_stream_limit = _MOST_OUTPUT
    local_namespace_limit = 100_000
    context_depth_limit = 20


_ENVIRONMENT = _Limited()


def render_template(body: str, variables: Mapping[str, Any], fields: Sequence[str]) -> str:
    """The body with its variables; each output of an unknown one stays as it is. Raises `TEMPLATE_ERRORS`."""
    return _parse(_keep_unknown(body, tuple(fields))).render(**variables)


def find_unknown(body: str, fields: Sequence[str]) -> list[tuple[str, int]]:
    """Each use of a variable that is neither `attempt` nor one of the `fields` of `issue`, with its index, in order.
    Raises `TEMPLATE_ERRORS`."""
    found = []
    for name, uses in _parse(body).analyze().globals.items():
        for use in uses:
            path = [str(part) for part in use.segments]
            is_field = name == "issue" and len(path) > 1 and path[1] in fields
            if name != "attempt" and not is_field:
                found.append((".".join(path), use.span.index))
    return sorted(found, key=lambda one: one[1])


def explain_template_error(error: Exception) -> tuple[str, int]:
    """The reason, and the index in the body."""
    token = getattr(error, "token", None)
    reason = " ".join(str(getattr(error, "message", None) or "nested too deeply").split())
    return reason, token.start_index if token else 0


@lru_cache(maxsize=64)
def _parse(body: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(body)


@lru_cache(maxsize=64)
def _keep_unknown(body: str, fields: Sequence[str]) -> str:
    """The template with each output of an unknown variable marked as text."""
    places = [index for _, index in find_unknown(body, fields)]

    def mark(output: re.Match[str]) -> str:
        is_unknown = any(output.start() < index < output.end() for index in places)
        return f"{{% raw %}}{output[0]}{{% endraw %}}" if is_unknown else output[0]

    return _OUTPUT.sub(mark, body)
