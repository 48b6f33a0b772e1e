from __future__ import annotations

from integrations.proof import Experiment
from integrations.results import Gated
from integrations.values import Ticket
from jobs.loop.board_memory import LONGEST, loop_of, metadata_of
from jobs.loop.state import Contract, Criterion
from tests.loops import loop_with

TICKET = Ticket(id="t", identifier="ENG-1", title="Raise the fees")


def test_board_memory_keeps_results_of_experiments_and_names_for_a_person() -> None:
    asked = Experiment(
        criterion="c1", kind="old_tests", result="asked", held=2, total=3, names=("a",), output="x" * 9_000
    )
    held = Experiment(criterion="c1", kind="new_tests", result="held", held=3, total=3, names=("b",), output="y")
    contract = Contract(criteria=(Criterion(id="c1", text="it is there"),), may_change=("tests/a.py",))
    loop = loop_with(TICKET, contract=contract, gate=Gated(experiments=(asked, held), proof_seconds=41.0))

    memory = metadata_of(loop)
    rebuilt = loop_of(TICKET, memory)

    shown = [(e.kind, e.result, e.held, e.names, e.output) for e in rebuilt.candidate.gate.experiments]
    assert shown == [("old_tests", "asked", 2, ("a",), ""), ("new_tests", "held", 3, (), "")]
    assert (rebuilt.candidate.gate.proof_seconds, rebuilt.contract) == (41.0, contract)
    assert len(str(memory["experiments"])) < LONGEST
