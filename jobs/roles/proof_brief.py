"""The parts of a brief about the experiments with the contract's commands, and about the tests of the checker. Pure;
called by `jobs.roles.briefs`.
"""

from __future__ import annotations

from integrations.proof import CounterExample
from jobs.loop.commands import RunSpec
from jobs.messages.experiments import counter_example_line, list_proof, refuted_line
from jobs.roles.ticket_brief import fence

OUTPUT_CHARACTERS, MOST_REFUTED, MOST_EXAMPLES = 2_000, 6, 3


def format_experiments(spec: RunSpec) -> str:
    """For judge and checker: a line for each kind of experiment. Empty without any."""
    lines = "\n".join(f"- {line}" for line in list_proof(spec.candidate.gate))
    return lines and (
        "## Experiments\n\nLoopline ran the commands in variations that a check has to notice. What a person has to "
        f"decide is for that person; judge the rest:\n\n{fence(spec, 'evidence', lines)}"
    )


def format_refuted(spec: RunSpec) -> str:
    """For the maker: each refuted experiment with what to do and the end of its output. Empty without any."""
    refuted = [one for one in spec.candidate.gate.experiments if one.result == "refuted"]
    if not refuted:
        return ""
    commands = {criterion.id: criterion.command for criterion in spec.contract.criteria}
    shown = [
        f"[{one.criterion}] {commands.get(one.criterion, '')}\n{refuted_line(one)}"
        + (f"\noutput:\n{one.output.strip()[-OUTPUT_CHARACTERS:]}" if one.output.strip() else "")
        for one in refuted[:MOST_REFUTED]
    ]
    listed = fence(spec, "evidence", "\n\n".join(shown))
    more = f"\n\nAnd {len(refuted) - MOST_REFUTED} more." if len(refuted) > MOST_REFUTED else ""
    return (
        "## Refuted checks\n\nThese commands pass, but variations of your commit show that this proves nothing. Fix "
        f"code and tests until each variation has the expected result:\n\n{listed}{more}"
    )


def format_examples(spec: RunSpec) -> str:
    """For the maker: the tests of the checker that failed, with files, command and output. Empty without any."""
    examples = spec.candidate.verdict.examples if spec.candidate.verdict else ()
    if not examples:
        return ""
    listed = fence(spec, "evidence", "\n\n".join(map(_format_example, examples[:MOST_EXAMPLES])))
    return (
        "## Failing tests of the checker\n\nThe checker wrote these tests, and Loopline repeated them: they fail with "
        "your last commit, while the same tests pass with other inputs. Their files are not in the repository. Make "
        "the code right for every input, not only for these, and add tests of your own for such inputs:\n\n"
        f"{listed}"
    )


def _format_example(one: CounterExample) -> str:
    files = [f"file {file.path}:\n{file.text.rstrip()}" for file in one.files]
    output = one.output.strip()[-OUTPUT_CHARACTERS:]
    return "\n".join([f"[{one.criterion}] {counter_example_line(one)}", *files, f"output:\n{output or '(none)'}"])
