"""View models of the repositories: pull requests that wait for people, and merged lines without a review. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from integrations.values import Codec, value
from jobs.loop.state import Loop, Stage
from jobs.store.merged_lines import WEEK, MergedPullRequest, count_unreviewed
from jobs.workflow.bandwidth import is_held
from service.dashboard.overview import web_link

WEEKS = 4


@value
class ShownReview:
    """A verified pull request that waits for people since that time (Unix seconds)."""

    identifier: str
    page: str
    number: int
    url: str
    since: float


@value
class ShownRepository:
    """One repository. `reviews` has the one that waits longest first, `held` the tickets that wait for them; `weeks`
    are the merged lines without a review by a person in the last seven days, and in those before."""

    name: str
    reviews: tuple[ShownReview, ...] = ()
    held: tuple[str, ...] = ()
    weeks: tuple[int, ...] = ()
    merged_lines: int = 0
    """All merged lines of the last seven days."""


REPOSITORIES: Codec[list[ShownRepository]] = Codec(list[ShownRepository])


def list_repositories(
    loops: Sequence[Loop], merged: Mapping[str, Sequence[MergedPullRequest]], now: float
) -> list[ShownRepository]:
    """The repositories, which are those of `merged`, with a pull request that waits or was merged lately, by name."""
    shown = (_show(name, loops, lines, now) for name, lines in sorted(merged.items()))
    return [one for one in shown if one.reviews or one.held or one.merged_lines or any(one.weeks)]


def _show(name: str, loops: Sequence[Loop], merged: Sequence[MergedPullRequest], now: float) -> ShownRepository:
    own = [loop for loop in loops if loop.workspace.repository == name]
    waiting = sorted((loop for loop in own if loop.stage is Stage.REVIEW), key=lambda one: one.pull_request.shown_at)
    return ShownRepository(
        name=name,
        reviews=tuple(map(_show_review, waiting)),
        held=tuple(loop.identifier for loop in sorted(own, key=lambda one: one.started_at) if is_held(loop)),
        weeks=tuple(count_unreviewed(merged, now - week * WEEK) for week in range(WEEKS)),
        merged_lines=sum(one.lines for one in merged if now - WEEK < one.at <= now),
    )


def _show_review(loop: Loop) -> ShownReview:
    shown = loop.pull_request
    return ShownReview(
        identifier=loop.identifier,
        page=f"/tickets/{quote(loop.identifier, safe='')}",
        number=shown.number,
        url=web_link(shown.url),
        since=shown.shown_at,
    )
