"""Performers of the commands about the code host's checks. Called by `jobs.effects.perform`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from integrations.errors import Forbidden, NotFound
from integrations.events import ChecksRead, ChecksRerun, Event, FailuresRead
from integrations.leaks.own import OwnSecrets
from integrations.leaks.patterns import find_secrets
from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import HostCheck
from integrations.values import CommitSha
from jobs.effects.texts import WITHHELD
from jobs.loop import commands as c

if TYPE_CHECKING:
    from jobs.effects.perform import Context
    from jobs.effects.world import World

HIDDEN_LINE = "[a line that looks like a secret is left out]"


def read_checks(command: c.ReadChecks, ctx: Context) -> Sequence[Event]:
    """The checks of the head and of the base commit, and the names that rules require."""
    host, repository = ctx.world.code_host, command.repository
    required: tuple[str, ...] = ()
    with suppress(Forbidden, NotFound):  # the rules are not visible: every check counts
        required = host.fetch_required_checks(repository, command.base_branch)
    read = ChecksRead(
        **ctx.build_event_fields(),
        generation=command.generation,
        head_sha=command.sha,
        checks=choose_newest(host.fetch_checks(repository, command.sha)),
        base_checks=_read_base(repository, (command.base_sha,), ctx.world),
        required=required,
    )
    return (read,)


def read_failures(command: c.ReadFailures, ctx: Context) -> Sequence[Event]:
    """The details of the failing checks, without secrets, and the checks of the base: of the commit that the work began
    at, and of the present head of its branch, into which pull requests are tested."""
    host, repository = ctx.world.code_host, command.repository
    head = host.branch_head(repository, command.base_branch) or command.base_sha
    base = _read_base(repository, (command.base_sha, head), ctx.world)
    failures = tuple(redact(one, ctx.world) for one in host.fetch_failures(repository, command.checks))
    read = FailuresRead(
        **ctx.build_event_fields(),
        generation=command.generation,
        head_sha=command.sha,
        failures=failures,
        base_checks=base,
    )
    return (read,)


def rerun_checks(command: c.RerunChecks, ctx: Context) -> Sequence[Event]:
    """Start a further attempt, idempotent by the ids of the checks."""
    names = ctx.world.code_host.rerun_checks(command.repository, command.checks)
    rerun = ChecksRerun(
        **ctx.build_event_fields(),
        generation=command.generation,
        head_sha=command.sha,
        ids=tuple(one.id for one in command.checks if one.name in names),
        names=names,
    )
    return (rerun,)


def _read_base(repository: str, shas: Iterable[CommitSha], world: World) -> tuple[tuple[HostCheck, ...], ...]:
    """All attempts of the checks of each of these commits."""
    found = list[tuple[HostCheck, ...]]()
    for sha in dict.fromkeys(filter(None, shas)):
        with suppress(NotFound):
            found.append(world.code_host.fetch_checks(repository, sha))
    return tuple(found)


def choose_newest(checks: Iterable[HostCheck]) -> tuple[HostCheck, ...]:
    """Of each check the newest attempt; `checks` has those first."""
    newest: dict[tuple[str, str], HostCheck] = {}
    for one in checks:
        newest.setdefault((one.name, one.group), one)
    return tuple(newest.values())


def redact(failure: CheckFailure, world: World) -> CheckFailure:
    """The failure without lines that look like a secret, and without secrets of this process."""
    annotations = tuple(redact_text(one, world) for one in failure.annotations)
    return replace(failure, log=redact_text(failure.log, world), annotations=annotations)


def redact_text(text: str, world: World) -> str:
    if OwnSecrets(world.settings.secret_values()).occur_in(text.encode()):
        return WITHHELD
    lines = list(enumerate(text.split("\n"), 1))
    hidden = {one.line for one in find_secrets("log", lines)} if text else set()
    return "\n".join(HIDDEN_LINE if number in hidden else line for number, line in lines)
