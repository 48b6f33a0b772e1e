"""The gate on real git, in the real sandbox: what an agent did to the checks does not make them green."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from redis import Redis

from integrations.events import EVENT, RunFinished
from integrations.git.mirror import Mirror
from integrations.results import Evidence, Gated
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.values import Identifier, RunId, Ticket, TicketId
from jobs.advance_run import advance_run
from jobs.config.settings import Settings
from jobs.effects import world as worlds
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.loop.environment_policy import EnvironmentPolicy
from jobs.loop.foreign_state import ForeignPush
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.proof_policy import ProofPolicy
from jobs.loop.state import Contract, Criterion
from jobs.workflow import ServicePolicy
from tests.integrations.git.hosting import GitHost, commit, git
from tests.loops import spec_with

CODE = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
TESTS = """\
import unittest

from shop.cart import add


class Adding(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(add(1, 0), 1)

    def test_add(self):
        self.assertEqual(add(1, 2), 3)
"""
TEST = "tests/test_cart.py"
BASE = {
    "shop/__init__.py": "", "shop/cart.py": CODE, "tests/__init__.py": "", TEST: TESTS,
    "Makefile": "check:\n\tpython3 -m unittest -q\n",
}  # fmt: skip
UNITTEST = "python3 -m unittest -q"
CRITERION = Criterion(id="k1", text=UNITTEST, command=UNITTEST)
Files = Mapping[str, str | None]


@dataclass
class Gate:
    """A repository with a base commit, and the gate's answer to a change of it."""

    upstream: Path
    mirror: Mirror
    world: World
    base: str
    runs: int = 0

    def spec(
        self,
        files: Files,
        commands: tuple[str, ...] = (UNITTEST,),
        policy: LoopPolicy | None = None,
        contract: Contract | None = None,
    ) -> RunSpec:
        """A gate run on these files, started."""
        self.runs += 1
        criteria = tuple(Criterion(id=f"k{n}", text=c, command=c) for n, c in enumerate(commands, 1))
        spec = spec_with(
            Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="Add"), f"ENG-1-{self.runs}-gate",
            role="gate", base_sha=self.base, start_sha=self.candidate(files),
            contract=contract or Contract(criteria=criteria),
            policy=RepositoryPolicy(loop=policy or LoopPolicy()), started_at=1.0,
        )  # fmt: skip
        self.world.runs.start(spec)
        return spec

    def candidate(self, files: Files) -> str:
        """A commit of these files on the base."""
        git(self.upstream, "update-ref", "refs/heads/candidate", self.base)
        sha = commit(self.upstream, {p: None if t is None else t.encode() for p, t in files.items()}, "candidate")
        self.mirror.fetch("candidate")
        return sha

    def finished(self, run_id: str) -> RunFinished | None:
        """What the ticket was told of the run, if it has ended."""
        raw = self.world.store.next_event("t1")
        event = EVENT.decode(raw) if raw else None
        return event if isinstance(event, RunFinished) and event.run_id == run_id else None

    def __call__(self, files: Files, *commands: str, policy: LoopPolicy | None = None) -> RunFinished:
        spec = self.spec(files, commands or (UNITTEST,), policy)
        advance_run(spec.run_id)
        event = self.finished(spec.run_id)
        assert event is not None
        return event


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("host")) as host:
        host.create("acme/shop")
        yield host


@pytest.fixture
def gate(host: GitHost, tmp_path: Path, redis: Redis, settings: Settings) -> Gate:
    upstream = host.root / "acme/shop.git"
    base = commit(upstream, {path: text.encode() for path, text in BASE.items()}, message=str(tmp_path))
    world = World(settings, redis, ServicePolicy(teams={}), _sandbox=Sandbox(find_bwrap(), default_read_only()))
    world.raise_faults = True
    worlds.install(world)
    url = f"{host.url}/acme/shop.git"
    mirror = Mirror(settings.home / "repos" / "acme__shop.git", url)
    mirror.fetch("main")
    return Gate(upstream, mirror, world, base)


def only(event: RunFinished) -> Evidence:
    (evidence,) = event.result.evidence
    return evidence


def results(event: RunFinished) -> dict[str, str]:
    """The result of each experiment with the only command."""
    return {one.kind: one.result for one in event.result.experiments}


def kinds(event: RunFinished) -> set[str]:
    return {t.kind for t in event.result.tampering}


def test_gate_is_green_for_honest_work_without_a_question(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT}, UNITTEST, "make check")

    assert [e.exit_code for e in event.result.evidence] == [0, 0]
    assert all(e.passed for e in event.result.evidence)
    assert (event.outcome, event.result.tampering, event.result.stray) == ("done", (), ())


def test_gate_names_its_verdicts_and_the_environment_of_the_candidate(gate: Gate) -> None:
    files = {"shop/cart.py": RIGHT, ".github/workflows/ci.yml": "on: push\n", "package-lock.json": "{}\n"}
    new_test = TESTS + "\n    def test_more(self):\n        self.assertEqual(add(2, 2), 4)\n"
    event, other = gate(files | {TEST: new_test}), gate.spec({"shop/cart.py": RIGHT})
    advance_run(other.run_id)
    without = gate.world.runs.provenance(other.run_id)

    assert event.provenance and without
    assert event.provenance.verdicts[0] == "gate: 1 passed"
    assert any(one.startswith("needs acceptance: ") and "protected" in one for one in event.provenance.verdicts)
    assert event.provenance.environment != without.environment, "the lock file is an input"
    assert event.provenance.model == event.provenance.prompt == ""


def test_gate_reports_the_tree_of_the_candidate(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT})

    spec = gate.world.runs.spec(event.run_id)
    assert spec and event.result.tree == gate.mirror.tree_of(spec.start_sha)


@pytest.mark.parametrize(
    "files",
    [
        {TEST: TESTS[: TESTS.index("    def test_add")]},
        {TEST: None},
        {TEST: TESTS.replace("    def test_add", "    @unittest.skip('x')\n    def test_add")},
        {TEST: TESTS.replace("Equal(add(1, 2), 3)", "True(add(1, 2))")},
        {TEST: TESTS.replace("(add(1, 2), 3)", "(add(1, 2), -1)")},
        {TEST: TESTS + "\n\ndef load_tests(*_):\n    return unittest.TestSuite()\n"},
        {TEST: TESTS.replace("):\n    def test_n", "):\n    def run(self, r=None):\n        pass\n\n    def test_n")},
    ],
    ids=["removed", "file removed", "skipped", "loosened", "expectation", "load_tests", "run"],
)
def test_tests_of_the_base_commit_have_to_pass_with_the_new_code(gate: Gate, files: Files) -> None:
    event = gate(files)

    assert not only(event).passed or kinds(event) & {"tests_lost", "fewer_tests", "proves_nothing"}
    if only(event).exit_code == 0:  # Python 3.12 ends with 5 when there are no tests at all
        assert results(event)["old_tests"] == "asked"
        assert {t.path for t in event.result.tampering if t.kind == "tests_lost"} == {TEST}


def test_check_that_never_fails_any_more_proves_nothing(gate: Gate) -> None:
    event = gate({"Makefile": "check:\n\texit 0\n", "shop/cart.py": CODE + "\n"}, "make check")

    assert only(event).exit_code == 0
    assert results(event)["without_extras"] == "asked"
    assert {(t.kind, t.path) for t in event.result.tampering} >= {("extras", "Makefile")}


OTHER_BEHAVIOUR = {
    "shop/cart.py": CODE.replace("a - b", "a * b"),
    TEST: TESTS.replace("0), 1", "0), 0").replace("), 3", "), 2"),
}


def test_expectation_that_was_changed_needs_approval_by_a_person(gate: Gate) -> None:
    event = gate(OTHER_BEHAVIOUR)

    assert only(event).passed
    assert {(t.kind, t.path) for t in event.result.tampering} == {("tests_lost", TEST)}


def test_expectation_that_the_contract_may_change_needs_no_approval(gate: Gate) -> None:
    spec = gate.spec(OTHER_BEHAVIOUR, contract=Contract(criteria=(CRITERION,), may_change=("tests/**",)))
    advance_run(spec.run_id)
    allowed = gate.finished(spec.run_id)
    assert allowed and allowed.result.tampering == ()


NEW = """\
import unittest

from shop.cart import add


class More(unittest.TestCase):
    def test_two(self):
        self.assertEqual(add({}), {})
"""
MORE = "python3 -m unittest -q tests.test_more"


def test_new_test_has_to_fail_without_the_change_and_with_altered_code_and_expectations(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT, "tests/test_more.py": NEW.format("2, 2", "4")}, UNITTEST)

    assert only(event).passed and event.result.tampering == ()
    assert results(event) == {
        "old_tests": "held", "new_tests": "held", "broken_code": "held", "false_expectations": "held", "counts": "held",
        "without_extras": "skipped", "suppressions": "skipped", "writes": "held",
    }  # fmt: skip
    assert event.result.proof_seconds > 0


def test_new_test_that_passes_without_the_change_proves_nothing(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT, "tests/test_more.py": NEW.format("2, 0", "2")}, MORE)

    assert not only(event).passed and only(event).exit_code == 0
    assert "without the change" in only(event).refuted
    assert results(event)["new_tests"] == "refuted"


def test_new_test_that_swallows_its_failure_proves_nothing(gate: Gate) -> None:
    deaf = NEW.replace("self.assertEqual(add({}), {})", "try:\n            self.assertEqual(add(2, 2), 5)\n"
                       "        except AssertionError:\n            pass")  # fmt: skip
    event = gate({"shop/cart.py": RIGHT, "tests/test_more.py": deaf}, MORE)

    assert not only(event).passed
    assert "refuted" in (results(event)["false_expectations"], results(event)["new_tests"])


def test_fast_proof_leaves_out_altered_code_and_expectations(gate: Gate) -> None:
    policy = LoopPolicy(proof=ProofPolicy(mode="fast"))
    event = gate({"shop/cart.py": RIGHT, "tests/test_more.py": NEW.format("2, 2", "4")}, policy=policy)

    assert {kind for kind, result in results(event).items() if result == "skipped"} == {
        "broken_code", "false_expectations", "without_extras", "suppressions"
    }  # fmt: skip
    assert {one.text for one in event.result.experiments if one.kind == "broken_code"} == {"`proof: fast`"}


def test_command_sees_nothing_of_an_earlier_one(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT}, "touch built && touch ~/built", "test ! -e built && test ! -e ~/built")

    assert [e.exit_code for e in event.result.evidence] == [0, 0]


def test_command_that_changes_tests_while_it_runs_is_asked_about(gate: Gate) -> None:
    files = {"shop/cart.py": RIGHT, "check.sh": f"echo pass > {TEST}\n"}
    event = gate(files, "if test -e check.sh; then sh check.sh; fi")

    assert ("writes", TEST) in {(t.kind, t.path) for t in event.result.tampering}


def test_experiments_continue_in_the_next_slice(gate: Gate) -> None:
    gate.world.settings = gate.world.settings.model_copy(update={"slice_seconds": 0, "proof_commands": 1})
    spec = gate.spec({"shop/cart.py": RIGHT, "tests/test_more.py": NEW.format("2, 2", "4")})
    slices = 0
    while gate.finished(spec.run_id) is None:
        advance_run(spec.run_id)
        slices += 1
        assert slices < 20

    event = gate.finished(spec.run_id)
    assert event and only(event).passed and slices >= 5


def test_new_test_in_an_existing_file_is_run_without_a_question(gate: Gate) -> None:
    more = TESTS + "\n    def test_more(self):\n        self.assertEqual(add(2, 2), 4)\n"
    event = gate({"shop/cart.py": RIGHT, TEST: more})

    assert only(event).passed
    assert "Ran 3 tests" in only(event).output
    assert event.result.tampering == ()


def test_new_test_that_fails_makes_the_gate_red(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT, TEST: TESTS + "\n    def test_more(self):\n        self.fail()\n"})

    assert not only(event).passed


def test_moved_and_renamed_test_is_honest(gate: Gate) -> None:
    moved = TESTS.replace("test_add", "test_adds_two_numbers")
    event = gate({"shop/cart.py": RIGHT, TEST: None, "tests/test_sums.py": moved})

    assert (only(event).passed, event.result.tampering) == (True, ())


def test_command_that_ends_both_ways_is_flaky_and_not_green(gate: Gate) -> None:
    later = int(time.time()) + 3  # nothing that the first run writes is there in the second
    event = gate({"shop/cart.py": RIGHT}, f"test $(date +%s) -ge {later} || {{ sleep 3; exit 3; }}")

    assert only(event).exit_codes == (3, 0)
    assert (only(event).flaky, only(event).passed) == (True, False)


@pytest.mark.parametrize(("reruns", "codes"), [(0, (1,)), (2, (1, 1, 1)), (3, (1, 1, 1, 1))])
def test_failing_command_is_run_again_as_often_as_the_policy_says(
    gate: Gate, reruns: int, codes: tuple[int, ...]
) -> None:
    event = gate({"shop/cart.py": RIGHT}, "exit 1", policy=LoopPolicy(flaky_reruns=reruns))

    assert only(event).exit_codes == codes
    assert not only(event).flaky


def test_timeout_fails_and_is_tried_once_more(gate: Gate) -> None:
    gate.world.settings = gate.world.settings.model_copy(update={"command_seconds": 1})
    event = gate({"shop/cart.py": RIGHT}, "sleep 60", policy=LoopPolicy(flaky_reruns=3))

    assert only(event).exit_codes == (124, 124)
    assert "stopped after 1 s" in only(event).output


def test_stray_files_are_named(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT, "scratch.py": "x\n", "shop/cart.py.orig": "x\n"}, "true")

    assert event.result.stray == ("scratch.py", "shop/cart.py.orig")


def test_setup_that_fails_is_reported(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT}, policy=LoopPolicy(setup=("echo no such tool; exit 3",)))

    assert event.outcome == "environment"
    assert "`echo no such tool; exit 3`" in event.summary and "no such tool" in event.summary


def test_stop_during_a_command_ends_the_gate_within_two_seconds(gate: Gate) -> None:
    seconds = f"60.{uuid.uuid4().int}"  # unique among concurrent tests, so that it can be found
    spec = gate.spec({"shop/cart.py": RIGHT}, (f"sleep {seconds}",))
    thread = threading.Thread(target=advance_run, args=(spec.run_id,))
    thread.start()
    wait_for(lambda: is_running(f"sleep\0{seconds}\0".encode()))
    gate.world.runs.ask_to_stop(spec.run_id)
    begin = time.monotonic()
    thread.join(10)

    assert time.monotonic() - begin < 2
    event = gate.finished(spec.run_id)
    assert event is not None
    assert event.outcome == "stopped"


def is_running(command: bytes) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes() == command:
                return True
    return False


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_gate_slice_continues_where_the_last_one_ended(gate: Gate) -> None:
    gate.world.settings = gate.world.settings.model_copy(update={"slice_seconds": 0})
    spec = gate.spec({"shop/cart.py": RIGHT}, ("echo one", "echo two"))
    advance_run(spec.run_id)
    assert gate.finished(spec.run_id) is None
    for _ in range(10):
        advance_run(spec.run_id)

    event = gate.finished(spec.run_id)
    assert event is not None
    assert [e.output for e in event.result.evidence] == ["one\n", "two\n"]


def test_gate_removes_its_checkouts(gate: Gate) -> None:
    gate({"shop/cart.py": RIGHT, TEST: None, "tests/test_more.py": NEW.format("2, 2", "4")})

    assert list((gate.world.settings.home / "runs" / "ENG-1").iterdir()) == []


def test_gate_lists_protected_paths_and_possible_secrets_and_new_dependencies(gate: Gate) -> None:
    key = "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"
    files = {
        "shop/cart.py": RIGHT,
        ".github/workflows/ci.yml": "on: push\n",
        "shop/pay.py": f"# pays\nKEY = '{key}'\n",
        "requirements.txt": "new==1\n",
        ".env.example": "SHOP_URL=\n",
    }
    event = gate(files)

    assert only(event).passed
    found = {(t.kind, t.path, t.line) for t in event.result.tampering}
    assert {("protected", ".github/workflows/ci.yml", 0), ("secret", "shop/pay.py", 2)} <= found
    assert ".env.example" not in {t.path for t in event.result.tampering}
    assert event.result.dependencies == ("new (requirements.txt)",)
    assert key not in EVENT.encode(event)


def test_gate_lists_a_protected_path_of_the_policy(gate: Gate) -> None:
    event = gate({"shop/cart.py": RIGHT}, policy=LoopPolicy(protected=("shop/**",)))

    assert [(t.kind, t.text) for t in event.result.tampering] == [
        ("protected", "is protected by `shop/**` in WORKFLOW.md")
    ]


def test_gate_reports_an_environment_that_the_change_breaks_to_the_maker(gate: Gate) -> None:
    setup = ("if grep -s bad requirements.txt; then echo 'ERROR: no version of bad'; exit 4; fi; touch ~/installed",)
    policy = LoopPolicy(environment=EnvironmentPolicy(setup=setup, network=()))

    event = gate({"requirements.txt": "bad\n"}, "ls ~/installed", UNITTEST, policy=policy)
    first, second = event.result.evidence
    assert (event.outcome, first.exit_code, first.command, second.exit_code) == ("done", 4, setup[0], 4)
    assert "ERROR: no version of bad" in first.output and "not run" in second.output


def test_gate_runs_in_the_environment_of_the_candidate(gate: Gate) -> None:
    setup = ("cat requirements.txt > ~/installed 2>/dev/null || true",)
    policy = LoopPolicy(environment=EnvironmentPolicy(setup=setup, network=()))

    assert only(gate({"requirements.txt": "good\n"}, "grep good ~/installed", policy=policy)).passed


def test_gate_with_a_broken_environment_of_the_base_branch_does_not_blame_the_change(gate: Gate) -> None:
    policy = LoopPolicy(environment=EnvironmentPolicy(setup=("exit 4",), network=()))

    event = gate({"shop/cart.py": RIGHT}, policy=policy)
    assert event.outcome == "environment" and "`exit 4`" in event.summary


def test_commits_of_a_person_are_not_judged_as_the_agent_s(gate: Gate) -> None:
    theirs = gate.candidate({"NOTES.md": "todo\n", TEST: TESTS.replace("add(1, 2), 3", "add(1, 2), add(1, 2)")})
    head = commit(gate.upstream, {"shop/cart.py": RIGHT.encode()}, "candidate")
    gate.mirror.fetch("candidate")
    pushes = (ForeignPush(by="ana", before=gate.base, head=theirs),)
    spec = replace(gate.spec({}), run_id=RunId("ENG-1-9-gate"), start_sha=head, pushes=pushes)
    gate.world.runs.start(spec)

    advance_run(spec.run_id)

    event = gate.finished(spec.run_id)
    assert event is not None and isinstance(event.result, Gated)
    assert (event.result.stray, event.result.tampering) == ((), ())
    assert event.result.others == ("NOTES.md", TEST)
