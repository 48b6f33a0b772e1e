"""The evidence of one command of the contract, from its runs on the candidate and its experiments. Pure.

Called by `jobs.roles.gate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from integrations.proof import Experiment, ExperimentKind, TestReport
from integrations.results import Evidence, Tampering, TamperKind
from jobs.evidence.command_run import CommandRun
from jobs.loop.state import Criterion

EVIDENCE_CHARACTERS = 4_000
_KINDS: dict[ExperimentKind, TamperKind] = {
    "old_tests": "tests_lost", "counts": "fewer_tests", "without_extras": "extras", "suppressions": "suppression",
    "writes": "writes",
}  # fmt: skip


def should_rerun(ran: Sequence[CommandRun], most: int) -> bool:
    """Whether to retry a command after these runs: until it passes, at most `most` times, once after a timeout."""
    if ran[-1].exit_code == 0:
        return False
    late = sum(1 for r in ran if r.timed_out)
    return len(ran) <= min(most, 1 if late else most)


def build_evidence(criterion: Criterion, ran: Sequence[CommandRun], report: TestReport) -> Evidence:
    """The evidence of all runs of one command on the candidate; `report` is that of the last one."""
    shown = next((r for r in ran if r.exit_code), ran[-1])
    return Evidence(
        name=criterion.id,
        command=criterion.command,
        exit_code=shown.exit_code,
        output=shorten_output(shown.output),
        digest=shown.digest,
        seconds=round(sum(r.seconds for r in ran), 3),
        exit_codes=tuple(r.exit_code for r in ran),
        base=criterion.base,
        timeout=shown.timeout if shown.timed_out else 0.0,
        killed=shown.killed,
        tests=report.counts if report.source else None,
    )


def refute(evidence: Evidence, experiments: Iterable[Experiment]) -> Evidence:
    """The evidence with the experiments of its command that show that it proves nothing."""
    found = [one for one in experiments if one.criterion == evidence.name and one.result == "refuted"]
    if not found:
        return evidence
    refuted = "; ".join(dict.fromkeys(one.text for one in found))
    shown = "\n\n".join(f"{one.text}:\n{one.output}" for one in found if one.output)
    return replace(evidence, refuted=refuted, output=shorten_output(f"{evidence.output}\n\n{shown}".strip()))


def find_questions(experiments: Iterable[Experiment], edited: Sequence[str] = ()) -> tuple[Tampering, ...]:
    """What a person has to decide, each once; `edited` are the existing tests that the change edits.

    A check that proves nothing goes back to the maker first; if the maker insists, it is a person's question too."""
    found = []
    for one in experiments:
        if one.result not in ("asked", "refuted"):
            continue
        kind: TamperKind = "proves_nothing" if one.result == "refuted" else _KINDS[one.kind]
        tests = kind in ("tests_lost", "fewer_tests")
        path = "" if one.result == "refuted" else next(iter(edited if tests else one.names), "")
        text = ", ".join(sorted(one.names)) if tests and one.names else one.text
        found.append(Tampering(kind=kind, path=path.partition(":")[0], text=text[:400]))
    return tuple(dict.fromkeys(found))


def shorten_output(output: str) -> str:
    """The first and the last characters of the output, at most `EVIDENCE_CHARACTERS`."""
    half = EVIDENCE_CHARACTERS // 2
    return output if len(output) <= 2 * half else f"{output[:half]}\n…\n{output[-half:]}"
