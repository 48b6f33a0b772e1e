"""Classifies commands that fail because of the environment, not because of a change. Pure.

Called by `jobs.roles` for setup and for checks on the base commit, and by `jobs.workflow` for the gate's evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from integrations.environments.failure import find_decisive_line
from integrations.results import BaseCheck, Evidence
from jobs.evidence.command_run import CommandRun

ProblemKind = Literal["setup", "service", "tool", "script", "permission", "time", "output", "limit", "unfetched"]
NOT_EXECUTABLE, NOT_FOUND = 126, 127
_LAST_LINES = 15
"""Lines at the end of an output in which a shell's message counts: a test can print such a text anywhere."""
_SHELL = r"(?:[\w./-]*\b(?:ba|da|z|k|a)?sh(?:\.exe)?(?:\[\d+\])?: )?(?:line \d+: |\d+: )?"
_MISSING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^{_SHELL}(?P<program>[^\s:'‘`]+): (?:command )?not found$",
        r"^(?:/usr/bin/)?env: ['‘](?P<program>[^'’]+)['’]: No such file or directory$",
        r"^g?make(?:\[\d+\])?: (?P<program>[^\s:]+): (?:No such file or directory|Command not found)$",
        r"^error: no such command: `(?P<program>[\w-]+)`",
    )
)
_NO_FILE = re.compile(rf"^{_SHELL}(?P<program>[^\s:]+): No such file or directory$")
"""Of a shell only with exit code 127: other programs report their input so."""
_DENIED = re.compile(rf"^{_SHELL}(?P<program>[^\s:]+): (?:Permission denied|Is a directory)")
_MODULE = re.compile(r"^\S*python[\d.]*: No module named (?P<program>[\w.]+)$")
_JAVA = re.compile(
    r"could not open [`'‘]\S*jvm\.cfg|could not find (?:\S*/)?java\.security|error loading java\.security file"
    r"|^(?:error: )?(?:the )?java_home (?:environment variable )?is (?:not defined correctly|not set|set to)",
    re.IGNORECASE,
)
"""A Java whose own files are missing, of the JVM, Maven and Gradle."""
_OF_MAKE = re.compile(r"^g?make(?:\[\d+\])?: \*\*\* .*\bError 127$", re.MULTILINE)
_OFFLINE = re.compile(
    r"name resolution|resolve host|resolve address|ENOTFOUND|EAI_AGAIN|network is unreachable|ENETUNREACH"
    r"|ECONNREFUSED|connection refused|failed to establish a new connection|no matching distribution|dns error",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class EnvironmentProblem:
    """A command that cannot show anything about a change.

    `subject` is the missing program or module (empty if the output does not name it), the service's name, the limit's
    sentence, or the content that is not fetched; `seconds` the time limit that ended the command. `offline`: the output
    shows that the network was needed.
    """

    kind: ProblemKind
    command: str
    exit_code: int
    line: str = ""
    subject: str = ""
    seconds: float = 0.0
    offline: bool = False
    blocked: Mapping[str, int] = field(default_factory=dict)
    """Connections that the network policy refused, by host."""


def find_setup_problem(
    command: str, ran: CommandRun, blocked: Mapping[str, int] = MappingProxyType({})
) -> EnvironmentProblem:
    """The problem of a setup command that failed; `blocked` are the connections that it was refused, by host."""
    subject = find_missing_program(command, ran.exit_code, ran.output)
    seconds = ran.timeout if ran.timed_out else 0.0
    line = ran.killed or find_decisive_line(ran.output)
    offline = bool(_OFFLINE.search(ran.output))
    return EnvironmentProblem("setup", command, ran.exit_code, line, subject, seconds, offline, blocked)


def find_base_problem(command: str, ran: CommandRun, unfetched: Sequence[str] = ()) -> EnvironmentProblem | None:
    """The problem of a failed check on the base commit; None if it is red there for another reason."""
    if problem := _find_limit(command, ran.exit_code, ran.timeout if ran.timed_out else 0.0, ran.killed):
        return problem
    line = find_decisive_line(ran.output)
    program = find_missing_program(command, ran.exit_code, ran.output)
    if program or ran.exit_code in {NOT_EXECUTABLE, NOT_FOUND}:
        kind: ProblemKind = "script" if "/" in program else "tool"
        kind = "permission" if program and ran.exit_code == NOT_EXECUTABLE else kind
        return EnvironmentProblem(kind, command, ran.exit_code, line, program)
    if missing := next((path for path in unfetched if path in ran.output or _names_part_of(line, path)), ""):
        return EnvironmentProblem("unfetched", command, ran.exit_code, line, missing)
    return None


def _names_part_of(line: str, path: str) -> bool:
    """Whether the line names the path's last part, or a folder on it, as in an import."""
    return any(re.search(rf"\b{re.escape(part)}\b", line) for part in path.strip("*/.").split("/") if len(part) > 3)


def find_gate_problem(evidence: Sequence[Evidence], known: Sequence[BaseCheck]) -> EnvironmentProblem | None:
    """The first failure at the gate that the change cannot be blamed for.

    A command that runs on the base commit (`known`) is the change's responsibility, except when it needed more than
    half of its time limit there. Of other commands a program that the shell cannot find, or a limit, is a problem."""
    on_base = {check.command: check for check in known}
    for proof in evidence:
        base = on_base.get(proof.command)
        if not proof.failed or (base and not (proof.timeout and base.seconds * 2 > proof.timeout)):
            continue
        if problem := _find_limit(proof.command, proof.exit_code, proof.timeout, proof.killed):
            return problem
        program = find_missing_program(proof.command, proof.exit_code, proof.output)
        is_missing = proof.exit_code == NOT_FOUND or program == "java" or _OF_MAKE.search(proof.output)
        if program and "/" not in program and is_missing:  # a path is a file that the work can add
            line = find_decisive_line(proof.output)
            return EnvironmentProblem("tool", proof.command, proof.exit_code, line, program)
    return None


def _find_limit(command: str, exit_code: int, timeout: float, killed: str) -> EnvironmentProblem | None:
    if timeout:
        return EnvironmentProblem("time", command, exit_code, seconds=timeout)
    if killed:
        kind: ProblemKind = "output" if "wrote more than" in killed else "limit"
        return EnvironmentProblem(kind, command, exit_code, subject=killed)
    return None


def find_missing_program(command: str, exit_code: int, output: str) -> str:
    """The program, or the Python module that `command` runs, that is missing or not executable; empty without one."""
    if not exit_code:
        return ""
    lines = [line.strip() for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    patterns = (
        *_MISSING,
        *((_NO_FILE,) if exit_code == NOT_FOUND else ()),
        *((_DENIED,) if exit_code == NOT_EXECUTABLE else ()),
    )
    for line in lines:
        module = _MODULE.match(line)
        if module and re.search(rf"-m\s+{re.escape(module['program'])}(?!\w)", command):
            return str(module["program"])
        if _JAVA.search(line):
            return "java"
        if found := next(filter(None, (pattern.match(line) for pattern in patterns)), None):
            return str(found["program"])
    return ""
