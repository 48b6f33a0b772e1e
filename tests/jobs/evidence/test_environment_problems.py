from __future__ import annotations

import pytest

from integrations.environments.failure import find_decisive_line
from integrations.results import BaseCheck, BaseState, Evidence
from jobs.evidence.command_run import CommandRun
from jobs.evidence.environment_problems import (
    find_base_problem,
    find_gate_problem,
    find_missing_program,
    find_setup_problem,
)

BASH = "bash: line 1: ruff: command not found"
FAST, SLOW = BaseCheck(command="npm test", seconds=4.0), BaseCheck(command="npm test", seconds=60.0)
FLOOD = "the command was killed because it wrote more than 1048576 bytes"


def ran(exit_code: int, output: str = "", **fields: object) -> CommandRun:
    return CommandRun(exit_code, output, "", 1.0, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "exit_code", "output", "program"),
    [
        ("ruff check .", 127, BASH, "ruff"),
        ("ruff check .", 127, "sh: 1: ruff: not found", "ruff"),
        ("ruff check .", 127, "/bin/sh: 1: ruff: not found", "ruff"),
        ("ruff check .", 127, "/bin/sh: ruff: not found", "ruff"),
        ("./gate", 127, "/usr/bin/env: ‘node’: No such file or directory", "node"),
        ("./gate", 127, "env: 'node': No such file or directory", "node"),
        ("make lint", 2, "make: ruff: No such file or directory\nmake: *** [Makefile:2: lint] Error 127", "ruff"),
        ("make lint", 2, "/bin/sh: 1: ruff: not found\nmake: *** [Makefile:2: lint] Error 127", "ruff"),
        ("make -j4 lint", 2, "make[1]: ruff: Command not found\nmake[1]: *** [lint] Error 127", "ruff"),
        ("npm test", 127, "> shop@1.0.0 test\n> jest\n\nsh: 1: jest: not found", "jest"),
        ("cargo clippy", 101, "error: no such command: `clippy`\n\nhelp: view all commands", "clippy"),
        ("python3 -m pytest -q", 1, "/usr/bin/python3: No module named pytest", "pytest"),
        ("./check.sh", 127, "bash: line 1: ./check.sh: No such file or directory", "./check.sh"),
        ("./check.sh", 126, "bash: line 1: ./check.sh: Permission denied", "./check.sh"),
        ("mvn test", 1, "Error: could not open `/usr/lib/jvm/java-17/lib/jvm.cfg'", "java"),
        ("mvn test", 1, "Caused by: java.lang.InternalError: Error loading java.security file", "java"),
        ("mvn test", 1, "The JAVA_HOME environment variable is not defined correctly,", "java"),
        ("./gradlew test", 1, "ERROR: JAVA_HOME is not set and no 'java' command could be found in your PATH.", "java"),
        ("cd x && foo", 127, "something quiet", ""),
        ("pytest -q", 1, "E   ModuleNotFoundError: No module named 'shop.rates'", ""),
        ("python3 -m shop", 1, "ModuleNotFoundError: No module named 'yaml'", ""),
        ("pytest -q", 1, f"captured: {BASH}\n" + "more output\n" * 30, ""),
        ("cat notes", 1, "cat: notes: No such file or directory", ""),
        ("pytest -q", 1, "1 failed", ""),
        ("ruff check .", 0, BASH, ""),
    ],
)  # fmt: skip
def test_missing_program_is_read_from_exit_code_and_output(
    command: str, exit_code: int, output: str, program: str
) -> None:
    assert find_missing_program(command, exit_code, output) == program


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (ran(127, BASH), "tool"),
        (ran(127, "bash: line 1: ./x: No such file or directory"), "script"),
        (ran(127, "a quiet wrapper"), "tool"),
        (ran(126, "bash: line 1: ./x: Permission denied"), "permission"),
        (ran(124, "…", timed_out=True, timeout=5.0), "time"),
        (ran(124, "the command's own timeout", timeout=5.0), None),
        (ran(137, killed=FLOOD), "output"),
        (ran(137, killed="the command was killed because it used more than 4096 MiB of memory"), "limit"),
        (ran(1, "1 failed"), None),
        (ran(1, "ModuleNotFoundError: No module named 'rates'"), "unfetched"),
        (ran(1, "ModuleNotFoundError: No module named 'dates'"), None),
    ],
)
def test_base_problem_is_told_from_a_red_check(run: CommandRun, kind: str | None) -> None:
    problem = find_base_problem("check", run, unfetched=("vendor/rates",))

    assert (problem.kind if problem else None) == kind


@pytest.mark.parametrize(
    ("proof", "base", "kind"),
    [
        pytest.param({"exit_code": 127, "output": BASH}, None, "tool", id="a tool of the ticket's command"),
        pytest.param({"exit_code": 127, "output": BASH}, FAST, None, id="the change broke a check that ran on main"),
        pytest.param(
            {"exit_code": 127, "output": "bash: line 1: ./new.sh: No such file or directory"}, None, None,
            id="a script that the work has to add",
        ),
        pytest.param({"exit_code": 1, "output": "python3: No module named shop"}, None, None, id="a module to write"),
        pytest.param(
            {"exit_code": 2, "output": "make: ruff: No such file or directory\nmake: *** [Makefile:2: lint] Error 127"},
            None,
            "tool",
            id="a tool that make lacks",
        ),
        pytest.param(
            {"exit_code": 1, "output": "Error: could not open `/usr/lib/jvm/java-17/lib/jvm.cfg'"},
            None,
            "tool",
            id="a Java without its settings",
        ),
        pytest.param({"exit_code": 124, "timeout": 100.0}, None, "time", id="slow, and never seen on main"),
        pytest.param({"exit_code": 124, "timeout": 100.0}, FAST, None, id="slow, and fast on main"),
        pytest.param({"exit_code": 124, "timeout": 100.0}, SLOW, "time", id="slow, and nearly as slow on main"),
        pytest.param({"exit_code": 137, "killed": FLOOD}, None, "output", id="a flood, never seen on main"),
        pytest.param({"exit_code": 137, "killed": FLOOD}, FAST, None, id="a flood by the change"),
        pytest.param({"exit_code": 1, "output": "1 failed"}, None, None, id="an honest failure"),
        pytest.param({"exit_code": 127, "output": BASH, "base": "failing"}, None, None, id="it does not count anyway"),
    ],
)  # fmt: skip
def test_gate_problem_is_a_failure_that_the_change_cannot_be_blamed_for(
    proof: dict[str, object], base: BaseCheck | None, kind: str | None
) -> None:
    passed = Evidence(name="c1", command="true", exit_code=0)
    failed = Evidence(name="k1", command="npm test", **proof)  # type: ignore[arg-type]

    problem = find_gate_problem((passed, failed), [base] if base else [])

    assert (problem.kind if problem else None) == kind


@pytest.mark.parametrize(
    ("base", "codes", "failed"),
    [
        ("failing", (3, 3, 3), False),
        ("flaky", (1, 0), False),
        ("flaky", (1, 1, 1), True),
        ("", (1, 0), True),
        ("", (1,), True),
    ],
)
def test_evidence_counts_against_the_change_unless_main_has_the_same_state(
    base: BaseState, codes: tuple[int, ...], failed: bool
) -> None:
    evidence = Evidence(name="k1", command="x", exit_code=max(codes), exit_codes=codes, base=base)

    assert evidence.failed is failed and not evidence.passed


def test_check_that_fails_on_main_and_passes_without_a_proof_is_for_a_person() -> None:
    assert Evidence(name="k1", command="make check", exit_code=0, refuted="it never fails", base="failing").failed


def test_decisive_line_is_the_last_that_names_an_error() -> None:
    assert find_decisive_line("npm error 1\nnpm error network\n\nA complete log is in x") == "npm error network"
    assert find_decisive_line("a\n b  c \n\n") == "b c"
    assert find_decisive_line("") == ""
    assert len(find_decisive_line("error " + "x" * 1000)) == 200


def test_setup_problem_knows_a_missing_network() -> None:
    npm = "npm error code ENOTFOUND\nnpm error network request to https://npm.acme.test failed"

    assert find_setup_problem("npm ci", ran(1, npm)).offline
    assert not find_setup_problem("make", ran(2, "make: *** [all] Error 2")).offline
