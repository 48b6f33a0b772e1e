"""The preflight with the real board, code host, Redis, git and sandbox; no model is ever called."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from integrations.events import BranchPushed
from integrations.git.lfs_pointer import Pointer, format_pointer
from integrations.results import Evidence
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from jobs.advance_run import advance_run
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.run_order import add_waiting
from jobs.sweep import sweep
from jobs.workflow.preflight import awaits_new_base
from tests.integrations.git.hosting import commit, git
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, candidate, finish, moved, said, say

REPOSITORY = "acme/tally"
PASSES = "python3 -c 'pass'"


@dataclass
class Project:
    """The repository of the board's team, and its tickets."""

    board: Board
    upstream: Path
    deliveries: int = 0

    def commit(self, files: dict[str, bytes | str] | None = None, **loop: object) -> str:
        """A commit on main with this `loop` section in WORKFLOW.md."""
        workflow = f"---\nloop: {json.dumps({'scout': False, **loop})}\n---\nBe brief.\n"
        return commit(self.upstream, {"WORKFLOW.md": workflow.encode(), **(files or {})})

    def push(self, **loop: object) -> str:
        """The same, with the code host's webhook."""
        sha = self.commit(**loop)
        self.deliveries += 1
        event_id = f"push-{self.deliveries}"
        place = {"repository": REPOSITORY, "branch": "main", "head_sha": sha}
        route(self.board.world.redis, BranchPushed(event_id=event_id, ticket_id="", at=time.time(), **place))
        return sha

    def run(self, identifier: str = BUG) -> Loop:
        """Take the ticket as far as it gets without an agent."""
        for _ in range(10):
            loop = self.board.drive(identifier)
            assert loop
            if loop.stage not in {Stage.PREFLIGHT, Stage.GATING}:
                return loop
            add_waiting(self.board.world.redis, loop.run_id, first=True)
            advance_run(loop.run_id)
        raise AssertionError(f"{identifier} stays at {loop.stage}")

    def hand_over(self, identifier: str = BUG) -> Loop:
        moved(self.board, identifier, "Agent")
        return self.run(identifier)

    def commands(self, identifier: str) -> list[str]:
        """The first line of each command that preflights of the ticket ran on main."""
        runs = self.board.world.runs
        names = [run for run in runs.list_runs(self.board.ticket_id(identifier)) if run.endswith("-preflight")]
        notes = [entry for name in names for _, entry in runs.transcript(name) if entry.kind == "note"]
        return [str(note.data["text"]).partition("\n")[0] for note in notes]

    def calls(self, identifier: str = BUG) -> list[str]:
        return [body for body in said(self.board, identifier) if body.startswith("**Needs you: ")]


@pytest.fixture
def project(board: Board, tmp_path: Path) -> Iterator[Project]:
    board.world._sandbox = Sandbox(find_bwrap(), default_read_only())
    upstream = next(folder.parent for folder in (tmp_path / "github").rglob("HEAD") if "tally" in str(folder))
    yield Project(board, upstream)


def checks(*commands: str) -> list[dict[str, object]]:
    return [{"name": f"check {number}", "run": command} for number, command in enumerate(commands, 1)]


def test_preflight_that_passes_starts_the_work(project: Project) -> None:
    project.commit(checks=checks(PASSES, "python3 -m unittest discover -q"), setup=["touch prepared"])

    loop = project.hand_over()

    assert loop.stage is Stage.MAKING
    assert [check.state for check in loop.preflight.result.checks] == ["", ""]
    assert "On `main`, before any change: all 2 checks pass." in said(project.board, BUG)[0]
    assert not list(project.board.world.run_folder(BUG).glob("*-preflight"))


BLOCKING: dict[str, tuple[dict[str, object], int, str]] = {
    "missing tool": ({"checks": checks("ruff check .")}, 127, "`ruff` is not in the environment: add it to"),
    "missing tool of make": (
        {"checks": checks("printf 'all:\\n\\t@rufff\\n' | make -f -")}, 2, "`rufff` is not in the environment",
    ),
    "missing module": ({"checks": checks("python3 -m pytestt -q")}, 1, "`pytestt` is not in the environment"),
    "missing script": ({"checks": checks("./check.sh")}, 127, "The repository has no `./check.sh`"),
    "not executable": ({"checks": checks("./README.md")}, 126, "git update-index --chmod=+x"),
    "failing setup": ({"setup": ["echo it broke >&2; exit 3"]}, 3, "Correct the command in `loop.environment.setup`"),
    "setup without the tool": ({"setup": ["uvv sync"]}, 127, "`uvv` is not on Loopline's machine"),
    "setup without network": ({"setup": ["echo 'Could not resolve host: a.test'; exit 1"]}, 1, "needs a host that it"),
    "slow check": ({"checks": [{"name": "a", "run": "sleep 9", "minutes": 0.01}]}, 124, "raise `minutes` of the check"),
    "slow checks": ({"checks": checks("sleep 9"), "limits": {"check_minutes": 0.01}}, 124, "limits.check_minutes`"),
    "flood": ({"checks": checks("head -c 3000000 /dev/zero"), "limits": {"output_megabytes": 1}}, 137, "megabytes`"),
}  # fmt: skip


@pytest.mark.parametrize("case", BLOCKING)
def test_preflight_reports_a_problem_of_the_environment_without_a_model_call(project: Project, case: str) -> None:
    policy, exit_code, cause = BLOCKING[case]
    project.commit(**policy)

    loop = project.hand_over()

    assert loop.escalation and (loop.stage, loop.escalation.kind) == (Stage.NEEDS_HUMAN, "environment")
    (call,) = project.calls()
    assert f"ended with exit {exit_code}" in call and cause in call
    assert "starts again by itself" in call and "0 model calls" in call
    assert (loop.attempt.iteration, loop.attempts, loop.spend.usage.model_calls) == (0, (), 0)
    assert project.board.ana.board()[BUG]["column"] == "Needs Human"


def test_new_base_commit_starts_a_blocked_ticket_again(project: Project) -> None:
    project.commit(checks=checks("ruff check ."))
    first = project.hand_over()

    fixed = project.push(checks=checks(PASSES))
    loop = project.run()

    assert (loop.stage, loop.generation, loop.workspace.base_sha) == (Stage.MAKING, first.generation, fixed)
    assert loop.escalation is None
    assert "needs-human" not in project.board.world.tracker.fetch(loop.ticket.id).labels
    assert len(project.calls()) == 1


def test_new_base_commit_with_the_same_problem_is_not_reported_again(project: Project) -> None:
    project.commit(checks=checks("ruff check ."))
    project.hand_over()

    for number in range(3):
        project.push(checks=checks("ruff check ."), iterations=number + 1)
        loop = project.run()

    assert (loop.stage, loop.preflight.restarts, len(project.calls())) == (Stage.NEEDS_HUMAN, 3, 1)
    assert project.board.ana.board()[BUG]["column"] == "Needs Human"
    project.push(checks=checks("mypy ."))
    project.run()
    assert len(project.calls()) == 2


def test_new_base_commit_without_a_webhook_is_found_by_the_sweep(project: Project) -> None:
    project.commit(checks=checks("ruff check ."))
    project.hand_over()
    sweep()
    assert project.run().stage is Stage.NEEDS_HUMAN

    project.commit(checks=checks(PASSES))
    sweep()

    assert project.run().stage is Stage.MAKING


def test_new_base_commit_leaves_a_ticket_that_was_moved_away(project: Project) -> None:
    project.commit(checks=checks("ruff check ."))
    project.hand_over()
    moved(project.board, BUG, "Backlog")

    project.push(checks=checks(PASSES))

    assert project.run().stage is Stage.NEEDS_HUMAN
    assert project.board.ana.board()[BUG]["column"] == "Backlog"


def test_new_base_commit_does_not_concern_a_ticket_at_work(project: Project) -> None:
    project.commit(checks=checks(PASSES))
    before = project.hand_over()

    project.push(checks=checks("ruff check ."))

    assert replace(project.run(), upstream=before.upstream) == before, "it is only noted"


def test_retry_after_a_fix_elsewhere_repeats_the_preflight(project: Project) -> None:
    project.commit(checks=checks("test -e /tmp || exit 127", "ruff check ."))
    first = project.hand_over()
    assert awaits_new_base(first)

    say(project.board, BUG, "/retry")
    loop = project.run()

    assert (loop.stage, loop.generation, len(project.calls())) == (Stage.NEEDS_HUMAN, first.generation, 2)


def test_check_that_is_red_on_main_does_not_count_against_the_work(project: Project) -> None:
    project.commit(checks=checks("exit 3", PASSES))
    loop = project.hand_over()
    assert loop.contract and loop.stage is Stage.MAKING
    red = next(criterion for criterion in loop.contract.criteria if criterion.command == "exit 3")
    assert (red.base, red.text) == ("failing", "check 1 (repository check, already failing on main)")
    assert red not in loop.contract.required

    after = finish(project.board, loop, head_sha=candidate(project.board, loop), summary="Did it.")
    advance_run(after.run_id)
    gated = project.board.drive(BUG)

    assert gated
    proof = {evidence.command: evidence for evidence in gated.candidate.evidence}
    assert (proof["exit 3"].exit_codes, proof["exit 3"].failed) == ((3,), False)
    assert proof[PASSES].passed


def test_check_that_is_flaky_on_main_does_not_fail_the_work_by_its_flakiness(project: Project) -> None:
    now = int(time.time())  # nothing that one run writes is there in the next, so each first run waits and fails
    until = f"$(test -e examples && echo {now + 4} || echo {now + 14})"
    flaky = f"until={until}; test $(date +%s) -ge $until || {{ sleep $((until - $(date +%s))); exit 1; }}"
    project.commit(checks=checks(flaky), contract="auto")
    loop = project.hand_over()
    assert [check.state for check in loop.preflight.result.checks] == ["flaky"]

    after = finish(project.board, loop, head_sha=candidate(project.board, loop), summary="Did it.")
    advance_run(after.run_id)
    gated = project.board.drive(BUG)

    assert gated
    (proof,) = [one for one in gated.candidate.evidence if one.command == flaky]
    assert (proof.flaky, proof.passed, proof.failed) == (True, False, False)


def test_result_of_a_base_tree_is_shared_by_tickets_and_commits_with_the_same_tree(project: Project) -> None:
    project.commit(checks=checks(PASSES, "exit 3"), flaky_reruns=0)
    first = project.hand_over(BUG)
    second = project.hand_over(FEATURE)

    assert second.stage is Stage.MAKING
    assert second.preflight.result == first.preflight.result
    assert project.commands(FEATURE) == []
    assert len(project.commands(BUG)) == 2


def test_result_of_a_problem_is_not_kept(project: Project) -> None:
    project.commit(checks=checks("ruff check ."))
    project.hand_over()

    assert project.board.world.redis.keys("base-checks:*") == []


def test_results_of_the_oldest_trees_are_dropped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.store import preflights

    monkeypatch.setattr(preflights, "MOST_TREES", 2)
    for number in range(4):
        project.commit(checks=checks(PASSES), iterations=number + 1)
        assert (
            say(project.board, BUG, "/retry") and project.run() if number else project.hand_over()
        ).stage is Stage.MAKING
        say(project.board, BUG, "/stop")

    redis = project.board.world.redis
    assert (len(redis.keys("base-checks:*")), redis.zcard(keys.BASE_TREES)) == (2, 2)


def test_corrected_workflow_applies_after_a_retry(project: Project) -> None:
    project.commit(checks=checks("exit 1"), setup=["touch old"])
    loop = project.hand_over()
    assert loop.contract
    own = [criterion for criterion in loop.contract.criteria if criterion.id.startswith("c")]
    say(project.board, BUG, "/stop")

    project.commit(checks=checks(PASSES, "test -e new"), setup=["touch new"], limits={"files": 7})
    say(project.board, BUG, "/retry")
    after = project.run()

    assert after.contract and after.stage is Stage.MAKING
    assert [criterion.command for criterion in after.contract.criteria if criterion.id.startswith("k")] == [
        PASSES,
        "test -e new",
    ]
    assert [criterion for criterion in after.contract.criteria if criterion.id.startswith("c")] == own
    assert (after.contract.version, after.workflow.limits.files) == (loop.contract.version + 1, 7)
    assert all(not criterion.base for criterion in after.contract.criteria)
    (told,) = [body for body in said(project.board, BUG) if body.startswith("**The repository's checks changed")]
    assert "`test -e new`" in told


def test_submodule_that_is_not_fetched_is_named_at_hand_over(project: Project) -> None:
    modules = b'[submodule "rates"]\n\tpath = vendor/rates\n\turl = https://git.acme.test/rates\n'
    project.commit({".gitmodules": modules, "vendor/rates": "a" * 40}, checks=checks(PASSES))

    assert project.hand_over().preflight.result.unfetched == ("vendor/rates",)
    assert any("content that is not fetched: `vendor/rates`" in body for body in said(project.board, BUG))


def test_check_that_needs_a_submodule_is_a_problem_of_the_environment(project: Project) -> None:
    modules = b'[submodule "rates"]\n\tpath = vendor/rates\n\turl = https://git.acme.test/rates\n'
    project.commit(
        {".gitmodules": modules, "vendor/rates": "a" * 40}, checks=checks("python3 -c 'from vendor.rates import euro'")
    )

    loop = project.hand_over()

    assert loop.escalation and loop.escalation.kind == "environment"
    assert "probably needs `vendor/rates`, whose content is not fetched" in loop.reason


def test_submodule_that_policy_allows_is_there_for_the_checks(project: Project) -> None:
    own = project.commit({"rates.py": b"euro = 1"})
    modules = b'[submodule "rates"]\n\tpath = vendor/rates\n\turl = ../tally\n'
    files: dict[str, bytes | str] = {".gitmodules": modules, "vendor/rates": own}
    reads = checks("python3 -c 'from vendor.rates.rates import euro; import built'")
    project.commit(files, checks=reads, setup=["cp vendor/rates/rates.py built.py"], submodules=True)

    loop = project.hand_over()

    assert (loop.stage, loop.preflight.result.unfetched) == (Stage.MAKING, ())
    assert not any("not fetched" in body for body in said(project.board, BUG))


def test_submodule_on_another_host_is_refused_on_the_ticket(project: Project) -> None:
    modules = b'[submodule "rates"]\n\tpath = vendor/rates\n\turl = https://git.acme.test/acme/rates\n'
    project.commit({".gitmodules": modules, "vendor/rates": "a" * 40}, checks=checks(PASSES), submodules=True)

    loop = project.hand_over()

    assert loop.stage is Stage.NEEDS_HUMAN
    (call,) = project.calls()
    assert "the submodule vendor/rates cannot be fetched: its url is not an https URL of the same code host" in call
    assert loop.spend.usage.model_calls == 0


def test_lfs_pointer_is_named_at_hand_over(project: Project) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
    attributes = b"*.bin filter=lfs diff=lfs merge=lfs -text\n*.png filter=lfs\n"
    project.commit({".gitattributes": attributes, "data/a.bin": pointer, "b.png": b"PNG"}, checks=checks(PASSES))

    assert project.hand_over().preflight.result.unfetched == ("data/a.bin",)
    assert any("`loop.lfs: true` for files of Git LFS" in body for body in said(project.board, BUG))


def test_lfs_file_has_its_content_for_the_checks_when_the_policy_fetches_it(project: Project) -> None:
    content = b"content of Git LFS"
    oid = hashlib.sha256(content).hexdigest()
    store = project.upstream.parents[2] / "lfs" / REPOSITORY
    files = {".gitattributes": b"*.bin filter=lfs -text\n", "a.bin": format_pointer(Pointer(oid, len(content)))}
    project.commit(files, checks=checks("grep content a.bin"), lfs=True)
    blocked = project.hand_over()
    assert blocked.stage is Stage.NEEDS_HUMAN and blocked.spend.usage.model_calls == 0
    assert "the file a.bin of Git LFS cannot be fetched: the code host does not have it" in project.calls()[0]

    store.mkdir(parents=True)
    (store / oid).write_bytes(content)
    say(project.board, BUG, "/retry")
    result = project.run().preflight.result
    assert [check.state for check in result.checks] == [""] and result.unfetched == ()


def test_missing_tool_of_the_tickets_own_command_is_found_at_the_first_gate(project: Project) -> None:
    project.commit(checks=checks(PASSES))
    loop = project.hand_over()
    gating = finish(project.board, loop, head_sha=candidate(project.board, loop), summary="Did it.")
    missing = Evidence(
        name="c1", command="ruff check .", exit_code=127, output="bash: line 1: ruff: command not found\n"
    )

    blocked = finish(project.board, gating, evidence=(missing,))

    assert blocked.escalation and (blocked.stage, blocked.escalation.kind) == (Stage.NEEDS_HUMAN, "environment")
    assert "`ruff` is not in the environment" in blocked.reason
    assert (blocked.attempt.iteration, blocked.attempts) == (1, ())

    project.push(checks=checks(PASSES), setup=["touch fixed"])
    again = project.board.drive(BUG)
    assert again
    advance_run(again.run_id)
    again = project.board.drive(BUG)
    assert again and (again.stage, again.candidate.head_sha) == (Stage.GATING, gating.candidate.head_sha)
    assert again.run_id != gating.run_id


def test_limit_beyond_the_operators_bound_is_refused_with_the_setting(project: Project) -> None:
    project.commit(checks=[{"name": "slow", "run": PASSES, "minutes": 61}])

    loop = project.hand_over()

    assert loop.stage is Stage.NEEDS_HUMAN
    assert "loop.checks.0.minutes to 61, more than the 60 that LOOPLINE_MAX_COMMAND_MINUTES allows" in loop.reason


def test_hand_over_of_a_ticket_that_names_a_protected_path_is_told_before_money_is_spent(project: Project) -> None:
    project.commit(checks=checks(PASSES), protected=["deploy/**"])
    project.board.ana.write(BUG, "Set the address", "Done when\n- `grep -q URL deploy/site.yml` passes")

    loop = project.hand_over()

    assert [body for body in said(project.board, BUG) if "protected paths: `deploy/site.yml`" in body]
    assert loop.spend.usage.model_calls == 0


def test_preflight_leaves_git_alone(project: Project) -> None:
    project.commit(checks=checks("git log --oneline | head -1"))
    before = git(project.upstream, "for-each-ref")

    project.hand_over()

    assert git(project.upstream, "for-each-ref") == before
