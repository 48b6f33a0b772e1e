"""What runs bring back: evidence, verdicts, plans. Values only; agents' words among them are claims, not facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from integrations.values import NO_COMMIT, Codec, CommitSha, value

RunRole = Literal["planner", "scout", "maker", "gate", "judge", "checker"]
RunOutcome = Literal["done", "no_change", "stopped", "budget", "turns", "spinning", "refused", "failed"]


@value
class Evidence:
    """One command that Loopline ran. `output` is its bounded head and tail; `digest` the SHA-256 of all of it.

    `exit_codes` are those of every run at this commit: more than one where a failure was tried again. `before` is the
    exit code at the base commit where that was asked for, so that a test can be seen to fail without the change. `own`
    is the exit code with the change's own tests and configuration where `exit_code` is that with the base commit's."""

    name: str
    command: str
    exit_code: int
    output: str = ""
    digest: str = ""
    seconds: float = 0.0
    exit_codes: tuple[int, ...] = ()
    before: int | None = None
    own: int | None = None

    @property
    def flaky(self) -> bool:
        """Whether it ended both ways at the same commit, which proves nothing."""
        return len({code == 0 for code in self.exit_codes}) > 1

    @property
    def needs_a_yes(self) -> bool:
        """Red with the base branch's tests and configuration, green with the change's own: a person has to decide."""
        return self.own == 0 and self.exit_code != 0 and not self.flaky

    @property
    def passed(self) -> bool:
        """Exit code 0, every time it was run at this commit."""
        return self.exit_code == 0 and not self.flaky


EVIDENCE: Codec[Evidence] = Codec(Evidence)

TamperKind = Literal[
    "test_changed", "test_removed", "test_skipped", "assertion_weakened", "test_configuration", "ci", "lint_or_types",
    "check_command", "snapshot", "exit_trick", "monkeypatch",
]  # fmt: skip


@value
class Tampering:
    """A place of the change that could make a check pass without the work: it needs a person's yes. `line` is in the
    new file, 0 where the file as a whole is meant; `text` is the line or what was taken away."""

    kind: TamperKind
    path: str
    line: int = 0
    text: str = ""


@value
class CriterionResult:
    """The checker's word on one criterion. `evidence` names what it rests on; without any it counts as not met."""

    criterion: str
    result: Literal["pass", "fail", "unsure"]
    evidence: str = ""


Severity = Literal["blocker", "major", "minor"]
Confidence = Literal["high", "medium", "low"]


@value
class Finding:
    """Something that the checker saw. A blocker contradicts 'done'; `path` and `line` are empty where there is no
    one place."""

    text: str
    severity: Severity = "minor"
    path: str = ""
    line: int = 0


@value
class Verdict:
    """The checker's whole answer, tied to one commit. `no_change_needed` is its word that the empty change is right."""

    head_sha: CommitSha
    results: tuple[CriterionResult, ...]
    summary: str = ""
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[str, ...] = ()
    confidence: Confidence = "medium"
    no_change_needed: bool = False


VERDICT: Codec[Verdict] = Codec(Verdict)

EvidenceKind = Literal["test", "command output", "file and line"]
"""What the checker can bring as evidence: a test that it saw pass, what a command printed, a place in the files."""


@value
class ProposedCriterion:
    """A criterion as the planner proposes it: with a command that Loopline can run, or the kind of evidence that the
    checker has to find, one of `EvidenceKind`."""

    text: str
    command: str = ""
    evidence: str = ""


@value
class Question:
    """What the planner could not know, with the answers that it thinks likely."""

    text: str
    options: tuple[str, ...] = ()


@value
class Proposal:
    """The planner's contract, before a person or the policy has agreed: 1 to 5 criteria, at most three questions."""

    criteria: tuple[ProposedCriterion, ...]
    confidence: Confidence = "medium"
    questions: tuple[Question, ...] = ()
    summary: str = ""


PROPOSAL: Codec[Proposal] = Codec(Proposal)


@value
class Plan:
    """What the scout found: the paths that it expects to be touched and the commands that matter."""

    summary: str
    steps: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@value
class Judgement:
    """The judge's quick word on a candidate: done, or what is missing, criterion by criterion."""

    done: bool
    missing: tuple[str, ...] = ()
    reason: str = ""


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


@value
class Made:
    """Result of a maker's run. `approach` is the strategy that it named; `head_sha` is empty without a commit."""

    kind: Literal["maker"] = "maker"
    head_sha: CommitSha = NO_COMMIT
    approach: str = ""


@value
class Gated:
    """Result of a gate's run. `tree` is the candidate's git tree, which shows that an edit was reversed; `stray` are
    files that the change adds and that look left behind."""

    kind: Literal["gate"] = "gate"
    tree: str = ""
    evidence: tuple[Evidence, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    stray: tuple[str, ...] = ()


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


Result = Annotated[Planned | Scouted | Made | Gated | Judged | Checked, Field(discriminator="kind")]
EMPTY_RESULTS: Mapping[RunRole, Result] = {
    "planner": Planned(),
    "scout": Scouted(),
    "maker": Made(),
    "gate": Gated(),
    "judge": Judged(),
    "checker": Checked(),
}
"""Result of a run that did not get as far as a result."""
