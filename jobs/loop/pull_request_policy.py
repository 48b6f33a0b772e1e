"""`loop.pull_request` of `WORKFLOW.md`: how pull requests look. Pure."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from integrations.values import value
from jobs.loop.policy_fields import Line, Lines, check_line

PLAIN, CONVENTIONAL = "plain", "conventional"
TITLE_PLACES = ("identifier", "title", "type")
_PLACE = re.compile(r"\{([^{}]*)\}")
_REVIEWER = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9-]{0,38}(?:/[A-Za-z0-9._-]{1,100})?")
_WAYS = ("codeowners", "none")


def _check_title(text: str) -> str:
    if check_line(text) in (PLAIN, CONVENTIONAL):
        return text
    places = _PLACE.findall(text)
    if unknown := [place for place in places if place not in TITLE_PLACES]:
        known = ", ".join(f"{{{place}}}" for place in TITLE_PLACES)
        raise ValueError(f"it is a title with the unknown place {{{unknown[0]}}}; the places are {known}")
    if not {"identifier", "title"} <= set(places):
        raise ValueError(
            "it is neither `plain` nor `conventional`, nor a template with {identifier} and {title}; without the "
            "identifier the tracker does not link the pull request"
        )
    return text


def _check_reviewers(given: object) -> object:
    if given in _WAYS:
        return given
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise ValueError("it is neither `codeowners` nor `none` nor a list of accounts and teams")
    if wrong := next((one for one in given if not _REVIEWER.fullmatch(one)), ""):
        raise ValueError(f"it has {wrong!r}, which is no account or team; write a login such as ana, or acme/web")
    return tuple(given)


_Way = Annotated[str, Field(max_length=20)]


@value
class PullRequestPolicy:
    """Title, description and people of pull requests."""

    title: Annotated[str, Field(max_length=200), AfterValidator(_check_title)] = PLAIN
    """plain: 'ENG-1: title'. conventional: 'feat: title (ENG-1)'. Or a template with {identifier}, {title}, {type}."""
    template: Annotated[str, Field(max_length=200), AfterValidator(check_line)] = ""
    """Name of the pull request template, for a repository with several."""
    labels: Lines = ()
    reviewers: Annotated[_Way | tuple[Line, ...], BeforeValidator(_check_reviewers)] = "codeowners"
    """codeowners, none, or a list of accounts and teams ('ana', 'acme/web')."""
    milestone: Annotated[str, Field(max_length=300), AfterValidator(check_line)] = ""
    """Title of an open milestone."""
    draft: bool = True
    """Whether the pull request is a draft until the checks of the code host are green."""
    size_lines: Annotated[int, Field(ge=0, le=1_000_000)] = 1_000
    """Changed lines above which the ticket proposes to split the change; 0 never. Generated files do not count."""
