"""A slice of a run: its input, its result, and the steps that the roles share.

Each function returns how the run ended, or None if it continues with another slice. All steps are idempotent after a
crash: worktrees are adopted, transcripts resumed, and commits from the same inputs have the same id.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from integrations.git.mirror import Mirror
from integrations.images_in_texts import detect_image_type
from integrations.ports.agent_runner import (
    AgentOutcome,
    AgentTask,
    ContextLimits,
    Entry,
    Image,
    SpinningLimits,
    Toolbox,
    Workbench,
)
from integrations.results import Result, RunOutcome
from integrations.sandbox.bubblewrap import Sandbox, Session
from integrations.sandbox.limits import MIB
from jobs.effects.world import World
from jobs.evidence.command_run import CommandRun
from jobs.evidence.unresolved_hosts import find_unresolved_hosts
from jobs.loop.commands import RunSpec
from jobs.roles.briefs import build_system_text
from jobs.roles.connector_tools import build_connector_tools
from jobs.roles.folder_notes import FolderNotes
from jobs.roles.host_tools import build_host_tools
from jobs.roles.instructions import Instructions, build_skill_tools, format_catalogue, read_instructions
from jobs.roles.limits import get_check_seconds, get_command_seconds
from jobs.roles.submission import HostTool, RequestTool
from jobs.roles.tools import SandboxTools
from jobs.store.runs import RunConversation
from jobs.workflow.run import TREELESS


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `result` is that of the role, None if the run ended before it."""

    outcome: RunOutcome
    summary: str = ""
    result: Result | None = None


@dataclass(frozen=True)
class Slice:
    """The input of one slice. `stopped` is polled, also while a command runs."""

    spec: RunSpec
    world: World
    conversation: RunConversation
    stopped: Callable[[], bool]
    held: ExitStack = field(default_factory=ExitStack)
    """Environments and network access that the slice uses; closed at its end."""

    @property
    def mirror(self) -> Mirror:
        loop = self.spec.policy.loop
        return self.world.mirror(self.spec.workspace.repository, submodules=loop.submodules, lfs=loop.lfs)

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox with the repository's limit for output."""
        return self.world.sandbox.limit_output(self.spec.policy.loop.limits.output_megabytes * MIB)

    @property
    def folder(self) -> Path:
        return self.world.run_folder(self.spec.ticket.identifier, self.spec.run_id)


def run_model(
    run: Slice,
    tools: Toolbox,
    brief: str,
    instructions: Instructions,
    workbench: Workbench | None = None,
    max_turns: int | None = None,
) -> AgentOutcome | None:
    """Some turns with the run's model; None if the run continues. `max_turns` tightens the run's cap."""
    spec = run.spec
    resumed = next((e.data["text"] for e in run.conversation.entries() if e.kind == "brief"), brief)
    system = build_system_text(spec, instructions.text, format_catalogue(instructions.skills))
    run.world.runs.note_inputs(
        spec.run_id,
        prompt=hashlib.sha256(f"{system}\0{resumed}".encode()).hexdigest(),
        instructions="\n".join(file.path for file in instructions.files),
    )
    task = AgentTask(
        role=spec.role,
        model=spec.model,
        system=system,
        brief=resumed,
        max_turns=min(spec.caps.turns, max_turns or spec.caps.turns),
        effort=spec.effort,
        spinning=build_spinning_limits(spec),
        context=ContextLimits(**vars(spec.policy.loop.context)),
        idle_seconds=spec.caps.idle_seconds,
        images=read_images(run),
        load_image=lambda file: load_image(run, file),
        model_setting=spec.model_setting or "the model's setting",  # empty in runs of an older release
    )
    deadline = time.monotonic() + run.world.settings.slice_seconds
    runner = run.world.runner(spec.policy.loop.runner_of(spec.role))
    return runner.advance(task, run.conversation, tools, run.stopped, deadline, workbench)


def read_images(run: Slice) -> tuple[Image, ...]:
    """The ticket's images, for the roles with a work tree. One whose file was deleted is left out."""
    found = [image for image in run.spec.images if image.media_type and run.spec.role not in TREELESS]
    return tuple(filter(None, (load_image(run, image.file_name) for image in found)))


def load_image(run: Slice, file: str) -> Image | None:
    """A downloaded image of the ticket; None if the file was deleted or is no image."""
    path = run.world.upload_folder(run.spec.ticket.identifier) / Path(file).name
    content = path.read_bytes() if path.is_file() else b""
    media_type = detect_image_type(content)
    return Image(media_type, content) if media_type else None


def run_in_tree(
    run: Slice, session: Session, brief: str, tools: Sequence[HostTool | RequestTool] = ()
) -> AgentOutcome | None:
    """Some turns with the tools for a work tree, the repository's skills and `tools`; None if the run continues."""
    seconds, base_sha = get_command_seconds(run.spec.policy, run.world.settings), run.spec.workspace.base_sha
    changed = [change.path for change in run.mirror.changes(base_sha, run.spec.start_sha, max_read=0)]
    planned = run.spec.plan.paths if run.spec.plan else ()
    instructions = read_instructions(run.mirror, base_sha, [*planned, *changed])
    skills = build_skill_tools(
        instructions.skills, base_sha, lambda folder: any(path.startswith(f"{folder}/") for path in changed)
    )
    toolbox = SandboxTools(
        session,
        command_seconds=seconds,
        more=(*skills, *build_host_tools(run), *build_connector_tools(run), *tools),
        on_failure=lambda output: count_unresolved(run, output),
        find_note=FolderNotes(run.mirror, run.spec, instructions.files, run.conversation.entries()).find,
    )
    return run_model(run, toolbox, brief, instructions, Workbench(session))


def remind_once(run: Slice, outcome: AgentOutcome, tool: str) -> bool:
    """Remind an agent that ended without its answer, once per run; returns whether it was reminded now."""
    text = f"You ended without calling `{tool}`. Call it now; nothing else counts."
    if outcome.kind != "done" or outcome.final is not None:
        return False
    if any(entry.kind == "note" and entry.data["text"] == text for entry in run.conversation.entries()):
        return False
    run.conversation.append(Entry("note", {"text": text}))
    return True


def explain_missing_answer(outcome: AgentOutcome, tool: str) -> RunResult:
    """The result of an agent that ended without its answer."""
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    return RunResult("failed", f"The agent ended without calling {tool}.")


def build_spinning_limits(spec: RunSpec) -> SpinningLimits:
    """The runner's limits, without `same_failures`: it compares iterations, which the runner does not know."""
    own = {name: limit for name, limit in vars(spec.policy.loop.spinning).items() if name != "same_failures"}
    return SpinningLimits(**own, no_progress_usd=spec.caps.no_progress_usd)


def run_check(run: Slice, session: Session, command: str) -> CommandRun | None:
    """Run a command of the gate with its own time limit; None if the run is stopped."""
    return run_command(run, session, command, get_check_seconds(run.spec.policy, run.world.settings, command))


def run_command(
    run: Slice, session: Session, command: str, seconds: float, argv: Sequence[str] = ()
) -> CommandRun | None:
    """Run a shell command in the sandbox, by `argv` if it is given; None if the run is stopped."""
    result = session.run(argv or ["bash", "-c", command], timeout=seconds, stopped=run.stopped)
    if result.stopped:
        return None
    output = result.output.decode(errors="replace")
    if result.exit_code:
        count_unresolved(run, output)
    if result.timed_out:
        output += f"\n(stopped after {seconds:g} s)"
    return CommandRun(
        result.exit_code, output, result.digest, result.seconds, result.timed_out, timeout=seconds, killed=result.note
    )


def count_unresolved(run: Slice, output: str) -> None:
    """Record the hosts that a failed command could not resolve, with those that the egress proxy refused."""
    if found := find_unresolved_hosts(output):
        run.world.runs.count_blocked(run.spec.run_id, found)
