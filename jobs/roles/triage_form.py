"""The answer of the triage role: its form, and the checks that Loopline makes itself. Pure.

`jobs.roles.triage` runs the commands. An unknown item, a line that a command did not print and a path that does not
exist are errors for the model.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from integrations.findings import EvidenceRun, ProposedFinding, Severity, SourceItem
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.proposals import ProposedCriterion
from integrations.signatures import build_key, normalize_line, sign_facts
from jobs.contract.agreement import read_ticket_criteria
from jobs.messages.automations import criteria_section
from jobs.roles.planner import SubmittedCriterion
from jobs.roles.submission import STRICT, parse_form, reject_answer
from jobs.workflow.automations.findings import identify_finding

MOST_FINDINGS = 20
_LINE_END = re.compile(r"[\n\r]")
_EXIT_CODES = 256
Path = Annotated[str, Field(min_length=1, max_length=300)]


class SubmittedCitation(BaseModel):
    """A source item that shows the problem."""

    model_config = STRICT
    key: str = Field(min_length=1, max_length=300, description="the item's key, copied from the digest")
    line: str = Field(
        default="", max_length=2_000, description="of the output of a command, its line about this problem, copied"
    )


class SubmittedRun(BaseModel):
    """A command that shows the problem on the base branch."""

    model_config = STRICT
    command: str = Field(min_length=1, max_length=500, description="one line, run from the repository's root")
    exit_code: int = Field(ge=0, lt=_EXIT_CODES, description="with which it ends now; Loopline runs it again")

    @field_validator("command")
    @classmethod
    def _check_is_one_line(cls, command: str) -> str:
        if _LINE_END.search(command):
            raise ValueError("write one line")
        return command


class SubmittedFinding(BaseModel):
    """One finding that is worth a ticket."""

    model_config = STRICT
    title: str = Field(min_length=5, max_length=150, description="what is wrong and where, one line")
    body: str = Field(min_length=10, max_length=4_000, description="what is wrong, where, since when, with what effect")
    severity: Severity
    cites: list[SubmittedCitation] = Field(min_length=1, max_length=20, description="the items that show it")
    paths: list[Path] = Field(default=[], max_length=20, description="files or folders that it is about, from the root")
    criteria: list[SubmittedCriterion] = Field(min_length=1, max_length=5, description="when the work is done")
    runs: list[SubmittedRun] = Field(
        default=[], max_length=3, description="evidence commands, none if none can show it"
    )


class SubmittedFindings(BaseModel):
    """The whole answer; empty if nothing is worth a ticket."""

    model_config = STRICT
    findings: list[SubmittedFinding] = Field(max_length=MOST_FINDINGS, description="the most severe ones first")


FINDINGS_TOOL = ToolSpec(
    "submit_findings",
    "Submit what is worth a ticket. This ends your work; call it once.",
    SubmittedFindings.model_json_schema(),
)


def read_findings(
    arguments: Mapping[str, Any], items: Mapping[str, SourceItem], files: Collection[str]
) -> SubmittedFindings | ToolResult:
    """The answer if all that it cites exists; otherwise the error for the model. `items` are by key, `files` the paths
    of the base commit."""
    answer = parse_form(SubmittedFindings, arguments)
    if isinstance(answer, ToolResult):
        return answer
    folders = {path[: at + 1] for path in files for at, letter in enumerate(path) if letter == "/"}
    problems = [
        f"findings.{place}: {problem}"
        for place, one in enumerate(answer.findings)
        for problem in _find_problems(one, items, files, folders)
    ]
    return reject_answer(" ".join(problems[:10])) if problems else answer


def _find_problems(
    one: SubmittedFinding, items: Mapping[str, SourceItem], files: Collection[str], folders: Collection[str]
) -> Iterable[str]:
    for cited in one.cites:
        item = items.get(cited.key)
        if item is None:
            near = get_close_matches(cited.key, items, n=1, cutoff=0.4)
            yield f"cites: there is no item {cited.key!r}" + (f", did you mean {near[0]!r}?" if near else ".")
        elif item.kind == "command" and cited.line not in {line.strip() for line in item.detail.splitlines()} - {""}:
            yield f"cites: {cited.key} has no line {cited.line[:200]!r}; copy one from `show_item`."
    for path in one.paths:
        if path.removeprefix("./") not in files and f"{path.removeprefix('./').rstrip('/')}/" not in folders:
            yield f"paths: {path!r} does not exist on the base branch."
    criteria = convert_criteria(one)
    if read_ticket_criteria(criteria_section(criteria)).criteria != criteria:
        yield "criteria: write each as plain text in one line, without headings, lists, links and repository tags."


def convert_criteria(one: SubmittedFinding) -> tuple[ProposedCriterion, ...]:
    """The criteria in the form of a ticket's own list."""
    return tuple(
        ProposedCriterion(text=" ".join(c.text.split()), command=c.command, evidence="" if c.command else c.evidence)
        for c in one.criteria
    )


def build_finding(
    one: SubmittedFinding, items: Mapping[str, SourceItem], runs: tuple[EvidenceRun, ...]
) -> ProposedFinding:
    """The finding with its identity, its links, and the commands that Loopline ran for it."""
    cited = list({item.key: item for item in (_narrow(items[c.key], c.line) for c in one.cites)}.values())
    fingerprint, evidence = identify_finding(cited)
    return ProposedFinding(
        title=" ".join(one.title.split()),
        body=one.body,
        severity=one.severity,
        items=tuple(item.key for item in cited),
        paths=tuple(dict.fromkeys(path.removeprefix("./").rstrip("/") for path in one.paths)),
        criteria=convert_criteria(one),
        runs=runs,
        links=tuple(dict.fromkeys(item.url for item in cited if item.url)),
        fingerprint=fingerprint,
        evidence=evidence,
    )


def _narrow(item: SourceItem, line: str) -> SourceItem:
    """The item of one line of a command's output: without line numbers and times, it is the same at every run."""
    if item.kind != "command" or not line:
        return item
    text = normalize_line(line)
    key = build_key("command", item.key.partition(":")[2], text)
    return SourceItem(key=key, kind="command", title=text, signature=sign_facts(text))
