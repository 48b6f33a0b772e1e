"""The crash matrix as data: at which step and phase which process dies, or which reply is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

SELF, REDIS, ALL = "kill", "kill=redis", "kill=up"
FROZEN = "stop=13"  # longer than a lease lives
RECOVERY, FROM_COLD = 15.0, 60.0  # seconds


@dataclass(frozen=True)
class Fault:
    """What a stand-in does wrong; the words are those of its `/_faults`."""

    standin: str
    operation: str
    kind: str
    times: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Cell:
    """One experiment. `point` is `step:phase:hit:action` as in LOOPLINE_FAILPOINT, or empty."""

    name: str
    point: str = ""
    faults: Sequence[Fault] = field(default_factory=tuple)
    recovery: float = RECOVERY
    """Seconds that the story may take longer than without a crash, and until the health page says that all is well."""


def _cell(step: str, phase: str, action: str, hit: int = 1, faults: Sequence[Fault] = ()) -> Cell:
    victim = {SELF: "self"}.get(action, action.removeprefix("kill=").replace("=", "-"))
    longer = FROM_COLD if action == ALL else RECOVERY
    if action.startswith("stop"):
        longer += float(action.partition("=")[2])
    number = f".{hit}" if hit > 1 else ""
    return Cell(f"{step}.{phase}{number}.{victim}", f"{step}:{phase}:{hit}:{action}", faults, longer)


PERFORMERS = (
    "move_ticket", "post_comment", "set_needs_human", "link_pull_request",
    "prepare_workspace", "start_run", "publish_branch", "open_pull_request", "set_status", "comment_on_pull_request",
    "merge_pull_request", "clean_up",
)  # fmt: skip
# step -> phases, of the worker's own path through an event
DECIDING = {"lease": ("before", "journaled"), "gather": ("before", "done"), "commit": ("before", "journaled")}
# step -> phases, of an agent's slice
ADVANCING = {
    "workspace": ("before", "done"),
    "setup": ("done", "journaled"),
    "brief": ("done", "journaled"),
    "model_call": ("before",),
    "reserve": ("before", "journaled"),
    "block": ("done", "journaled"),
    "charge": ("before", "journaled"),
    "turn": ("done", "journaled"),
    "tool_result": ("done", "journaled"),
    "mark": ("done", "journaled"),
    "commit_leftovers": ("before", "done"),
    "receive": ("before", "done"),
    "candidate": ("done",),
    "gate": ("before", "done"),
    "finish_run": ("before", "journaled"),
}
INTAKE = {
    "intake": ("before", "journaled"),
    "dispatch": ("before", "done", "journaled"),
    "wake": ("before",),
}
LINEAR_WRITES = {  # field -> our operation, so that nobody else's write is hit
    "issueUpdate": "MoveTicket",
    "commentCreate": "CreateComment",
    "commentUpdate": "EditComment",
    "attachmentCreate": "UpsertAttachment",
}
GITHUB_WRITES = {
    "push": "POST /{owner}/{repo}.git/git-receive-pack",
    "open": "POST /repos/{owner}/{repo}/pulls",
    "status": "POST /repos/{owner}/{repo}/statuses/{sha}",
    "comment": "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "merge": "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
    "delete": "DELETE /repos/{owner}/{repo}/git/refs/{ref}",
}
LOST = {
    **{
        f"linear.{name}.{kind}": Fault("linear", operation, kind)
        for name, operation in LINEAR_WRITES.items()
        for kind in ("lost_reply", "500")
    },
    **{
        f"github.{name}.{kind}": Fault("github", operation, kind)
        for name, operation in GITHUB_WRITES.items()
        for kind in ("lost_reply", "502")
    },
    "linear.webhooks.dropped": Fault("linear", "Issue", "webhook_drop", 4),
    "linear.webhooks.doubled": Fault("linear", "*", "webhook_duplicate", 1000),
    "linear.webhooks.overtaken": Fault("linear", "Comment", "webhook_delay", 4, 3.0),
    "github.webhooks.dropped": Fault("github", "*", "webhook_drop", 1000),
    "github.webhooks.doubled": Fault("github", "*", "webhook_duplicate", 1000),
    **{f"model.{kind}": Fault("model", "", kind, 2, 0.5) for kind in ("drop", "529", "short", "stream_error")},
}


def _matrix() -> Iterator[Cell]:
    for step, phases in INTAKE.items():
        for phase in phases:
            yield from (_cell(step, phase, action) for action in (SELF, REDIS, ALL))
    yield _cell("intake", "journaled", "kill=web")
    for step, phases in DECIDING.items():
        for phase in phases:
            yield from (_cell(step, phase, action) for action in (SELF, REDIS, ALL, FROZEN))
        yield _cell(step, phases[-1], SELF, hit=7)
    for step in PERFORMERS:
        yield from (_cell(step, "before", action) for action in (SELF, "raise", FROZEN))
        yield from (_cell(step, "done", action) for action in (SELF, REDIS, ALL, FROZEN))
        yield _cell(step, "journaled", SELF)
    yield from (_cell(step, "sent", SELF) for step in ("publish_branch", "start_run", "clean_up"))
    for step, phases in ADVANCING.items():
        for phase in phases:
            yield from (_cell(step, phase, action) for action in (SELF, REDIS))
        yield from (_cell(step, phases[-1], action) for action in (ALL, "raise", FROZEN))
    yield from (_cell(step, "journaled", SELF, hit=hit) for step in ("turn", "tool_result") for hit in (4, 9))
    yield from (_cell(step, "before", "enospc") for step in ("prepare_workspace", "workspace", "receive"))
    yield from (_cell("lead", "before", action, hit=10) for action in (SELF, REDIS, FROZEN))
    yield from (_cell("reconcile", "before", action, hit=3) for action in (SELF, REDIS))
    yield from (_cell("sweep", "before", action) for action in (SELF, REDIS))
    yield _cell("sweep", "journaled", SELF, faults=[Fault("linear", "Issue", "webhook_drop", 2)])
    yield from (Cell(name, faults=(fault,)) for name, fault in LOST.items())


CELLS = {cell.name: cell for cell in _matrix()}
