"""Results of runs: evidence, verdicts, plans. Values only; texts from agents are claims, not facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from integrations.findings import Found, Matched
from integrations.lessons import Learned as Learned
from integrations.proof import CounterExample, Experiment, TestCounts
from integrations.proposals import ProposedCriterion as ProposedCriterion
from integrations.tampering import Tampering as Tampering
from integrations.tampering import TamperKind as TamperKind
from integrations.values import NO_COMMIT, Codec, CommitSha, RunId, value

RunRole = Literal[
    "preflight", "planner", "scout", "maker", "gate", "judge", "checker", "answer", "triage", "matcher",
    "lesson",
]  # fmt: skip
RunOutcome = Literal[
    "done", "no_change", "stopped", "budget", "turns", "spinning", "refused", "failed", "credentials", "infrastructure",
    "environment", "policy",
]  # fmt: skip
"""The last four are also the class of the escalation, credentials and infrastructure as in
`agent_runner.AgentOutcome`."""
BaseState = Literal["", "failing", "flaky"]
"""How a check ends on the base commit, before any work; empty if it passes there or was not run."""


@value
class Evidence:
    """One command that Loopline ran. `output` is its bounded head and tail; `digest` the SHA-256 of all of it.

    `exit_codes` are those of every run at this commit: more than one after retries of a failure. `base` is its state in
    the preflight. `timeout` is the time limit in seconds that ended it, `killed` the sentence about another limit that
    did. `refuted` is one sentence about the experiments that show that a passing command proves nothing; `tests` are
    the numbers that it reported, None without a report."""

    name: str
    command: str
    exit_code: int
    output: str = ""
    digest: str = ""
    seconds: float = 0.0
    exit_codes: tuple[int, ...] = ()
    base: BaseState = ""
    timeout: float = 0.0
    killed: str = ""
    refuted: str = ""
    tests: TestCounts | None = None

    @property
    def flaky(self) -> bool:
        """Whether it passed and failed at the same commit, which proves nothing."""
        return len({code == 0 for code in self.exit_codes}) > 1

    @property
    def needs_approval(self) -> bool:
        """Whether it passes and proves nothing: if the maker insists, a person has to decide."""
        return self.exit_code == 0 and not self.flaky and bool(self.refuted)

    @property
    def passed(self) -> bool:
        return self.exit_code == 0 and not self.flaky and not self.refuted

    @property
    def failed(self) -> bool:
        """Whether it counts against the change: not if it fails on the base commit too, or is known to be flaky and
        passed once. A change that makes it pass by its own tests or configuration is for a person to decide."""
        excused = (self.base == "failing" and not self.needs_approval) or (self.base == "flaky" and self.flaky)
        return not self.passed and not excused


EVIDENCE: Codec[Evidence] = Codec(Evidence)


@value
class CriterionResult:
    """The checker's result for one criterion; without `evidence` it counts as not met. `place` is the part of it that
    the checker found itself: a file with its line, or a command that is not in the contract."""

    criterion: str
    result: Literal["pass", "fail", "unsure"]
    evidence: str = ""
    place: str = ""


Severity = Literal["blocker", "major", "minor"]
Confidence = Literal["high", "medium", "low"]


@value
class Finding:
    """A finding of the checker. A blocker contradicts 'done'; `path` and `line` are empty without a single place."""

    text: str
    severity: Severity = "minor"
    path: str = ""
    line: int = 0


@value
class FileNote:
    """A file to read first, and why."""

    path: str
    why: str = ""


@value
class ReviewNotes:
    """The checker's notes for the person who reviews the change, in plain language. Each part can be empty.

    `what` is what changed and why, `risk` what could break, `steps` how to try it, `first` the files to read first."""

    what: str = ""
    risk: str = ""
    steps: tuple[str, ...] = ()
    first: tuple[FileNote, ...] = ()


@value
class Verdict:
    """The checker's verdict on one commit. `no_change_needed` confirms that the empty change is right.

    `examples` are the checker's own tests that failed again when they were repeated: their criteria fail."""

    head_sha: CommitSha
    results: tuple[CriterionResult, ...]
    summary: str = ""
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[str, ...] = ()
    confidence: Confidence = "medium"
    no_change_needed: bool = False
    notes: ReviewNotes = ReviewNotes()
    examples: tuple[CounterExample, ...] = ()


VERDICT: Codec[Verdict] = Codec(Verdict)

FileKind = Literal["code", "test", "document", "configuration", "dependencies", "generated", "binary"]


@value
class ChangedFile:
    """A changed path with its added and removed lines. `sensitive` is the part of its path that names a sensitive area,
    such as 'auth', empty for most files."""

    path: str
    kind: FileKind = "code"
    added: int = 0
    removed: int = 0
    sensitive: str = ""

    @property
    def lines(self) -> int:
        return self.added + self.removed


@value
class ChangedFolder:
    """A folder, '' for the root, with the number of changed files and lines below it."""

    path: str
    files: int
    lines: int


@value
class ChangeSize:
    """The size of a change. `lines` and `files` are those that a person reads: generated files, lock files and binary
    files are in `skipped` only. `first` are the files to read first, ordered by risk; `folders` have most lines first.
    Both lists are bounded."""

    files: int = 0
    lines: int = 0
    skipped: int = 0
    first: tuple[ChangedFile, ...] = ()
    folders: tuple[ChangedFolder, ...] = ()


EvidenceKind = Literal["test", "command output", "file and line"]
"""Evidence of the checker: a test that passed, the output of a command, a place in the files."""


@value
class Question:
    """A question of the planner, with likely answers."""

    text: str
    options: tuple[str, ...] = ()


@value
class Proposal:
    """The planner's proposal for the contract: 1 to 5 criteria, at most three questions. `may_change` are path patterns
    as in `jobs.loop.state.Contract`."""

    criteria: tuple[ProposedCriterion, ...]
    confidence: Confidence = "medium"
    questions: tuple[Question, ...] = ()
    summary: str = ""
    may_change: tuple[str, ...] = ()


PROPOSAL: Codec[Proposal] = Codec(Proposal)


@value
class Plan:
    """The scout's plan: `paths` that it expects to change, `commands` that matter."""

    summary: str
    steps: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@value
class Judgement:
    """The judge's assessment of a candidate: done, or missing items by criterion."""

    done: bool
    missing: tuple[str, ...] = ()
    reason: str = ""


@value
class BaseCheck:
    """A check of the repository on the base commit. `line` is the decisive line of the output of a failure; `seconds`
    those of its longest run."""

    command: str
    state: BaseState = ""
    exit_code: int = 0
    line: str = ""
    seconds: float = 0.0


BASE_CHECK: Codec[BaseCheck] = Codec(BaseCheck)


@value
class Preflighted:
    """Result of a preflight. `unfetched` names submodules and Git LFS patterns whose content is not there."""

    kind: Literal["preflight"] = "preflight"
    checks: tuple[BaseCheck, ...] = ()
    unfetched: tuple[str, ...] = ()


@value
class Planned:
    """Result of a planner's run."""

    kind: Literal["planner"] = "planner"
    proposal: Proposal | None = None


@value
class Scouted:
    """Result of a scout's run."""

    kind: Literal["scout"] = "scout"
    plan: Plan | None = None


AnswerKind = Literal["", "done", "disagree", "need detail"]
"""A maker's answer to a review comment; empty without one."""


@value
class ThreadAnswer:
    """A maker's answer to the review thread with this id, with its reason or question."""

    thread: str
    kind: AnswerKind
    note: str = ""


@value
class Made:
    """Result of a maker's run. `approach` is the strategy that it named; `head_sha` is empty without a commit.
    `checkpoint` is a commit of the files of a run that was interrupted: never pushed, and no candidate. `question` is
    for a person, who has to decide before the work can go on. `base_sha` is the newer commit of the base branch that
    the maker itself has merged, empty if it has not. `answers` are those to review threads; `applied` the threads whose
    suggestion Loopline applied."""

    kind: Literal["maker"] = "maker"
    head_sha: CommitSha = NO_COMMIT
    approach: str = ""
    checkpoint: CommitSha = NO_COMMIT
    question: str = ""
    base_sha: CommitSha = NO_COMMIT
    answers: tuple[ThreadAnswer, ...] = ()
    applied: tuple[str, ...] = ()


@value
class Gated:
    """Result of a gate's run. `tree` is the candidate's git tree, by which a reverted edit is detected; `stray` are
    added files that look like leftovers; `dependencies` are new, as 'name (manifest)'; `unresolved` are places of a
    merge's conflict, with which no command is run."""

    kind: Literal["gate"] = "gate"
    tree: str = ""
    evidence: tuple[Evidence, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    stray: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Files that only other accounts changed on the branch: not judged."""
    unresolved: tuple[str, ...] = ()
    size: ChangeSize = ChangeSize()
    experiments: tuple[Experiment, ...] = ()
    proof_seconds: float = 0.0
    """The time that the experiments took, in seconds."""


@value
class Judged:
    """Result of a judge's run."""

    kind: Literal["judge"] = "judge"
    judgement: Judgement | None = None


@value
class Checked:
    """Result of a checker's run."""

    kind: Literal["checker"] = "checker"
    verdict: Verdict | None = None


Meaning = Literal["", "change", "question", "thanks", "unclear"]


@value
class Answered:
    """Result of an answer's run: what a comment means, and a reply to it. `meaning` is empty without a result."""

    kind: Literal["answer"] = "answer"
    meaning: Meaning = ""
    reply: str = ""


Result = Annotated[
    Preflighted | Planned | Scouted | Made | Gated | Judged | Checked | Answered | Found | Matched | Learned,
    Field(discriminator="kind"),
]
_EMPTY: tuple[Result, ...] = (
    Preflighted(), Planned(), Scouted(), Made(), Gated(), Judged(), Checked(), Answered(), Found(), Matched(), Learned()
)  # fmt: skip
EMPTY_RESULTS: Mapping[RunRole, Result] = {result.kind: result for result in _EMPTY}
"""Result of a run that ended without one."""


@value
class Provenance:
    """Where the result of one run comes from: commits, models, and digests of all other inputs, in hexadecimal.

    `head_sha` is the commit that the run made or examined. `reported_models` are named by the provider's replies.
    `prompt` is the digest of system text and brief, `sandbox` that of the sandbox's profile; both are empty for a run
    without a model or without commands, `environment` also on a bare host. `verdicts` has one clause for each result
    of the policy."""

    run_id: RunId
    role: RunRole
    outcome: RunOutcome
    base_sha: CommitSha = NO_COMMIT
    start_sha: CommitSha = NO_COMMIT
    head_sha: CommitSha = NO_COMMIT
    model: str = ""
    reported_models: tuple[str, ...] = ()
    prompt: str = ""
    contract: str = ""
    environment: str = ""
    sandbox: str = ""
    verdicts: tuple[str, ...] = ()
    cost_usd: float = 0.0
    skills: tuple[str, ...] = ()
    """Names of the repository's skills that the agent read, in this order."""
    instructions: tuple[str, ...] = ()
    """Paths of the instruction files, as AGENTS.md, that it was given."""


PROVENANCE: Codec[Provenance] = Codec(Provenance)
