"""Every message that people read, compared with `messages.snapshot.md`.

After an intended change: delete the file, run this test (it writes the file and fails), read the difference, commit.
"""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from integrations.findings import EvidenceRun, ProposedFinding
from integrations.ports.ci import CheckFailure
from integrations.ports.merge_rules import MissingPart
from integrations.ports.pull_request import HostCheck
from integrations.proof import CounterExample, Experiment, ExperimentKind, TestCounts
from integrations.results import (
    BaseCheck,
    ChangedFile,
    ChangedFolder,
    ChangeSize,
    CriterionResult,
    Evidence,
    FileNote,
    Finding,
    Gated,
    Judgement,
    Preflighted,
    Proposal,
    ProposedCriterion,
    Provenance,
    Question,
    ReviewNotes,
    Tampering,
    Verdict,
)
from integrations.values import Identifier, MergeConflict, Person, QueuePlace, Ticket, TicketRef, Usage
from integrations.workload import OpenReview, Overlap
from jobs import messages
from jobs.evidence.counter_examples import apply_examples
from jobs.evidence.environment_problems import EnvironmentProblem
from jobs.loop.automation_state import KnownFinding, RunRecord
from jobs.loop.ci_state import CiState
from jobs.loop.comments import Guidance
from jobs.loop.foreign_state import ForeignPush, ForeignState
from jobs.loop.lesson_state import Lesson, Sighting
from jobs.loop.merge_state import MergeState
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.review_state import OpenThread
from jobs.loop.running_check import RunningCheck
from jobs.loop.state import ClosedAttempt, Contract, Criterion, Escalation, EscalationClass, Loop, Preflight, Stage
from jobs.loop.upstream_state import UpstreamState
from jobs.loop.wait_state import Part, WaitState
from jobs.messages.sanitize import Own, sanitize_markdown
from jobs.messages.verdict import VISIBLE_WORDS
from tests.jobs.messages import informing_messages
from tests.loops import changed, loop_with

MODULES = [import_module(f"{messages.__name__}.{found.name}") for found in pkgutil.iter_modules(messages.__path__)]
PUBLIC = {
    name: function
    for module in MODULES
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
}
CONSTANTS = {
    name: text
    for module in MODULES
    for name, text in vars(module).items()
    if name.endswith(("_LINE", "_MESSAGE", "_REASON", "_DESCRIPTION"))
}
m = SimpleNamespace(**PUBLIC, **CONSTANTS)
SNAPSHOT = Path(__file__).with_name("messages.snapshot.md")
TICKET = Ticket(id="t", identifier="ENG-1", title="Limit logins @team", url="https://linear.test/ENG-1")
THREAD = OpenThread(id="T1", comment_id="1", path="login.py", line=3, author="Ana", text="name it")
CONTRACT = Contract(
    criteria=(
        Criterion(id="c1", text="`pytest -q` passes", command="pytest -q"),
        Criterion(id="c2", text="the sixth login is refused"),
        Criterion(id="k1", text="lint (repository check)", command="ruff check ."),
    )
)
PUSHES = (ForeignPush(by="ana", before="a" * 40, head="b" * 40),)
REPOSITORIES = (
    ForeignState(repository="renamed", renamed_to="acme/store"),
    ForeignState(repository="archived"),
    ForeignState(repository="inaccessible"),
)
FAILED = Evidence(name="c1", command="pytest -q", exit_code=1, output="E   assert 5 == 6\n1 failed", digest="d" * 64)
PASSED = replace(FAILED, exit_code=0, output="1 passed", seconds=1.25)
EXAMPLE = CounterExample(
    criterion="c2", command="python3 own_test.py 7", shows="fails for 7 passengers, passes only for the tested 3"
)
VERDICT = Verdict(
    head_sha="a" * 40,
    results=tuple(CriterionResult(criterion=c, result="pass", evidence=f"seen {c}") for c in ("c1", "c2", "k1")),
    summary="Refuses the sixth login within a minute.",
    findings=(Finding(text="could use a constant", path="login.py", line=9),),
    not_checked=("load",),
)
CHECKS = (
    HostCheck(name="build", conclusion="failure", kind="job", id="5", url="https://github.test/runs/5"),
    HostCheck(name="lint", conclusion="failure"),
    HostCheck(name="e2e", conclusion="success"),
)
FAILURE = CheckFailure(
    id="5", name="build", conclusion="failure", group="CI", step="Run tests", url="https://github.test/runs/5",
    annotations=("a.py:3: failure: wrong sign",), log="E   assert 1 == 2\n##[error]Process completed with exit code 1.",
)  # fmt: skip
CI = CiState(
    since=1_800_000_000.0, head_sha="a" * 40, checks=CHECKS, base_failing=("lint",), flaky=("e2e",), failures=(FAILURE,)
)
MAKING = loop_with(
    TICKET, generation=1, stage=Stage.MAKING, iteration=2, contract=CONTRACT, evidence=(FAILED,), head_sha="a" * 40,
    tried=("iteration 1 at `aaaaaaa`: the gate failed",), taken_up=1, usage=Usage(model_calls=7, cost_usd=0.1234),
)  # fmt: skip
DONE = changed(
    MAKING, stage=Stage.REVIEW, evidence=(PASSED,), verdict=VERDICT, pushed_sha="a" * 40, number=7,
    url="https://github.test/acme/shop/pull/7", summary="Counts logins per minute and refuses the sixth.",
    ci=CI,
)  # fmt: skip
ASKED_AGAIN = Criterion(id="r1", text="as Ana asked: keep --json", since="a" * 40)
HELD = CriterionResult(criterion="r1", result="pass", evidence="cli.py:12 (the option)", place="cli.py:12")
UNCHANGED = changed(
    DONE, contract=replace(CONTRACT, criteria=(*CONTRACT.criteria, ASKED_AGAIN)), revision=1,
    verdict=replace(VERDICT, results=(*VERDICT.results, HELD)),
)  # fmt: skip
TWENTY = [f"c{number}" for number in range(20)]
LONG = changed(
    DONE,
    contract=Contract(criteria=tuple(Criterion(id=c, text=f"{c} " + "a very long text " * 30) for c in TWENTY)),
    verdict=replace(
        VERDICT, results=tuple(CriterionResult(criterion=c, result="pass", evidence="because " * 99) for c in TWENTY)
    ),
)
MADE = Provenance(
    run_id="ENG-1-g1-r0-i2-maker", role="maker", outcome="done", head_sha="a" * 40, model="large",
    reported_models=("large-1", "large"),
)  # fmt: skip
CHECKED = replace(MADE, run_id="ENG-1-g1-r0-i2-checker", role="checker", reported_models=(), environment="e" * 32)
FLAKY = replace(PASSED, exit_codes=(1, 0))
SLOW, FLOOD = replace(FAILED, exit_code=124, timeout=300.0), replace(FAILED, exit_code=137, killed="it wrote too much")
BENT = replace(PASSED, refuted="the new tests pass without the change too: `tests/test_cart.py`")
TAMPERING = (Tampering(kind="test_skipped", path="tests/test_login.py", line=3, text="@unittest.skip"),)
BEFORE = ClosedAttempt(number=1, tried=("iteration 1: the gate failed",), rejected="the gate failed", cost_usd=0.5)
CALLED = [
    changed(
        MAKING,
        stage=Stage.NEEDS_HUMAN,
        reason="it does not work.",
        escalation=Escalation(kind=kind, at=1.0),
        attempts=(BEFORE,),
        attempt_number=2,
        tampering=TAMPERING,
    )
    for kind in get_args(EscalationClass)
]
STUCK = CALLED[0]
NO_REPORT, FAST = "no report", "`proof: fast`"
PROOF = Gated(
    evidence=(replace(PASSED, tests=TestCounts(passed=217, skipped=3)),),
    experiments=(
        Experiment(criterion="c1", kind="old_tests", result="held", held=214, total=214),
        Experiment(criterion="c1", kind="new_tests", result="held", held=3, total=3),
        Experiment(criterion="c1", kind="broken_code", result="held"),
        Experiment(criterion="c1", kind="false_expectations", result="held"),
        Experiment(criterion="k1", kind="suppressions", result="held"),
    ),
    proof_seconds=41.2,
)
LOST = Experiment(
    criterion="c1", kind="old_tests", result="asked", held=211, total=214,
    text="3 existing tests no longer pass; this change edits them",
    names=("tests/test_a.py::test_x", "tests/test_a.py::test_y"),
)  # fmt: skip
BLIND = Experiment(criterion="k1", kind="broken_code", result="refuted", names=("shop/fees.py",), output="1 passed")
SKIPPED = (
    Experiment(criterion="c1", kind="broken_code", result="skipped", text=FAST),
    Experiment(criterion="c1", kind="false_expectations", result="skipped", text=FAST),
    Experiment(criterion="c2", kind="new_tests", result="skipped", text="the time budget is used up"),
    Experiment(criterion="k1", kind="old_tests", result="unknown", text=NO_REPORT),
    Experiment(criterion="k1", kind="new_tests", result="unknown", text=NO_REPORT),
)
DISPUTED = replace(PROOF, experiments=(LOST, BLIND, *PROOF.experiments[1:2], *SKIPPED), proof_seconds=125.0)
LOST_TESTS = Tampering(
    kind="tests_lost", path="tests/test_a.py", text="tests/test_a.py::test_x, tests/test_a.py::test_y"
)
NEW_KINDS = (
    LOST_TESTS,
    Tampering(kind="extras", path="pytest.ini", text="added"),
    Tampering(kind="suppression", path="shop/fees.py", line=4, text="x = 1  # noqa"),
)
BARE = loop_with(TICKET)
CONFLICTS = tuple(MergeConflict(path=f"shop/{n}.py", text="CONFLICT (content)") for n in range(8))
MERGED_BASE = replace(
    changed(DONE, base_branch="main", base_sha="b" * 40),
    upstream=UpstreamState(
        conflicts=CONFLICTS[:1], commits=("abc1234 Bob: Rename @team",), result_base="c" * 40, rounds=1
    ),
)
MANY_CONFLICTS = replace(MERGED_BASE, upstream=replace(MERGED_BASE.upstream, conflicts=CONFLICTS, commits=()))
CARRIED = replace(MERGED_BASE, upstream=UpstreamState(carried_from="d" * 40, carried_to="a" * 40))
QUESTION = replace(STUCK, escalation=Escalation(kind="judgement", at=1.0, question="Cents\nor decimals?"))
ASKING_RUN = replace(QUESTION, escalation=replace(QUESTION.escalation, run_id="r", choices=("Cents", "Decimals, @ana")))
PLACES = (
    Tampering(kind="protected", path=".github/workflows/ci.yml", text="runs in continuous integration"),
    Tampering(kind="secret", path="src/pay.py", line=7, text="Stripe Access Key"),
)
PROPOSAL = Proposal(
    criteria=(
        ProposedCriterion(text="the tests pass", command="pytest -q"),
        ProposedCriterion(text="the sixth login is refused", evidence="test"),
        ProposedCriterion(text="nothing else changes"),
    ),
    confidence="medium",
    questions=(Question(text="Per user or per address?", options=("user", "address")), Question(text="How long?")),
    summary="Limits logins.",
)
ASKED = changed(MAKING, proposal=PROPOSAL)
CHEAP = changed(MAKING, usage=Usage(model_calls=1, cost_usd=0.0007))
ESTIMATED = changed(MAKING, usage=Usage(model_calls=3, cost_usd=0.4, estimated_calls=1))
LISTED = replace(TICKET, description="Done when\n- it is nice\n- `make test` passes")
SECOND = replace(CONTRACT, version=2)
FINDING = Finding(text="loses data", severity="blocker", path="a.py", line=3)

NOTES = ReviewNotes(
    what="Counts logins per account and minute, because a stolen list of passwords was tried.",
    risk="A shared account can lock itself out.",
    steps=("log in six times",),
    first=(FileNote(path="login.py", why="the counter"),),
)
SIZE = ChangeSize(
    files=3,
    lines=1_640,
    skipped=1,
    first=(
        ChangedFile(path="login.py", added=40, sensitive="login"),
        ChangedFile(path="pages/form.py", added=1_200, removed=100),
        ChangedFile(path="tests/test_login.py", kind="test", added=300),
    ),
    folders=(ChangedFolder(path="pages", files=1, lines=1_300), ChangedFolder(path="", files=1, lines=40)),
)
CHECK = RunningCheck(number=2, total=5, command="npm test", started_at=1_800_000_000.0, limit=1_800.0)


def titled(title: str) -> Loop:
    policy = LoopPolicy(pull_request=PullRequestPolicy(title=title))
    return replace(DONE, policy=RepositoryPolicy(loop=policy))


LINT = "ruff check ."
PROBLEMS = (
    EnvironmentProblem("setup", "npm ci", 1, "npm error code ENOTFOUND", offline=True),
    EnvironmentProblem("setup", "uv sync", 127, "bash: line 1: uv: command not found", "uv"),
    EnvironmentProblem("setup", "make deps", 2, "make: *** [Makefile:3: deps] Error 2"),
    EnvironmentProblem("setup", "npm ci", 124, seconds=300),
    EnvironmentProblem("setup", "npm ci", 1, "npm error network", blocked={"npm.acme.test": 3, "cdn.acme.test": 1}),
    EnvironmentProblem("service", "postgres -D pg", 1, "FATAL: could not create lock file", "postgres"),
    EnvironmentProblem("tool", LINT, 127, "bash: line 1: ruff: command not found", "ruff"),
    EnvironmentProblem(
        "script", "./check.sh", 127, "bash: line 1: ./check.sh: No such file or directory", "./check.sh"
    ),
    EnvironmentProblem("permission", "./check.sh", 126, "bash: line 1: ./check.sh: Permission denied", "./check.sh"),
    EnvironmentProblem("time", "npm test", 124, seconds=300),
    EnvironmentProblem("output", "npm test", 137, subject="the command was killed because it wrote more than 1 bytes"),
    EnvironmentProblem(
        "limit", "npm test", 137, subject="the command was killed because it used more than 1 MiB of memory"
    ),
    EnvironmentProblem("unfetched", "npm test", 1, "Error: Cannot find module 'rates'", "vendor/rates"),
)
ON_BASE = Preflighted(
    checks=(
        BaseCheck(command="pytest -q"),
        BaseCheck(command=LINT, state="failing", exit_code=1, line="Found 3 errors."),
        BaseCheck(command="npm test", state="flaky", exit_code=1),
    ),
    unfetched=("vendor/rates",),
)
CHECK_URL = "https://github.test/acme/shop/runs/9"
QUEUED = replace(DONE, stage=Stage.MERGING, merging=MergeState(waits="queue"))
MISSING = [
    MissingPart(kind="draft", url=DONE.pull_request.url),
    MissingPart(kind="conflict", name="main", url=DONE.pull_request.url),
    MissingPart(kind="behind", name="main", url=DONE.pull_request.url),
    MissingPart(kind="method"),
    MissingPart(kind="check_failed", name="build", url=CHECK_URL),
    MissingPart(kind="check_failed", name="lint", required=False, url=DONE.pull_request.url),
    MissingPart(kind="check_pending", name="test `x`", url=CHECK_URL),
    MissingPart(kind="check_unread", required=False, url=DONE.pull_request.url),
    MissingPart(kind="changes_requested", name="bob", url=f"{DONE.pull_request.url}#pullrequestreview-1"),
    MissingPart(kind="changes_requested", name="helper[bot]", required=False, url=DONE.pull_request.url),
    MissingPart(kind="approval", count=1, url=DONE.pull_request.url),
    MissingPart(kind="approval", count=2, url=DONE.pull_request.url),
    MissingPart(kind="other_approval", url=DONE.pull_request.url),
    MissingPart(kind="thread", name="login.py", count=1, url=f"{DONE.pull_request.url}#discussion_r1"),
    MissingPart(kind="thread", name="login.py", count=3, url=f"{DONE.pull_request.url}#discussion_r1"),
]
PARTS = (
    Part(repository="acme/shop", key="a", ticket=TicketRef(id="t8", identifier="ENG-8", column="In Review")),
    Part(repository="acme/web", key="b", ticket=TicketRef(id="t9", identifier="ENG-9", column="Agent")),
)
BLOCKERS = tuple(TicketRef(id=f"t{n}", identifier=f"ENG-{n}") for n in range(3, 11))
REVIEWS = tuple(
    OpenReview(ticket=f"t{n}", identifier=f"ENG-{n}", url=f"https://github.test/acme/shop/pull/{n}", since=1.8e9)
    for n in range(3, 5)
)
OVERLAP = Overlap(ticket="t8", identifier="ENG-8", paths=("billing/invoice.py", "billing/tax.py"))
WHOLE = "Totals.\n\n[repo=shop] [repo=web]\n\n## Done when\n- it adds up\n- [repo=web] shown\n- [repo=shop] stored"
KNOWN = KnownFinding(
    fingerprint="f", evidence="e", title="The split loses a cent", automation="ci-triage", severity="high", seen=4,
    items=("check:CI/test",), ticket=TicketRef(id="t8", identifier="ENG-8"), first_at=1.8e9, last_at=1.8e9,
)  # fmt: skip
REJECTED = replace(KNOWN, status="rejected", reason="the partner's service is down on Fridays")
FOUND = ProposedFinding(
    title="The split loses a cent [repo=acme/other]", body="`split` rounds down.\n\n## Done when\n\n- nothing",
    severity="high", paths=("tally/split.py",), links=("https://github.com/acme/shop/actions/runs/5",),
    criteria=PROPOSAL.criteria[:2], runs=(EvidenceRun(command="pytest -q", exit_code=1, output="1 failed"),),
)  # fmt: skip
RAN = RunRecord(
    id="r", automation="ci-triage", cause="schedule", started_at=1.8e9, ended_at=1.8e9, outcome="filed", found=3,
    duplicates=1, filed=1, rejected=1, cost_usd=0.12,
)  # fmt: skip
BODY_OF = ("ci-triage", "acme/shop", "a" * 40)
WAITING = [
    loop_with(TICKET, stage=Stage.WAITING, waits_for=BLOCKERS[:1], wait=WaitState()),
    loop_with(replace(TICKET, children=BLOCKERS), stage=Stage.WAITING, waits_for=BLOCKERS),
    loop_with(TICKET, stage=Stage.WAITING, wait=WaitState(kind="files", overlaps=(OVERLAP,))),
    loop_with(TICKET, stage=Stage.WAITING, wait=WaitState(kind="reviews", reviews=REVIEWS, limit=2)),
    loop_with(replace(TICKET, description=WHOLE), stage=Stage.WAITING, parts=PARTS, wait=WaitState(kind="parts")),
    loop_with(TICKET, stage=Stage.WAITING, wait=WaitState(kind="unreviewed", lines=1240, limit=1000)),
]
SEEN = Sighting(
    ticket="t1", identifier="ENG-1", url="https://linear.test/acme/issue/ENG-1", cause="takeover", by="Bea",
    text="Use decimals here.", hunk="@@ -1 +1 @@\n-x = 0.1\n+x = Decimal('0.1')", at=1.8e9,
)  # fmt: skip
FAILED_TRY = Sighting(ticket="t2", identifier="ENG-2", cause="discovery", text="iteration 1: the gate failed", at=1.8e9)
LESSON = Lesson(id="abc", topic="money", rule="Use Decimal for money.", sightings=(SEEN, FAILED_TRY))
REMOVAL = replace(LESSON, status="removing", contradiction=SEEN, reason="contradicted on ENG-1")
SHOWN = {
    "describe_status": [
        m.describe_status(one)
        for one in (LESSON, replace(LESSON, sightings=(SEEN,)), replace(LESSON, status="merged"), REMOVAL)
    ],
    "lesson_title": [m.lesson_title(LESSON), m.lesson_title(REMOVAL)],
    "lesson_body": [m.lesson_body(one, ".agents/skills/money/SKILL.md") for one in (LESSON, REMOVAL)],
    "withdrawn_message": [m.withdrawn_message(REMOVAL)],
    "finding_title": [m.finding_title(FOUND)],
    "finding_body": [
        m.finding_body(FOUND, *BODY_OF, asks=True),
        m.finding_body(FOUND, *BODY_OF, previous=KNOWN.ticket, returns="rejected", names_repository=True),
        m.finding_body(replace(FOUND, runs=(), links=()), *BODY_OF, previous=KNOWN.ticket, returns="done", starts=True),
    ],
    "criteria_section": [m.criteria_section(FOUND.criteria)],
    "start_question": [m.start_question("ci-triage")],
    "raised_message": [m.raised_message(4)],
    "seen_line": [m.seen_line(1, 1.8e9), m.seen_line(4, 1.8e9)],
    "ignored_message": [m.ignored_message("Ana", "the partner's service is down"), m.ignored_message("Ana", "")],
    "ignore_elsewhere_message": [m.ignore_elsewhere_message()],
    "requested_message": [
        m.requested_message("ci-triage", "acme/shop", is_running=is_running) for is_running in (False, True)
    ],
    "rejection_reason": [m.rejection_reason("Canceled"), m.rejection_reason("")],
    "memory_title": [m.memory_title("acme/shop")],
    "memory_body": [
        m.memory_body("acme/shop", (KNOWN, REJECTED), (RAN,), {"t8": m.work_line("Ready for review", 2, 1.5)}, 1.8e9)
    ],
    "run_line": [m.run_line(RAN), m.run_line(replace(RAN, outcome="failed", note="The sources could not be read."))],
    "work_line": [m.work_line("Ready for review", 2, 1.5)],
    "environment_reason": [m.environment_reason(one, "on main") for one in PROBLEMS],
    "preflight_line": [
        m.preflight_line(ON_BASE, "main"),
        m.preflight_line(Preflighted(checks=ON_BASE.checks[:1]), "main"),
        m.preflight_line(Preflighted(checks=(ON_BASE.checks[0],) * 2), "main"),
    ],
    "unfetched_message": [m.unfetched_message(("vendor/rates", "*.bin"), "main")],
    "protected_paths_message": [m.protected_paths_message((".env.example",))],
    "missing_labels_reason": [m.missing_labels_reason(["agent"]), m.missing_labels_reason(["agent", "web"])],
    "policy_notes_message": [m.policy_notes_message(["Keys without a meaning here: codex", "`git clone` is left out"])],
    "checks_changed_message": [m.checks_changed_message(replace(CONTRACT, version=2))],
    "proof_line": [m.proof_line(gate) for gate in (PROOF, DISPUTED)],
    "refuted_line": [m.refuted_line(replace(BLIND, kind=kind)) for kind in get_args(ExperimentKind)],
    "list_approvals": [m.list_approvals(NEW_KINDS, (LOST,)), m.list_approvals(NEW_KINDS[1:], (LOST,))],
    "acceptance_line": [m.acceptance_line(found) for found in (TAMPERING, PLACES, NEW_KINDS)],
    "may_change_line": [m.may_change_line(("tests/test_fees.py", ".github/workflows/ci.yml"))],
    "progress_message": [
        m.progress_message(changed(DONE, gate=PROOF), 3),
        *(m.progress_message(loop, 3) for loop in (MAKING, DONE, STUCK)),
        m.progress_message(replace(MAKING, stage=Stage.GATING), 3, check=CHECK),
    ],
    "running_check_line": [m.running_check_line(CHECK)],
    "size_message": [m.size_message(changed(DONE, size=SIZE))],
    "progress_line": [m.progress_line(loop) for loop in (BARE, DONE, changed(DONE, stage=Stage.CI, ci=CiState()))],
    "checks_line": [m.checks_line(DONE)],
    "pending_message": [
        m.pending_message(DONE, [HostCheck(name=name, conclusion="pending")]) for name in ("build", "e2e")
    ]
    + [m.pending_message(DONE, [CHECKS[0], HostCheck(name="deploy", conclusion="action")])],
    "missing_message": [m.missing_message(DONE, names) for names in ((), ("build",))],
    "unread_message": [m.unread_message("GitHub forbids it: grant checks: read.")],
    "rerun_reason": [m.rerun_reason([FAILURE], ["it timed out"])],
    "not_rerun_reason": [m.not_rerun_reason(DONE, "grant the permission actions: write")],
    "round_message": [m.round_message(DONE, [FAILURE, replace(FAILURE, name="e2e", step="", url="")], 1, 3)],
    "round_cause": [m.round_cause(DONE, [FAILURE])],
    "rounds_reason": [m.rounds_reason(changed(DONE, ci=replace(CI, rounds=n)), [FAILURE]) for n in (0, 1, 3)],
    "same_failures_reason": [m.same_failures_reason(changed(DONE, ci=replace(CI, rounds=2)), [FAILURE])],
    "cancelled_reason": [m.cancelled_reason(changed(DONE, ci=replace(CI, reruns=2)), [FAILURE])],
    "failure_logs_message": [
        m.failure_logs_message([FAILURE]),
        m.failure_logs_message([replace(FAILURE, log="", note="GitHub has no longer the log")]),
    ],
    "state_message": [m.state_message(stage) for stage in Stage],
    "money_message": [m.money_message(loop) for loop in (MAKING, ESTIMATED, CHEAP)],
    "question_message": [m.question_message(TICKET), m.question_message(LISTED)],
    "started_again_message": [m.started_again_message("Ana")],
    "proposal_message": [
        m.proposal_message(ASKED, PROPOSAL),
        m.proposal_message(replace(ASKED, ticket=LISTED), PROPOSAL),
        m.proposal_message(ASKED, replace(PROPOSAL, may_change=("tests/test_login.py", ".github/workflows/ci.yml"))),
    ],
    "agreed_message": [m.agreed_message(ASKED)],
    "waiting_for_contract_reason": [m.waiting_for_contract_reason(loop) for loop in (ASKED, MAKING)],
    "criteria_changed_message": [m.criteria_changed_message(SECOND)],
    "criteria_changed_guidance": [m.criteria_changed_guidance(SECOND)],
    "criteria_changed_late_message": [m.criteria_changed_late_message(CONTRACT)],
    "verdict_message": [
        m.verdict_message(CARRIED),
        m.verdict_message(DONE),
        *(m.verdict_message(changed(DONE, gate=gate)) for gate in (PROOF, DISPUTED)),
        m.verdict_message(UNCHANGED, "https://loopline.acme.test"),
        m.verdict_message(LONG, "https://loopline.acme.test"),
    ],
    "no_change_message": [m.no_change_message(DONE)],
    "pull_request_title": [m.pull_request_title(DONE), m.pull_request_title(titled("conventional"))],
    "pull_request_body": [
        m.pull_request_body(
            changed(
                DONE,
                evidence=(PASSED, FLAKY, BENT),
                tampering=TAMPERING,
                dependencies=("new (package.json)",),
                base_sha="b" * 40,
                provenance=(MADE, CHECKED),
                accepted_by="Ana",
                size=SIZE,
                branch="loopline/eng-1",
                verdict=replace(VERDICT, notes=NOTES, findings=(FINDING,)),
            ),
            "https://loopline.acme.test",
        ),
        m.pull_request_body(changed(DONE, base_sha="b" * 40), "https://loopline.acme.test"),
        m.pull_request_body(changed(DONE, base_sha="b" * 40, gate=DISPUTED), "https://loopline.acme.test"),
    ],
    "pull_request_subtitle": [m.pull_request_subtitle(DONE)],
    "escalation_message": [
        m.escalation_message(loop)
        for loop in (
            *CALLED,
            changed(CALLED[-1], tampering=PLACES),
            changed(CALLED[-2], gate=replace(DISPUTED, tampering=NEW_KINDS)),
            QUESTION,
            ASKING_RUN,
        )
    ],
    "reminder_message": [m.reminder_message(STUCK)],
    "triage_message": [
        m.triage_message(STUCK),
        m.triage_message(replace(STUCK, escalation=Escalation(kind="judgement", at=1.0, listed=True))),
    ],
    "budget_message": [m.budget_message("Ana", 3.0, 23.0)],
    "budget_reason": [m.budget_reason(20.0), m.budget_reason(0.0)],
    "parked_reason": [m.parked_reason("the model is overloaded", 1_800_000_000.0)],
    "run_blocked_reason": [
        m.run_blocked_reason("gate", "no disk"),
        m.run_blocked_reason("checker", "the run's 50 turns are used up", "turns"),
    ],
    "turns_reason": [m.turns_reason(STUCK)],
    "calls_reason": [m.calls_reason(STUCK, 100)],
    "iterations_reason": [m.iterations_reason(3, 3), m.iterations_reason(1, 3)],
    "spinning_reason": [m.spinning_reason("`ls` four times")],
    "tamper_reason": [m.tamper_reason(TAMPERING), m.tamper_reason((*TAMPERING, *PLACES, *NEW_KINDS))],
    "leak_line": [m.leak_line(PLACES[1:])],
    "accepted_message": [m.accepted_message("Ana", "a" * 40, found) for found in (TAMPERING, (*PLACES, *NEW_KINDS))],
    "unchecked_description": [m.UNCHECKED_DESCRIPTION],
    "approach_line": [m.approach_line(attempt) for attempt in (1, 2, 3)],
    "no_result_line": [m.no_result_line("turns", ""), m.no_result_line("failed", "it broke")],
    "blocked_hosts_line": [
        m.blocked_hosts_line({"fastdl.mongodb.org": 3}),
        m.blocked_hosts_line({"a.test": 1, "b.test": 2}),
    ],
    "blocked_commands_line": [
        m.blocked_commands_line({"fastdl.mongodb.org": 3, "a.test": 1}, ("registries",)),
        m.blocked_commands_line({"fastdl.mongodb.org": 3}, ()),
    ],
    "stray_line": [m.stray_line(("debug.log",))],
    "reverted_line": [m.REVERTED_LINE],
    "same_failures_line": [m.same_failures_line([FAILED], 3)],
    "judge_line": [m.judge_line(Judgement(done=False, missing=("the 429",))), m.judge_line(Judgement(done=False))],
    "blockers_line": [m.blockers_line([FINDING])],
    "contradiction_line": [m.contradiction_line(("c1 passes, and Loopline's own run of its command did not",))],
    "needs_approval_line": [m.NEEDS_APPROVAL_LINE],
    "not_confirmed_line": [m.NOT_CONFIRMED_LINE],
    "stopped_message": [
        m.stopped_message(changed(MAKING, reason="Ana said so.", branch=branch)) for branch in ("loopline/eng-1", "")
    ],
    "taken_over_reason": [m.taken_over_reason("Ana", sha) for sha in ("a" * 40, "")],
    "ended_message": [
        m.ended_message(MAKING, "", is_duplicate=False),
        m.ended_message(MAKING, "ENG-7", is_duplicate=True),
        m.ended_message(changed(MAKING, branch="loopline/eng-1", taken_over_by="Ana"), "", is_duplicate=True),
    ],
    "ended_reason": [
        m.ended_reason("", is_duplicate=False),
        m.ended_reason("ENG-7", is_duplicate=True),
        m.ended_reason("", is_duplicate=True),
    ],
    "closed_message": [m.closed_message("ENG-1", m.ended_reason("ENG-7", is_duplicate=True))],
    "branch_left_message": [m.branch_left_message("loopline/eng-1")],
    "not_started_message": [
        m.not_started_message(Person(id="u", name="Eve"), (), goes_back=True),
        m.not_started_message(Person(id="", is_bot=True), ("boss@acme.test",), goes_back=True),
        m.not_started_message(None, (), goes_back=False),
    ],
    "not_edited_message": [m.not_edited_message(Person(id="u", name="Eve"), ())],
    "not_stopped_message": [m.not_stopped_message(Person(id="u", name="Eve"), ())],
    "left_team_message": [m.left_team_message(m.left_team_reason("OPS"))],
    "left_team_reason": [m.left_team_reason("OPS")],
    "other_repository_reason": [m.other_repository_reason("WEB", ("acme/web", "acme/docs"))],
    "team_not_served_message": [m.team_not_served_message("OPS")],
    "which_repository_message": [m.which_repository_message(m.NO_ROUTE_REASON, ("acme/shop", "acme/web"))],
    "which_repository_reason": [m.WHICH_REPOSITORY_REASON],
    "not_a_choice_reason": [m.NOT_A_CHOICE_REASON],
    "no_route_reason": [m.NO_ROUTE_REASON],
    "several_routes_reason": [m.several_routes_reason("label", ("acme/shop", "acme/web"))],
    "several_named_reason": [m.several_named_reason(("acme/shop", "acme/web#next"))],
    "unknown_repository_reason": [m.unknown_repository_reason("evil/shop")],
    "invalid_branch_reason": [m.invalid_branch_reason("loopline/eng-1")],
    "waits_message": [m.waits_message(loop, 1_800_200_000.0) for loop in WAITING],
    "explain_wait": [m.explain_wait(loop, 1_800_200_000.0) for loop in WAITING],
    "starts_message": [m.starts_message(("ENG-3",)), m.starts_message(("ENG-3", "ENG-4"))],
    "reviewed_message": [m.REVIEWED_MESSAGE],
    "anyway_message": [m.anyway_message("Ana")],
    "overlaps_message": [m.overlaps_message(WAITING[2].wait.overlaps)],
    "edited_too_message": [m.edited_too_message(WAITING[2].wait.overlaps[0], waits=waits) for waits in (True, False)],
    "split_message": [m.split_message(PARTS)],
    "parts_done_message": [m.parts_done_message(PARTS)],
    "part_cancelled_reason": [m.part_cancelled_reason(PARTS[:1]), m.part_cancelled_reason(PARTS)],
    "part_title": [m.part_title(WAITING[4], PARTS[0])],
    "part_body": [m.part_body(WAITING[4], PARTS[1])],
    "part_link_text": [m.part_link_text("acme/web", "https://github.test/acme/web/pull/3", is_before=True)],
    "merged_first_reason": [m.merged_first_reason(("ENG-8",)), m.merged_first_reason(("ENG-8", "ENG-9"))],
    "ticket_created_message": [m.ticket_created_message("ENG-9", "Round @team amounts")],
    "cycle_reason": [m.cycle_reason(("ENG-1", "ENG-3", "ENG-1"))],
    "frozen_message": [m.frozen_message("Ana", 1_800_000_000.0)],
    "thawed_message": [m.thawed_message("Ana")],
    "changes_message": [m.changes_message("Ana", 2)],
    "approved_message": [
        m.approved_message("Ana", "a" * 40),
        m.approved_message("Ana", "a" * 40, ["ci/build", *"abcdef"]),
    ],
    "approved_on_ticket_message": [m.approved_on_ticket_message(DONE, "Ana")],
    "not_approved_message": [m.not_approved_message(DONE)],
    "base_conflict_message": [m.base_conflict_message(MERGED_BASE), m.base_conflict_message(MANY_CONFLICTS)],
    "merged_base_message": [
        m.merged_base_message(MERGED_BASE, "behind", is_carried=True),
        m.merged_base_message(MERGED_BASE, "request", is_carried=False),
    ],
    "conflict_cause": [m.conflict_cause(MERGED_BASE)],
    "merged_cause": [m.merged_cause(MERGED_BASE)],
    "closed_attempt_reason": [m.closed_attempt_reason(MERGED_BASE)],
    "outside_reason": [m.outside_reason(MERGED_BASE.upstream.conflicts, "main")],
    "manual_conflict_message": [m.manual_conflict_message(MERGED_BASE)],
    "up_to_date_message": [m.up_to_date_message(MERGED_BASE)],
    "checking_result_message": [m.checking_result_message(MERGED_BASE)],
    "result_failed_message": [m.result_failed_message(MERGED_BASE, [FAILED])],
    "result_conflict_message": [
        m.result_conflict_message(MERGED_BASE, MERGED_BASE.upstream.conflicts, MERGED_BASE.workspace.base_sha)
    ],
    "result_unknown_reason": [m.result_unknown_reason(MERGED_BASE, "no compiler.")],
    "moving_base_reason": [m.moving_base_reason(MERGED_BASE, 3)],
    "approval_withdrawn_reason": [m.APPROVAL_WITHDRAWN_REASON],
    "carried_line": [m.carried_line(CARRIED)],
    "unresolved_line": [m.unresolved_line(("shop/login.py:3", "docs~" + "b" * 40))],
    "merge_cancelled_reason": [m.merge_cancelled_reason("Ana")],
    "outdated_command_message": [m.outdated_command_message("approve", DONE)],
    "not_now_message": [m.not_now_message("approve", loop) for loop in (MAKING, DONE)],
    "not_allowed_message": [m.not_allowed_message("merge", "Eve"), m.not_allowed_message("merge", "")],
    "missing_text_message": [m.missing_text_message(name) for name in ("changes", "budget", "link")],
    "nearest_command_message": [m.nearest_command_message("aprove", "approve")],
    "help_message": [m.help_message("", DONE), m.help_message("dance", MAKING), m.help_message("", STUCK)],
    "help_again_message": [m.help_again_message(name, 1_800_000_000.0) for name in ("", "dance")],
    "conflict_message": [m.conflict_message(("approve", "changes"), ""), m.conflict_message(("stop", "merge"), "stop")],
    "status_message": [m.status_message(loop, 20.0) for loop in (MAKING, DONE, STUCK)],
    "why_message": [
        *(m.why_message(loop) for loop in (DONE, STUCK, loop_with(TICKET, generation=1, stage=Stage.MAKING))),
        m.why_message(changed(DONE, verdict=apply_examples(VERDICT, [EXAMPLE]))),
    ],
    "noted_message": [m.noted_message(loop) for loop in (DONE, STUCK, CALLED[5])],
    "unclear_message": [m.unclear_message(DONE, "Is it a wish?"), m.unclear_message(STUCK, "")],
    "answer_message": [m.answer_message(DONE, "Cents, as c1 asks.\nSee login.py:3."), m.answer_message(BARE, "No.")],
    "done_message": [m.done_message(replace(DONE, reason=reason)) for reason in ("", "It was cancelled.")],
    "attempt_started_message": [m.attempt_started_message("Ana")],
    "answered_guidance": [m.answered_guidance("Cents or decimals?", "Cents.")],
    "corrected_guidance": [m.corrected_guidance("use 42")],
    "agent_question_reason": [m.agent_question_reason("Cents or decimals?")],
    "no_more_replies_message": [m.no_more_replies_message(10, 1_800_000_000.0)],
    "too_many_hand_overs_message": [m.too_many_hand_overs_message(20, 1_800_000_000.0)],
    "too_many_comments_message": [m.too_many_comments_message(50)],
    "no_commit_reason": [m.no_commit_reason(["as Ana asked: keep --json"])],
    "queued_message": [
        m.queued_message(QueuePlace(place=place, waiting=waiting, agents=agents, busy=4))
        for place, waiting, agents in ((3, 5, 4), (1, 1, 1), (12, 22, 4), (2, 2, 8), (1, 1, 0))
    ],
    "superseded_message": [m.SUPERSEDED_MESSAGE],
    "earlier_than_question_message": [m.EARLIER_THAN_QUESTION_MESSAGE],
    "too_many_revisions_reason": [m.too_many_revisions_reason(20)],
    "not_agreed_reason": [m.not_agreed_reason(5)],
    "merged_message": [m.merged_message(DONE)],
    "foreign_commit_message": [
        m.foreign_commit_message("ana", "b" * 40, is_forced=False),
        m.foreign_commit_message("", "b" * 40, is_forced=True),
    ],
    "another_branch_message": [m.another_branch_message("loopline/eng-1", "loopline/eng-1-1a2b3c")],
    "branch_deleted_reason": [m.branch_deleted_reason("ana"), m.branch_deleted_reason("")],
    "combined_message": [m.combined_message(PUSHES, ("a.py",))],
    "combined_guidance": [m.combined_guidance(PUSHES, tuple("abcdefg"))],
    "lost_base_reason": [m.lost_base_reason("release")],
    "reopened_message": [m.reopened_message("ana"), m.reopened_message("")],
    "retitled_message": [m.retitled_message("ana", "Better")],
    "retargeted_message": [m.retargeted_message("", "main", "release")],
    "base_renamed_message": [m.base_renamed_message("main", "trunk")],
    "draft_message": [m.draft_message("ana")],
    "ready_message": [m.ready_message("")],
    "locked_message": [m.locked_message("ana")],
    "unlocked_message": [m.unlocked_message("ana")],
    "repository_reason": [m.repository_reason("acme/shop", state) for state in REPOSITORIES],
    "repository_message": [m.repository_message(replace(DONE, foreign=REPOSITORIES[1]))],
    "repository_back_message": [m.repository_back_message("acme/shop")],
    "others_line": [m.others_line(("NOTES.md", "b.py"), PUSHES)],
    "closed_reason": [m.closed_reason("ana"), m.closed_reason("")],
    "moved_reason": [m.moved_reason("Backlog")],
    "pushed_reason": [m.pushed_reason("Ana", "b" * 40), m.pushed_reason("", "b" * 40)],
    "command_reason": [m.command_reason("Ana", "stop")],
    "removed_reason": [m.REMOVED_REASON],
    "not_merged_reason": [m.not_merged_reason("the base branch is protected")],
    "criteria_met_description": [m.criteria_met_description(3)],
    "dead_letter_reason": [m.dead_letter_reason("MoveTicket", "KeyError", "1f2e3d4c5b6a")],
    "approve_again_reason": [m.APPROVE_AGAIN_REASON],
    "rebuilt_reason": [m.REBUILT_REASON],
    "iteration_line": [m.iteration_line(MAKING, "the gate failed")],
    "new_guidance_line": [m.NEW_GUIDANCE_LINE],
    "gate_failed_line": [
        m.gate_failed_line([FAILED]),
        m.gate_failed_line([FLAKY]),
        m.gate_failed_line([SLOW]),
        m.gate_failed_line([FLOOD]),
        m.gate_failed_line([BENT]),
    ],
    "counter_example_line": [m.counter_example_line(EXAMPLE)],
    "verdict_failed_line": [
        m.verdict_failed_line([CriterionResult(criterion="c2", result="unsure"), *VERDICT.results[:1]]),
        m.verdict_failed_line([CriterionResult(criterion="c2", result="fail", evidence="x")], [EXAMPLE]),
    ],
    "merge_missing_message": [
        m.merge_missing_message(DONE, MISSING),
        m.merge_missing_message(DONE, [MissingPart(kind="check_failed", name="lint", required=False, url=CHECK_URL)]),
        m.merge_missing_message(DONE, [MissingPart(kind="closed", url=DONE.pull_request.url)]),
        m.merge_missing_message(DONE, [MissingPart(kind="head", name="bbbbbbb", url=DONE.pull_request.url)]),
        m.merge_missing_message(DONE, [MissingPart(kind="check_pending", name=f"job {n}") for n in range(30)]),
    ],
    "merge_missing_reason": [m.merge_missing_reason(MISSING), m.merge_missing_reason(MISSING[:1])],
    "merge_waits_message": [
        m.merge_waits_message(DONE, "queue", ()),
        m.merge_waits_message(DONE, "auto_merge", ("build", "test (3.12)")),
        m.merge_waits_message(DONE, "auto_merge", ()),
    ],
    "merge_waits_reason": [m.merge_waits_reason("queue"), m.merge_waits_reason("auto_merge")],
    "merge_removed_message": [
        m.merge_removed_message(DONE, m.merge_removed_reason("queue", "ci_failure")),
        m.merge_removed_message(DONE, m.merge_removed_reason("auto_merge", "")),
    ],
    "merge_removed_reason": [
        m.merge_removed_reason("queue", reason) for reason in ("a_new_reason", "unknown_removal_reason")
    ],
    "merge_long_wait_message": [m.merge_long_wait_message(QUEUED, ("build",)), m.merge_long_wait_message(DONE, ())],
    "merge_group_description": [
        m.merge_group_description("a" * 40, is_verified=True),
        m.merge_group_description("a" * 40, is_verified=False),
    ],
    "offer_message": [m.offer_message("ENG-1")],
    "not_permitted_message": [m.not_permitted_message(Person(id="u2", name="Eve")), m.not_permitted_message(None)],
    "not_allowed_to_take_message": [m.not_allowed_to_take_message("Eve")],
    "not_served_message": [m.not_served_message("OPS")],
    "in_review_message": [m.in_review_message(DONE)],
    "declined_message": [m.DECLINED_MESSAGE],
    "progress_moved_message": [m.PROGRESS_MOVED_MESSAGE],
    "undelegated_reason": [m.undelegated_reason("Ana"), m.undelegated_reason("")],
    "working_message": [m.working_message(MAKING)],
    "round_started_message": [m.round_started_message(("Ana", "bea"), 2, 3), m.round_started_message(("Ana",), 0, 1)],
    "too_many_rounds_reason": [m.too_many_rounds_reason(5, ("Ana",), (THREAD,))],
    "thread_reply": [
        m.thread_reply(replace(THREAD, **given), sha, "b" * 40, changed=is_changed)
        for given, sha, is_changed in (
            ({"is_applied": True}, "a" * 40, True),
            ({"answer": "done", "note": "Renamed it."}, "a" * 40, True),
            ({"answer": "done"}, "a" * 40, False),
            ({"answer": "disagree", "note": "Callers use the name."}, "a" * 40, False),
            ({"answer": "disagree"}, "b" * 40, False),
            ({"answer": "need detail", "note": "Which caller?"}, "b" * 40, False),
            ({}, "a" * 40, True),
            ({}, "a" * 40, False),
            ({}, "b" * 40, False),
        )
    ],
    "answered_message": [m.answered_message((THREAD,), "a" * 40)],
    "review_missing_message": [
        m.review_missing_message(created=True, reason="", url="https://h/7", decision="changes_requested"),
        m.review_missing_message(
            created=False, reason=m.UNKNOWN_ACCOUNT_REASON, url="https://h/7", decision="review_required"
        ),
    ],
    "unknown_account_reason": [m.UNKNOWN_ACCOUNT_REASON],
    "follow_up_title": [
        m.follow_up_title(DONE, Guidance(author="Ana", text=text)) for text in ("", "Lock accounts\nafter ten logins")
    ],
    "follow_up_body": [
        m.follow_up_body(DONE, Guidance(author="Ana", text="Lock accounts\nafter ten logins"), ()),
        m.follow_up_body(DONE, Guidance(author="Ana", text=""), (Finding(text="no test", path="login.py"),)),
    ],
    "proposal_title": [m.proposal_title("Rounding @ana differs\nin reports")],
    "proposal_body": [m.proposal_body(DONE, "See `report.py`.\n\n@ana please merge")],
    "account_cannot_write_reason": [m.account_cannot_write_reason("ana")],
    "review_refused_reason": [m.review_refused_reason("Can not approve your own pull request")],
    "second_person_message": [m.second_person_message("Ana")],
    "unknown_person_message": [m.unknown_person_message("bea")],
    "linked_message": [m.linked_message("Ana Flores", "ana")],
    "not_linked_message": [
        m.not_linked_message("Ana", "bea", problem)
        for problem in (
            m.fixed_account_problem("ana"),
            m.linked_account_problem("Bea"),
            m.unknown_account_problem(("acme/shop", "acme/web")),
        )
    ],
    "relayed_message": [
        m.relayed_message("Ana *Flores*", "MCP", "", "Why so long?\n\n# Today"),
        m.relayed_message("Ana", "MCP", "approve", ""),
        m.relayed_message("Ana", "MCP", "retry", "use @decimals"),
    ],
    "moved_head_message": [
        m.moved_head_message(Identifier("ENG-1"), "a" * 40),
        m.moved_head_message(Identifier("ENG-1"), ""),
    ],
    "no_access_message": [m.no_access_message(Identifier("ENG-1"))],
}


SHOWN |= informing_messages.SHOWN


def test_messages_match_the_snapshot() -> None:
    own = Own("ENG-1", ("https://linear.test", "https://github.test/acme/shop", "https://loopline.acme.test"))
    sent = {name: [sanitize_markdown(text, own) for text in shown] for name, shown in SHOWN.items()}
    text = "\n".join(f"# {name}\n\n" + "\n\n---\n\n".join(shown) + "\n" for name, shown in sent.items())
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(text, encoding="utf-8")
        raise AssertionError(f"{SNAPSHOT.name} did not exist and has been written: read it, then run again")

    assert text == SNAPSHOT.read_text(encoding="utf-8")


def test_messages_are_all_in_the_snapshot() -> None:
    parts = {
        "format_evidence",
        "format_tests",
        "format_names",
        "format_seconds",
        "describe_experiment",
        "format_tampering",
        "inline",
        "fenced",
        "code",
        "quoted",
        "shorten",
        "sanitize_markdown",
        "sanitize_line",
        "fold",
        "fit_lines",
        "limit_words",
        "link",
        "format_version",
        "format_time",
        "list_names",
        "name_mover",
        "format_starters",
        "name_failure",
        "join_names",
        "fixed_account_problem",
        "linked_account_problem",
        "unknown_account_problem",
        "name_account",
        "list_paths",
        "list_authors",
        "format_page",
        "find_type",
    }  # of other messages
    values = {"list_choices", "list_plan", "current_activity", "list_proofs", "list_failing"}
    values |= {"list_proof", "list_asked"}
    values |= {"split_sections", "compose_description", "update_description", "choose_title", "fit_texts"}
    values |= {"find_template", "find_places", "tick_boxes"}

    assert (PUBLIC.keys() - parts - values) | {name.lower() for name in CONSTANTS} == SHOWN.keys()


def test_messages_neutralize_mentions_images_and_comments_of_a_ticket() -> None:
    hostile = replace(TICKET, title="x @everyone ![i](http://e/) <!-- y --> ```")

    text = m.question_message(hostile) + m.pull_request_title(replace(DONE, ticket=hostile))
    text = sanitize_markdown(text, Own("ENG-1"))

    assert all(bad not in text for bad in ("@everyone", "![", "<!--", "```"))


LARGE = {
    "pull_request_body", "proposal_message", "agreed_message", "criteria_changed_message", "help_message",
    "finding_body", "memory_body", "lesson_body",
}  # fmt: skip
"""Messages that are read on the code host, or that list all criteria or commands for a person to decide about."""
LARGE |= informing_messages.LARGE


def visible(text: str) -> str:
    """The part before the fold."""
    return text.split("\n+++ ")[0]


@pytest.mark.parametrize("name", sorted(SHOWN.keys() - LARGE))
def test_message_fits_on_a_phone(name: str) -> None:
    assert max(len(visible(text).split()) for text in SHOWN[name]) <= VISIBLE_WORDS


@pytest.mark.parametrize("kind", ["progress", "verdict", "no change", *get_args(EscalationClass)])
def test_message_with_long_parts_fits_on_a_phone(kind: str) -> None:
    words = "`one` two three " * 500
    stuck = changed(
        LONG, stage=Stage.NEEDS_HUMAN, reason=words, tried=(words,) * 20, summary=words,
        evidence=(replace(FAILED, name="c0", command=words, output=words),), tampering=TAMPERING * 40,
        experiments=tuple(replace(one, text=words, names=(words,) * 9) for one in DISPUTED.experiments) * 5,
    )  # fmt: skip
    text = {
        "progress": lambda: m.progress_message(replace(stuck, preflight=Preflight(result=ON_BASE)), 3),
        "verdict": lambda: m.verdict_message(stuck, "https://loopline.acme.test"),
        "no change": lambda: m.no_change_message(stuck),
    }.get(kind, lambda: m.escalation_message(replace(stuck, escalation=Escalation(kind=kind, at=1.0))))()  # type: ignore[arg-type]

    assert len(visible(text).split()) <= VISIBLE_WORDS * (1.5 if kind == "progress" else 1)
    assert text.count("\n+++ ") == 1 and text.endswith("\n+++")


def test_fold_is_not_ended_by_its_text() -> None:
    text = m.fold("Details", "+++\n  +++ b/file\n```\n+++\n```\n> +++")

    assert [line for line in text.splitlines() if line.strip().startswith("+++")] == ["+++ Details", "+++"]
    assert m.fold("Details", "", "") == ""


def test_verdict_that_names_no_commit_shows_it() -> None:
    assert "keep --json — no new commit, it held before: cli.py:12" in m.verdict_message(UNCHANGED)


def test_verdict_shows_first_what_is_not_met() -> None:
    mixed = replace(
        VERDICT, results=(*VERDICT.results[:2], CriterionResult(criterion="k1", result="fail", evidence="x"))
    )
    lines = [line for line in m.verdict_message(changed(DONE, verdict=mixed)).splitlines() if line.startswith("- ")]

    assert lines[0].startswith("- ✘ lint")
