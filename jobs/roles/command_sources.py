"""The sources that the triage run itself reads, commands and tools of connectors, and the evidence commands of its
findings. Loopline runs commands in a clean checkout of the base branch, in the repository's environment. Used by
`jobs.roles.triage`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from integrations.findings import SOURCE_ITEM, EvidenceRun, ItemKind, SourceItem
from integrations.ports.agent_runner import Entry, ToolResult, Unanswered
from integrations.sandbox.environment import Environment
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.sandbox.session import Session
from integrations.signatures import build_key, sign_log
from integrations.texts import cut
from jobs.evidence.command_run import CommandRun
from jobs.loop.automation import SourceKind, SourceSpec
from jobs.roles.connector_tools import read_tool
from jobs.roles.environment import write_exclusions
from jobs.roles.limits import get_command_seconds
from jobs.roles.planner import NOT_EXECUTABLE, NOT_FOUND, find_unstartable
from jobs.roles.slice import Slice, run_command
from jobs.roles.submission import IsStopped, reject_answer
from jobs.roles.triage_form import SubmittedFinding

DETAIL_CHARACTERS, SUMMARY_CHARACTERS = 60_000, 600
EVIDENCE_CHARACTERS, ERROR_CHARACTERS = 1_500, 1_000
MOST_SECONDS = 900.0
"""For all evidence commands of one answer."""
Reading = tuple[SourceItem | None, str, str]
"""The item, a sentence about a problem, and the text for the transcript."""


@dataclass(frozen=True)
class SourceResults:
    """The items of the sources that were read, and sentences about those that cannot be used."""

    items: tuple[SourceItem, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass
class Checkout:
    """A clean checkout of the base branch, created by the first command and removed at the end of the slice."""

    run: Slice
    environment: Environment
    _session: Session | None = None
    _known: dict[str, CommandRun] = field(default_factory=dict)

    def execute(self, command: str, seconds: float) -> CommandRun | None:
        """Run the command once per slice; None if the run is stopped."""
        if command not in self._known:
            ran = run_command(self.run, self.open(), command, seconds)
            if ran is None:
                return None
            self._known[command] = ran
        return self._known[command]

    def open(self) -> Session:
        """The checkout's sandbox."""
        if self._session is None:
            self._session = self.run.held.enter_context(self._create())
        return self._session

    @contextmanager
    def _create(self) -> Iterator[Session]:
        run, spec = self.run, self.run.spec
        folder = run.folder.with_name(f"{run.folder.name}.commands")
        kill_sandboxes(folder)
        run.mirror.remove_workspace(folder)
        workspace = run.mirror.create_workspace(folder, spec.start_sha, spec.workspace.base_sha)
        write_exclusions(workspace, self.environment)
        try:
            with run.sandbox.open(workspace, self.environment) as session:
                yield session
        finally:
            run.mirror.remove_workspace(folder)


def read_own_sources(sources: Sequence[SourceSpec], checkout: Checkout) -> SourceResults | None:
    """Read each command and tool source once per run, also over several slices; None if the run is stopped."""
    run = checkout.run
    notes = [entry.data for entry in run.conversation.entries() if entry.kind == "note" and "source" in entry.data]
    known, used = {str(note["source"]): note for note in notes}, set[str]()
    for source in sources:
        if source.kind not in _READERS:
            continue
        name = _name_source(source, used)
        used.add(name)
        if name in known:
            continue
        read = _READERS[source.kind](name, source, checkout)
        if read is None:
            return None
        item, problem, text = read
        plain = SOURCE_ITEM.to_builtins(item) if item else None
        known[name] = {"text": text, "source": name, "item": plain, "problem": problem}
        run.conversation.append(Entry("note", known[name]))
    items = tuple(SOURCE_ITEM.from_builtins(note["item"]) for note in known.values() if note["item"])
    return SourceResults(items, tuple(str(note["problem"]) for note in known.values() if note["problem"]))


def _name_source(source: SourceSpec, used: Collection[str]) -> str:
    """The source's name; that of a further one for the same tool has its arguments too."""
    name = source.name or source.run
    arguments = sorted(source.filter.items()) if name in used else ()
    return " ".join([name, *(f"{key}={text}" for key, text in arguments)])


def _run_command(name: str, source: SourceSpec, checkout: Checkout) -> Reading | None:
    run = checkout.run
    ran = checkout.execute(source.run, get_command_seconds(run.spec.policy, run.world.settings))
    if ran is None:
        return None
    item, problem = _read_result(name, source, ran)
    return item, problem, f"$ {source.run}\nexit {ran.exit_code}\n{ran.output[-1000:]}"


def _call_tool(name: str, source: SourceSpec, checkout: Checkout) -> Reading | None:
    try:
        answer = read_tool(checkout.run, source.name, source.filter, f"source:{name}")
    except Unanswered:
        return None
    if answer.is_error:
        return None, f"The tool source {name} cannot be read: {cut(answer.text, ERROR_CHARACTERS)}", answer.text[-1000:]
    item = _build_item("tool", name, name, answer.text) if answer.text.strip() else None
    return item, "", f"{name}\n{answer.text[-1000:]}"


_READERS: Mapping[SourceKind, Callable[[str, SourceSpec, Checkout], Reading | None]] = {
    "command": _run_command,
    "tool": _call_tool,
}


def _read_result(name: str, source: SourceSpec, ran: CommandRun) -> tuple[SourceItem | None, str]:
    """The item of a command that printed something, or a sentence about one that cannot be used."""
    last = cut(" ".join(ran.output.split())[-300:], 300)
    if ran.exit_code in {NOT_EXECUTABLE, NOT_FOUND}:
        return None, (
            f"The command source {name} cannot be started: `{source.run}` ended with {ran.exit_code} ({last}). Correct "
            "the command, or add its program to loop.environment.setup in WORKFLOW.md."
        )
    if ran.timed_out or ran.killed:
        reason = ran.killed or f"it took more than {ran.timeout:g} s"
        return None, f"The command source {name} was ended ({reason}): make `{source.run}` shorter."
    if not ran.output.strip():
        return None, ""
    return _build_item("command", name, f"{name}: exit {ran.exit_code}", ran.output), ""


def _build_item(kind: ItemKind, name: str, title: str, text: str) -> SourceItem:
    return SourceItem(
        key=build_key(kind, name),
        kind=kind,
        title=title,
        summary=cut(text.strip(), SUMMARY_CHARACTERS),
        detail=cut(text, DETAIL_CHARACTERS, tail=DETAIL_CHARACTERS // 2),
        signature=sign_log(text, name),
    )


def check_commands(
    findings: Sequence[SubmittedFinding],
    checkout: Checkout,
    stopped: IsStopped,
    now: Callable[[], float] = time.monotonic,
) -> list[tuple[EvidenceRun, ...]] | ToolResult:
    """The results of the evidence commands of each finding, or the error for the model: one that ends in another way
    than the answer claims, or a criterion whose program does not exist."""
    run, until = checkout.run, now() + MOST_SECONDS
    results: list[tuple[EvidenceRun, ...]] = []
    problems: list[str] = []
    for place, one in enumerate(findings):
        shown: list[EvidenceRun] = []
        for claim in one.runs:
            seconds = min(get_command_seconds(run.spec.policy, run.world.settings), until - now())
            if seconds <= 0:
                return reject_answer(f"The evidence commands take more than {MOST_SECONDS:g} s in all: name fewer.")
            ran = checkout.execute(claim.command, seconds)
            if ran is None:
                return ToolResult("The run was stopped.", is_error=True)
            if ran.exit_code != claim.exit_code or ran.timed_out:
                problems.append(f"findings.{place}.runs: {_describe_other_ending(claim.command, ran)}")
            shown.append(EvidenceRun(command=claim.command, exit_code=ran.exit_code, output=_end_of(ran.output)))
        results.append(tuple(shown))
        if now() > until:
            return reject_answer(f"The commands take more than {MOST_SECONDS:g} s in all: submit fewer findings.")
        commands = [criterion.command for criterion in one.criteria if criterion.command]
        if wrong := find_unstartable(run, checkout.open(), commands, stopped):
            problems.append(f"findings.{place}.criteria: these commands cannot be started here: {'; '.join(wrong)}.")
    return reject_answer("\n".join(problems[:10])) if problems else results


def _describe_other_ending(command: str, ran: CommandRun) -> str:
    ending = f"took more than {ran.timeout:g} s" if ran.timed_out else f"ended with {ran.exit_code}"
    return f"`{command}` {ending} when Loopline ran it:\n{ran.output.strip()[-ERROR_CHARACTERS:]}"


def _end_of(output: str) -> str:
    return output.strip()[-EVIDENCE_CHARACTERS:]
