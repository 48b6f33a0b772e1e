"""Reads the declarations of a repository's automations: files and `WORKFLOW.md` of the base branch, the operator's
folder. Called by `jobs.effects.automations.perform`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from integrations.automation_events import AutomationsDeclared
from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from integrations.values import CommitSha
from jobs.config.settings import Settings
from jobs.effects.automations.context import AutomationContext
from jobs.effects.gather import find_repository
from jobs.loop.automation import AUTOMATION
from jobs.loop.automation_commands import ReadDeclarations
from jobs.loop.automation_file import FOLDER, Declared, merge, read_entries, read_files
from jobs.loop.policy import FILE, POLICY, Inspection, RepositoryPolicy, inspect_policy
from jobs.runtime.disk import check_disk

WORKFLOW_ORIGIN = "loop.automations."


def read_declarations(command: ReadDeclarations, ctx: AutomationContext) -> Sequence[AutomationsDeclared]:
    """Fetch the base branch and read all declarations. An unusable `WORKFLOW.md` keeps those that were read from it
    before."""
    world = ctx.world
    check_disk(world.disk.read(), world.settings, world.redis, begins=False)
    found = find_repository(command.repository, world.code_host)
    credentials = world.code_host.git_credentials(command.repository)
    mirror = world.mirror(command.repository, found.clone_url, credentials)
    mirror.fetch(found.default_branch)
    sha = mirror.head(found.default_branch)
    where, now = f"{command.repository} at {found.default_branch}", world.now()
    files, unread = _read_folder_at(mirror, sha)
    policy, entries = _read_workflow(mirror, sha, where, ctx, now)
    texts, unreadable = list_operator_files(world.settings)
    operator = read_files(texts, where, now)
    unusable = Declared(problems=(*unread, *unreadable))
    declared = merge((unusable, read_files(files, where, now), entries, operator), where)
    event = AutomationsDeclared(
        **ctx.build_event_fields(),
        repository=command.repository,
        team=ctx.state.team,
        base_branch=found.default_branch,
        base_sha=sha,
        automations=tuple(AUTOMATION.to_builtins(one) for one in declared.automations),
        problems=declared.problems,
        policy=POLICY.encode(policy) if policy else "",
    )
    return (event,)


def _read_folder_at(mirror: Mirror, sha: CommitSha) -> tuple[dict[str, str], tuple[str, ...]]:
    """The declaring files by their path, and one sentence about each that is no text."""
    files: dict[str, str] = {}
    unread = []
    for path in mirror.files(sha, FOLDER):
        if path.endswith(".md") and path.count("/") == FOLDER.count("/") + 1:
            try:
                files[path] = mirror.read(sha, path) or ""
            except Rejected as error:
                unread.append(f"{error}.")
    return files, tuple(unread)


def _read_workflow(
    mirror: Mirror, sha: CommitSha, where: str, ctx: AutomationContext, now: float
) -> tuple[RepositoryPolicy | None, Declared]:
    """The policy, None for an unusable one, and the automations below `loop.automations`."""
    try:
        text = mirror.read(sha, FILE)
        found = inspect_policy(text) if text is not None else Inspection(RepositoryPolicy())
    except Rejected as error:
        found = Inspection(None, (str(error),))
    if found.policy is None:
        kept = tuple(one for one in ctx.state.automations if one.origin.startswith(WORKFLOW_ORIGIN))
        problem = f"{FILE} in {where} cannot be used: {found.problems[0]}; its automations stay as they were read last."
        return None, Declared(kept, (problem,))
    return found.policy, read_entries(found.policy.loop.automations, where, now)


def list_operator_files(settings: Settings) -> tuple[dict[str, str], tuple[str, ...]]:
    """The operator's declarations by their absolute path, and one sentence about each file that cannot be read."""
    texts: dict[str, str] = {}
    unread = []
    folder = find_operator_folder(settings)
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md") if folder.exists() else []
    except OSError as error:
        return {}, (f"{folder} cannot be read ({error.strerror}); correct LOOPLINE_AUTOMATIONS.",)
    for path in paths:
        try:
            texts[str(path.absolute())] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            unread.append(f"{path} cannot be read ({reason}); correct or remove it.")
    return texts, tuple(unread)


def find_operator_folder(settings: Settings) -> Path:
    """The folder of `LOOPLINE_AUTOMATIONS`, or its default."""
    return settings.automations or settings.home / "automations"


def digest_operator_files(settings: Settings) -> str:
    """A digest of the operator's declarations, by which a change of them is found; empty without any."""
    texts, unread = list_operator_files(settings)
    return sha256(repr((sorted(texts.items()), unread)).encode()).hexdigest()[:12] if texts or unread else ""
