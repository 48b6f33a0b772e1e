"""The tools of the MCP server. Registered by `service.mcp.server`; each checks the rights of the token's person.

A loop of a team that the person cannot read does not exist for that person.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field
from redis import Redis

from jobs.config.settings import Settings
from jobs.loop.state import Loop, Stage
from jobs.runtime.audit import FOLDER
from jobs.runtime.audit_check import read_newest_records
from jobs.runtime.freeze import find_freeze
from jobs.store.access_tokens import AccessToken
from jobs.store.members import Membership
from jobs.workflow.commands_text import parse_comment
from service.dashboard.overview import GROUPS, Group, ShownTicket, group_of
from service.dashboard.reader import Reader
from service.mcp import results
from service.mcp.calls import Call, Calls, in_thread
from service.version import VERSION

PAGE, LONGEST_TEXT = 20, 8_000
MOST_LINES = 100
_COMMIT = re.compile(r"[0-9a-f]{7,40}")

Identifier = Annotated[str, Field(description="The ticket, as ENG-12.", max_length=40)]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Key = Annotated[
    str,
    Field(
        description="Any unique text: a repeated call with the same key has no second effect for a day.",
        max_length=200,
    ),
]
Commit = Annotated[str, Field(description="The commit from explain_loop, at least 7 digits.", max_length=40)]
Command = Literal["retry", "changes", "resume", "run", "budget", "takeover", "close", "ticket"]


class Tools:
    """The tools, on one Redis."""

    def __init__(self, settings: Settings, redis: Redis, calls: Calls) -> None:
        self._settings, self._redis, self._calls = settings, redis, calls
        self._reader = Reader(redis, settings)
        self._searches = anyio.CapacityLimiter(2)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def list_loops(
        self,
        ctx: Context[Any, Any],
        waits_for: Annotated[
            Literal["", "a person", "Loopline", "nothing"], Field(description="Who acts next; empty for all.")
        ] = "",
        stage: Annotated[Stage | None, Field(description="Only this stage.")] = None,
        team: Annotated[str, Field(description="Only this team, by its key, as ENG.", max_length=20)] = "",
        page: Annotated[int, Field(ge=1, le=1_000)] = 1,
    ) -> results.LoopPage:
        """List the loops, one per ticket: those that wait for a person first, then by latest activity."""
        _, rights = await self._calls.find_rights(token_of(ctx))
        groups: dict[str, Group] = {"a person": "needs_you", "Loopline": "working", "nothing": "finished"}

        def keep(loop: Loop) -> bool:
            fits = not team or loop.ticket.team.lower() == team.lower()
            in_group = not waits_for or group_of(loop.stage) == groups[waits_for]
            return _can_read(rights, loop) and fits and in_group and stage in (None, loop.stage)

        rows = await in_thread(lambda: self._reader.rows(keep))
        chosen = rows[(page - 1) * PAGE : page * PAGE]
        pages = max(1, -(-len(rows) // PAGE))
        return results.LoopPage(loops=tuple(map(results.summarize, chosen)), page=page, pages=pages, total=len(rows))

    async def explain_loop(self, ctx: Context[Any, Any], identifier: Identifier) -> results.LoopDetails:
        """Explain one loop: its stage, why it waits and for whom, the acceptance criteria with their marks, cost, pull
        request, and what can be done next."""
        loop, shown = await self._read(ctx, identifier)
        return results.explain(loop, shown)

    async def read_evidence(self, ctx: Context[Any, Any], identifier: Identifier) -> results.EvidenceReport:
        """Read the evidence for the present commit of a loop: the commands that Loopline ran, with their output, the
        verdict of the checker and of the judge, experiments, and changes that need a person's approval."""
        _, shown = await self._read(ctx, identifier)
        return results.report_evidence(shown)

    async def read_journal(
        self,
        ctx: Context[Any, Any],
        identifier: Identifier,
        limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 30,
        before: Annotated[int, Field(description="The number from the page before.", ge=0)] = 0,
    ) -> results.JournalPage:
        """Read the newest decisions and effects of a loop from the audit journal, with the person who caused them."""
        loop = await self._find(ctx, identifier)
        folder = self._settings.home / FOLDER
        try:
            records = await anyio.to_thread.run_sync(
                lambda: read_newest_records(folder, loop.identifier, limit, before), limiter=self._searches
            )
        except (OSError, EOFError) as error:
            raise ToolError(f"The audit journal cannot be read ({error}): run `loopline audit verify`.") from error
        lines = tuple(map(results.describe_record, records))
        more = lines[-1].number if len(lines) == limit else 0
        return results.JournalPage(identifier=loop.identifier, lines=lines, before=more)

    async def read_service_status(self, ctx: Context[Any, Any]) -> results.ServiceStatus:
        """Read whether Loopline is frozen, its notices, and how many loops wait for a person."""
        person, rights = await self._calls.find_rights(token_of(ctx))

        def read() -> results.ServiceStatus:
            freeze = find_freeze(self._redis, self._settings.home)
            rows = self._reader.rows(lambda loop: _can_read(rights, loop))
            return results.ServiceStatus(
                version=VERSION,
                frozen=freeze is not None,
                frozen_reason=freeze.sentence if freeze else "",
                notices=tuple(self._reader.notices()) if person.may_steer else (),
                loops={group: sum(row.group == group for row in rows) for group in GROUPS},
            )

        return await in_thread(read)

    # --- effects ----------------------------------------------------------------------------------------------------

    async def comment(
        self, ctx: Context[Any, Any], identifier: Identifier, text: Text, idempotency_key: Key = ""
    ) -> results.Receipt:
        """Comment on the ticket in your name: guidance for the agent at work, or a question about the work. Commands
        have tools of their own."""
        return await self._send(ctx, identifier, "", _check_sentence(text), idempotency_key)

    async def answer_question(
        self, ctx: Context[Any, Any], identifier: Identifier, answer: Text, idempotency_key: Key = ""
    ) -> results.Receipt:
        """Answer the open question of a loop in your name: 'ok' accepts proposed acceptance criteria, a list replaces
        them, other text answers the agent."""

        def check(loop: Loop) -> None:
            asks = loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.question
            if loop.stage is not Stage.ASKING and not asks:
                raise ToolError(f"{loop.identifier} has no open question: use comment, or see explain_loop.")

        return await self._send(ctx, identifier, "", _check_sentence(answer), idempotency_key, check)

    async def stop_loop(
        self, ctx: Context[Any, Any], identifier: Identifier, idempotency_key: Key = ""
    ) -> results.Receipt:
        """Stop the agent of a loop, or its merge, in your name; its work is kept."""
        return await self._send(ctx, identifier, "stop", "", idempotency_key)

    async def approve_loop(
        self, ctx: Context[Any, Any], identifier: Identifier, commit: Commit, idempotency_key: Key = ""
    ) -> results.Receipt:
        """Approve the commit of a loop's pull request in your name. Read its evidence first."""
        return await self._send(ctx, identifier, "approve", "", idempotency_key, commit=commit)

    async def merge_loop(
        self, ctx: Context[Any, Any], identifier: Identifier, commit: Commit, idempotency_key: Key = ""
    ) -> results.Receipt:
        """Merge the approved commit of a loop's pull request in your name."""
        return await self._send(ctx, identifier, "merge", "", idempotency_key, commit=commit)

    async def accept_changes(
        self, ctx: Context[Any, Any], identifier: Identifier, idempotency_key: Key = ""
    ) -> results.Receipt:
        """Accept all changes that need approval and that a loop was escalated for, in your name. Read them with
        read_evidence first."""
        return await self._send(ctx, identifier, "accept", "", idempotency_key)

    async def run_command(
        self,
        ctx: Context[Any, Any],
        identifier: Identifier,
        command: Annotated[
            Command,
            Field(
                description="retry <hint>: start again. changes <what>: another revision of the pull request. resume: "
                "continue on the branch. run anyway: do not wait for other tickets. budget <dollars>: add to the "
                "budget. takeover: leave the branch to you. close: abandon the ticket and delete the branch. ticket "
                "<what>: file a linked ticket."
            ),
        ],
        text: Annotated[str, Field(description="The text of the command.", max_length=LONGEST_TEXT)] = "",
        idempotency_key: Key = "",
    ) -> results.Receipt:
        """Give another command for a loop in your name, as a comment on the ticket would."""
        return await self._send(ctx, identifier, command, text, idempotency_key)

    # --- shared -----------------------------------------------------------------------------------------------------

    async def _send(
        self,
        ctx: Context[Any, Any],
        identifier: str,
        command: str,
        text: str,
        key: str,
        check: Callable[[Loop], None] = lambda _: None,
        commit: str | None = None,
    ) -> results.Receipt:
        loop = await self._find(ctx, identifier)
        check(loop)
        head = "" if commit is None else _check_commit(commit, loop)
        call = Call(command=command, text=text, key=key, request=ctx.request_id, commit=head)
        answer = await self._calls.send(token_of(ctx), loop, call)
        return results.write_receipt(loop.identifier, answer)

    async def _read(self, ctx: Context[Any, Any], identifier: str) -> tuple[Loop, ShownTicket]:
        loop = await self._find(ctx, identifier)
        shown = await in_thread(lambda: self._reader.ticket(loop.identifier))
        if shown is None:
            raise _not_found(identifier)
        return loop, shown

    async def _find(self, ctx: Context[Any, Any], identifier: str) -> Loop:
        _, rights = await self._calls.find_rights(token_of(ctx))
        loop = await in_thread(lambda: self._reader.find(identifier.strip().upper()))
        if loop is None or not _can_read(rights, loop):
            raise _not_found(identifier)
        return loop


def _can_read(rights: Membership, loop: Loop) -> bool:
    return loop.ticket.team in rights.teams


def _not_found(identifier: str) -> ToolError:
    return ToolError(f"There is no loop {identifier!r} that you can read: list_loops shows all.")


def _check_sentence(text: str) -> str:
    """The text. Raises `ToolError` for commands, which would not be applied."""
    if found := [one.name for one in parse_comment(text).commands if one.is_known]:
        raise ToolError(
            f"The text holds the command /{found[0]}, which is not applied here: use the tool for it (stop_loop, "
            "approve_loop, merge_loop, accept_changes, run_command), and leave it out of the text."
        )
    return text


def _check_commit(commit: str, loop: Loop) -> str:
    """The commit that the person has read about, to which the decision is bound. Raises `ToolError` unless the pull
    request is at it."""
    given, head = commit.lower(), loop.pull_request.pushed_sha
    if not _COMMIT.fullmatch(given) or not head.startswith(given):
        place = f"at commit {head}" if head else "not open yet"
        raise ToolError(
            f"The pull request of {loop.identifier} is {place}, not at {commit!r}: read explain_loop and the evidence "
            "again."
        )
    return given


def token_of(ctx: Context[Any, Any]) -> AccessToken:
    """The token of the request, from the gate."""
    request = ctx.request_context.request
    token = request.state.token if request else None
    assert isinstance(token, AccessToken)
    return token
