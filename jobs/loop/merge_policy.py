"""Keys below `loop.merge` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from integrations.values import value
from jobs.loop.policy_fields import check_command, check_line

PLACEHOLDERS = ("approver", "identifier", "number", "pull_request", "summary", "title", "type", "url")
CONVENTIONAL = "{type}: {title} (#{number})"
PLAIN = "{pull_request} (#{number})"
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_TRAILER = re.compile(r"[A-Za-z][A-Za-z0-9-]*: \S.*")


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced; empty if it has some and none of them has a value."""
    names = _PLACEHOLDER.findall(template)
    if names and not any(values[name] for name in names):
        return ""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _check_placeholders(text: str) -> str:
    for name in _PLACEHOLDER.findall(text):
        if name not in PLACEHOLDERS:
            near = get_close_matches(name, PLACEHOLDERS, n=1, cutoff=0.5) or PLACEHOLDERS
            raise ValueError(f"it has the unknown placeholder {{{name}}}; known: {', '.join(near)}")
    return text


def _check_trailer(text: str) -> str:
    if not _TRAILER.fullmatch(text):
        raise ValueError("it is no trailer; write one as `Reviewed-by: {approver}`")
    return text


Title = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(check_line), AfterValidator(_check_placeholders)
]
Body = Annotated[str, Field(max_length=10_000), AfterValidator(check_command), AfterValidator(_check_placeholders)]
Trailer = Annotated[
    str,
    Field(min_length=1, max_length=200),
    AfterValidator(check_line),
    AfterValidator(_check_placeholders),
    AfterValidator(_check_trailer),
]


@value
class MergePolicy:
    """How Loopline merges."""

    method: Literal["", "squash", "merge", "rebase"] = ""
    """Merge method; empty, or one that the repository does not allow: the operator's, else an allowed one."""
    wait: Literal["use", "never"] = "use"
    """Whether a merge that waits for required checks alone is left to auto-merge."""
    title: Title = "plain"
    """First line of the merge commit: `plain`, `conventional`, or a template."""
    body: Body = ""
    """Template of the text below the title; empty is the code host's own."""
    trailers: Annotated[tuple[Trailer, ...], Field(max_length=20)] = ()
    """Templates of the last lines; one whose placeholder has no value is left out."""

    @property
    def title_template(self) -> str:
        """The template that `title` names or is."""
        return {"plain": PLAIN, "conventional": CONVENTIONAL}.get(self.title, self.title)
