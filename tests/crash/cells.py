"""The crash matrix as data: at which boundary operation and phase which process dies, or which reply is lost.

A step of the story is reached by the operations around it: a ticket's column is moved by `linear.MoveTicket`, noted by
`performed.lua`, decided by `commit.lua`. Each operation of the story belongs to one of the groups below, which gives
its phases and the faults at them; `test_cells` compares the groups with a trace of the story. An operation that occurs
several times is selected by its hit, counted over all processes: 1, or as in `HITS` and `MORE_HITS`.

A process that stops between its lease check and an effect is not tested, since no fence reaches the provider: effects
are frozen when they are done, and before them at `commit.lua` and `performed.lua`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

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
    """One experiment. `point` is the value of LOOPLINE_FAILPOINT, or empty."""

    name: str
    point: str = ""
    faults: Sequence[Fault] = field(default_factory=tuple)
    recovery: float = RECOVERY
    """Seconds that the story may take longer than without a crash, and until the health page says that all is well."""
    story: Literal["ticket", "morning"] = "ticket"
    """`tests.crash.story` or `tests.crash.morning`."""

    @property
    def operation(self) -> str:
        """The boundary operation of its point; empty without one."""
        return self.point.partition(":")[0]


def _cell(operation: str, phase: str, action: str, hit: int = 0) -> Cell:
    hit = hit or HITS.get(operation, 1)
    victim = {SELF: "self"}.get(action, action.removeprefix("kill=").replace("=", "-"))
    longer = FROM_COLD if action == ALL else RECOVERY
    if action.startswith("stop"):
        longer += float(action.partition("=")[2])
    number = f".{hit}" if hit > 1 else ""
    return Cell(f"{operation}.{phase}{number}.{victim}", f"{operation}:{phase}:{hit}:{action}", (), longer)


# A delivery on its way from the request to its ticket's mailbox, and the wake-up.
INTAKE = ("intake.lua", "journal.append", "deliver.lua", "enqueue.drive", "acknowledge.lua")
# The worker's path through an event: the lease, the read, the decision.
DECIDING = {"take_lease.lua": "done", "linear.TicketMove": "sent", "commit.lua": "done"}
# The effects of commands, with the phases at which a process can die.
HTTP, LOCAL = ("before", "sent", "done"), ("before", "done")
EFFECTS = {
    "linear.MoveTicket": HTTP,
    "linear.CreateComment": HTTP,
    "linear.CreateReport": HTTP,
    "linear.UpdateReport": HTTP,
    "linear.UpsertAttachment": HTTP,
    "git.fetch": LOCAL,
    "start_run.lua": LOCAL,
    "enqueue.advance_run": LOCAL,
    "git.push": LOCAL,
    "github.POST.pulls": HTTP,
    "github.POST.issues.labels": HTTP,
    "github.POST.pulls.requested_reviewers": HTTP,
    "github.graphql.MarkReadyForReview": HTTP,
    "github.POST.statuses": HTTP,
    "github.POST.actions.runs.rerun-failed-jobs": HTTP,
    "github.PUT.pulls.merge": HTTP,
    "github.POST.pulls.reviews": HTTP,
    "github.POST.pulls.comments.replies": HTTP,
    "github.graphql.ResolveThread": HTTP,
    "git.push-delete": LOCAL,
}
# An agent's slice, from its worktree to the end of its run.
ADVANCING = (
    "workspace.create", "transcript.brief", "take_steering.lua", "reserve.lua", "model.stream", "transcript.block",
    "settle.lua", "transcript.turn", "transcript.tool_result", "transcript.mark", "sandbox.run.bash",
    "sandbox.run.python3", "sandbox.run.sh", "git.index-pack", "git.commit-tree", "finish_run.lua",
)  # fmt: skip
# Reads and other operations that a retry repeats: one crash each, at this phase.
ONCE = {
    "sent": (
        "github.GET.actions.jobs", "github.GET.actions.jobs.logs", "github.GET.actions.runs.jobs",
        "github.GET.check-runs.annotations", "github.GET.commits.check-runs", "github.GET.rules",
        "github.GET.commits.statuses", "github.GET.git.ref.heads", "github.GET.hooks",
        "github.GET.collaborators.permission", "github.GET.commits", "github.GET.search", "github.PATCH.pulls",
        "github.GET.pulls", "github.GET.pulls.comments", "github.GET.pulls.reviews", "github.GET.repos",
        "github.graphql.FetchFacts", "github.graphql.FetchMergeRules",
        "linear.Changes", "linear.Comment", "linear.Sessions", "linear.TeamColumns", "linear.Ticket",
        "linear.TicketsByFilter", "model.stream",
    ),
    "done": (
        "admit.lua", "append.lua", "release_lease.lua", "enqueue.automate", "enqueue.inform", "enqueue.redeliver",
        "enqueue.sweep", "git.cat-file",
        "git.diff-tree", "git.for-each-ref", "git.hash-object", "git.init", "git.ls-remote", "git.ls-tree",
        "git.merge-base", "git.push-check", "git.read-tree", "base_tree.create", "workspace.remove", "git.rev-list",
        "git.update-index", "git.update-ref", "git.write-tree", "probe_ended.lua", "release.lua", "remove_delayed.lua",
        "sandbox.capture.git", "sandbox.capture.python3", "sandbox.capture.sh", "transcript.note",
    ),
    "before": ("git.rev-parse", "renew_lease.lua"),
}  # fmt: skip
# The hit to use where the first one belongs to another step.
HITS = {
    "append.lua": 20,
    "workspace.create": 4,  # after the preflight and the planners
    "sandbox.run.bash": 17,  # the gate's, after the self-tests, the preflight and the makers' own
    "settle.lua": 5,  # a slice begins and ends with one too
    "transcript.brief": 3,
    "renew_lease.lua": 3,
    "enqueue.due": 5,
    "enqueue.sweep": 3,
}
MORE_HITS = {
    ("take_lease.lua", "done"): (7,),
    ("linear.TicketMove", "sent"): (2,),
    ("commit.lua", "done"): (7, 20),
    ("linear.CreateComment", "done"): (4,),
    ("linear.UpdateReport", "before"): (5,),
    ("linear.UpdateReport", "done"): (5,),
    ("workspace.remove", "before"): (10,),
    ("workspace.remove", "done"): (10,),
    ("transcript.turn", "done"): (4, 9),
    ("transcript.tool_result", "done"): (4, 9),
    ("sandbox.run.bash", "before"): (6,),
    ("sandbox.run.bash", "done"): (6, 25),
    ("finish_run.lua", "done"): (3, 7),
}
PERFORMED = range(1, 36, 4)
"""Hits of `performed.lua`: the crash comes between two commands of an outbox."""
LINEAR_WRITES = {  # field -> our operation, so that only Loopline's writes are hit
    "issueUpdate": "MoveTicket",
    "commentCreate": "CreateComment",
    "commentUpdate": "UpdateReport",
    "attachmentCreate": "UpsertAttachment",
}
GITHUB_WRITES = {
    "push": "POST /{owner}/{repo}.git/git-receive-pack",
    "open": "POST /repos/{owner}/{repo}/pulls",
    "status": "POST /repos/{owner}/{repo}/statuses/{sha}",
    "rerun": "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs",
    "review": "POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "reply": "POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies",
    "resolve": "mutation resolveReviewThread",
    "merge": "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
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
    for operation in INTAKE:
        yield from (_cell(operation, phase, action) for phase in LOCAL for action in (SELF, REDIS, ALL))
    yield _cell("intake.lua", "done", "kill=web")
    for operation, last in DECIDING.items():
        for phase in ("before", last):
            yield from (_cell(operation, phase, action) for action in (SELF, REDIS, ALL, FROZEN))
    for operation, phases in EFFECTS.items():
        yield from (_cell(operation, phase, SELF) for phase in phases)
        yield _cell(operation, "before", "raise")
        yield from (_cell(operation, "done", action) for action in (REDIS, ALL, FROZEN))
    yield from (_cell("performed.lua", "before", action) for action in (SELF, REDIS, FROZEN))
    yield from (_cell("performed.lua", "done", action, hit) for hit in PERFORMED for action in (SELF, FROZEN))
    for operation in ADVANCING:
        yield from (_cell(operation, phase, SELF) for phase in LOCAL)
        yield from (_cell(operation, "done", action) for action in (REDIS, ALL, "raise", FROZEN))
    yield from (_cell(operation, phase, SELF) for phase, operations in ONCE.items() for operation in operations)
    yield from (_cell(*point, SELF, hit) for point, hits in MORE_HITS.items() for hit in hits)
    yield from (
        _cell(operation, "before", "enospc") for operation in ("git.fetch", "workspace.create", "git.index-pack")
    )
    yield from (_cell("enqueue.due", "before", action) for action in (SELF, REDIS, FROZEN))
    yield from (_cell("linear.TicketsInColumns", "before", action) for action in (SELF, REDIS))
    found_by_sweep = _cell("deliver.lua", "done", SELF)
    yield replace(
        found_by_sweep, name=f"sweep.{found_by_sweep.name}", faults=[Fault("linear", "Issue", "webhook_drop", 2)]
    )
    yield from (Cell(name, faults=(fault,)) for name, fault in LOST.items())


# The steps of an automation's two runs, with the hits at which a process dies there: the first run reads its sources,
# starts the agent, files the finding and writes the memory; the second one notes the finding.
MORNING = {
    "github.GET.commits.check-runs": (("sent",), (1, 2)),  # read sources
    "start_run.lua": (LOCAL, (1,)),  # start run
    "enqueue.advance_run": (LOCAL, (1,)),
    "finish_run.lua": (LOCAL, (1,)),
    "linear.CreateTicket": (HTTP, (1, 2)),  # file finding, write memory
    "linear.CreateLabel": (HTTP, (1,)),
    "linear.AddLabel": (HTTP, (1,)),
    "restore.lua": (LOCAL, (1,)),
    "linear.UpsertAttachment": (HTTP, (1, 2, 3, 4)),  # file finding, write memory, note finding, write memory
    "linear.DescribeTicket": (HTTP, (1,)),
    "commit.lua": (("done",), (3, 6, 9, 12, 15)),
    "performed.lua": (LOCAL, (2, 5, 8, 11)),
}


def _morning() -> Iterator[Cell]:
    for operation, (phases, hits) in MORNING.items():
        yield from (_cell(operation, phase, SELF, hit) for phase in phases for hit in hits)
    for operation in ("start_run.lua", "linear.CreateTicket", "linear.UpsertAttachment"):
        yield from (_cell(operation, "done", action, 1) for action in (REDIS, ALL, FROZEN))
    yield from (_cell("linear.UpsertAttachment", "before", "raise", hit) for hit in (1, 2, 3, 4))


CELLS = {cell.name: cell for cell in _matrix()}
CELLS |= {cell.name: cell for cell in (replace(one, name=f"morning.{one.name}", story="morning") for one in _morning())}
