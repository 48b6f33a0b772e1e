"""Opens, updates and describes pull requests. Called by `jobs.effects.perform`, with sanitized text.

A description is composed here and not by a rule, because it also has the text of the repository's template and of the
people who edited it; both stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from integrations.errors import Rejected
from integrations.events import Event, PullRequestOpened
from integrations.git.mirror import Mirror
from integrations.ports.code_host import CodeHost, PullRequest, PullRequestDetails
from integrations.values import CommitSha
from jobs.effects.new_tickets import link_from_other_parts, link_parts
from jobs.evidence.code_owners import FILES as OWNERS_FILES
from jobs.evidence.code_owners import Owners, find_owners
from jobs.loop import commands as c
from jobs.messages.pull_request_body import choose_title, compose_description, update_description
from jobs.messages.pull_request_template import FOLDERS, TEMPLATE, find_template
from jobs.runtime import keys

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def open_pull_request(command: c.OpenPullRequest, ctx: Context) -> Sequence[Event]:
    """Upsert the pull request: Loopline's part of the description, and the title unless a person changed it."""
    host, page = ctx.world.code_host, ctx.format_dashboard_url()
    template, _ = _read_template(ctx.world.mirror(command.repository), command.base_sha, command.template)
    body = link_parts(compose_description(command.title, command.body, page, template, command.proofs), ctx)
    found, base = _open_at_base(replace(command, body=body), host)
    title = choose_title(found.title, found.body, command.title)
    body = update_description(found.body, title if title == command.title else "", command.body, page)
    body = link_parts(body, ctx)
    if (found.title, found.body.split()) != (title, body.split()):
        host.update_pull_request(command.repository, found.number, title, body)
    ctx.world.redis.set(keys.pull_request(command.repository, found.number), ctx.ticket.id)
    link_from_other_parts(found.url, ctx)
    return (
        PullRequestOpened(
            **ctx.build_event_fields(),
            generation=command.generation,
            number=found.number,
            url=found.url,
            base=base,
            draft=found.draft,
        ),
    )


def _open_at_base(command: c.OpenPullRequest, host: CodeHost) -> tuple[PullRequest, str]:
    """The pull request, and its base branch. When the base branch is gone, it was renamed: the default branch is its
    new name."""
    repository, branch, base = command.repository, command.branch, command.base
    try:
        return host.open_pull_request(repository, branch, base, command.title, command.body, draft=command.draft), base
    except Rejected:
        if host.branch_head(repository, base):
            raise
    default = host.repository(repository).default_branch
    if command.chosen or default == base:
        raise Rejected(
            f"The base branch {base} is gone from {repository}, whose default branch is {default}: correct the branch "
            "in the ticket, then reply `/retry`"
        )
    return _open_at_base(replace(command, base=default, chosen=True), host)


def _read_template(mirror: Mirror, base_sha: CommitSha, wanted: str) -> tuple[str, str]:
    """The repository's template at the base commit, and a sentence about a problem."""
    if not base_sha:
        return "", ""
    root = mirror.list_root(base_sha)
    folders = [name for name in root if name.lower() == TEMPLATE or name in FOLDERS]
    below = mirror.files(base_sha, *folders) if folders else []
    path, problem = find_template([*root, *below], wanted)
    return _read(mirror, base_sha, path) if path else "", problem


def _read(mirror: Mirror, sha: CommitSha, path: str) -> str:
    """The text of a file, empty for a missing one and for one that is too large or not text."""
    try:
        return mirror.read(sha, path) or ""
    except Rejected:
        return ""


def describe_pull_request(command: c.DescribePullRequest, ctx: Context) -> None:
    """Add labels, reviewers and milestone. Raises `Rejected` with what cannot be added, one sentence each."""
    wanted, mirror = command.wanted, ctx.world.mirror(command.repository)
    _, problem = _read_template(mirror, command.base_sha, wanted.template) if command.is_first else ("", "")
    owners = _find_reviewers(command, mirror)
    details = PullRequestDetails(
        labels=wanted.labels, reviewers=owners.people, teams=owners.teams, milestone=wanted.milestone
    )
    found = ctx.world.code_host.describe_pull_request(command.repository, command.number, details)
    unknown = [f"CODEOWNERS names {name}, which is no account or team of the code host" for name in owners.unknown]
    if problems := [*filter(None, [problem]), *unknown, *found]:
        raise Rejected(". ".join(problems))


def _find_reviewers(command: c.DescribePullRequest, mirror: Mirror) -> Owners:
    """The policy's own list, or the owners of the changed files by the base commit's CODEOWNERS."""
    reviewers = command.wanted.reviewers
    if not isinstance(reviewers, str):
        names = [name.removeprefix("@") for name in reviewers]
        teams = tuple(name.rpartition("/")[2] for name in names if "/" in name)
        return Owners(people=tuple(name for name in names if "/" not in name), teams=teams)
    text = next(filter(None, (_read(mirror, command.base_sha, path) for path in OWNERS_FILES)), "")
    if reviewers == "none" or not text:
        return Owners()
    paths = [change.path for change in mirror.changes(command.base_sha, command.head_sha, max_read=0)]
    return find_owners(text, paths, command.repository.partition("/")[0])


def mark_ready_for_review(command: c.MarkReadyForReview, ctx: Context) -> None:
    """Make the draft an ordinary pull request."""
    ctx.world.code_host.mark_ready_for_review(command.repository, command.number)
