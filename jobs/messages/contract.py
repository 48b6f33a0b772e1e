"""Comments about acceptance criteria: question, proposal, changes. Called by `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.results import Proposal, Question
from integrations.values import Ticket
from jobs.contract.agreement import read_ticket_criteria
from jobs.contract.criteria import format_criterion
from jobs.loop.state import Contract, Loop
from jobs.messages.text import code, format_version, inline


def question_message(ticket: Ticket) -> str:
    """There are no acceptance criteria, or a list that the planner could not judge."""
    if read_ticket_criteria(ticket.description).criteria:
        return (
            f"I could not find out whether the list of **{inline(ticket.title)}** can be checked as it stands, so I "
            "am asking before I start.\n\nReply `ok` to start with it, send another list, or edit the description. "
            "No further budget is spent until you reply."
        )
    return (
        f"I need acceptance criteria before I start on **{inline(ticket.title)}**: neither the ticket nor the "
        "repository defines any.\n\n"
        "Please reply with a list, for example:\n\n"
        "- `python3 -m pytest tests/auth` passes\n"
        "- the sixth login within a minute is answered with 429\n\n"
        "or add a **Done when** list to the description. Reply `ok` to have the work checked against the title alone. "
        "No budget is spent until you reply."
    )


def not_agreed_reason(proposals: int) -> str:
    """No answer of a person has become a contract."""
    return (
        f"{proposals} proposals for acceptance criteria were answered without an agreement. Write a **Done when** list "
        "in the description, then reply `/retry`."
    )


def started_again_message(by: str) -> str:
    """A person's answer was accepted as the contract."""
    return f"Thanks, {inline(by)}, that gives me acceptance criteria. Starting."


def proposal_message(loop: Loop, proposal: Proposal) -> str:
    """The planner's proposal, with the ways to answer it."""
    wanted = "\n".join(f"{n}. {inline(format_criterion(c))}" for n, c in enumerate(proposal.criteria, 1))
    why = f"{_reason_for_asking(loop.ticket, proposal)} before I start on **{inline(loop.ticket.title)}**."
    parts = [
        f"{why} {inline(proposal.summary)}".strip(),
        f"Proposed acceptance criteria ({proposal.confidence} confidence):\n\n{wanted}",
    ]
    parts += filter(None, [may_change_line(proposal.may_change)])
    if proposal.questions:
        parts.append("Open questions:\n" + "\n".join(f"- {_format_question(q)}" for q in proposal.questions[:3]))
    parts.append(
        "Reply `ok` to start with this list, edit it (`drop 2`, `2: new text`, `add: …`, `May change: …`), send your "
        "own list, describe what you want for a new proposal, or `/cancel`. No more budget is spent until you reply."
    )
    return "\n\n".join(parts)


def may_change_line(patterns: Sequence[str]) -> str:
    """The tests, CI and configuration files that the contract allows to change; empty without any."""
    return f"May change: {', '.join(map(code, patterns))}" if patterns else ""


def _reason_for_asking(ticket: Ticket, proposal: Proposal) -> str:
    own = read_ticket_criteria(ticket.description)
    if own.left_out:
        return "The ticket's list is longer than one contract can hold, so I am asking"
    if unclear := [f"“{inline(c.text)}”" for c in own.criteria if c not in proposal.criteria]:
        return f"I cannot verify {'; '.join(unclear[:3])} as stated, so I am asking"
    if own.criteria and not set(proposal.may_change) <= set(own.may_change):
        return "The work has to change tests or configuration that your list does not name, so I am asking"
    return "I am asking" if own.criteria else "I need acceptance criteria"


def _format_question(question: Question) -> str:
    options = " / ".join(inline(option) for option in question.options)
    return inline(question.text) + (f" ({options})" if options else "")


def agreed_message(loop: Loop) -> str:
    """The proposal was accepted by policy, without a person."""
    assert loop.contract
    named = ((c, c.command and f"`{c.command}`" not in c.text) for c in loop.contract.criteria)
    lines = "\n".join(f"- {inline(c.text)}" + (f" ({code(c.command)})" if more else "") for c, more in named)
    lines += "".join(f"\n\n{line}" for line in [may_change_line(loop.contract.may_change)] if line)
    version = format_version(loop.contract)
    return (
        f"The ticket has no acceptance criteria, so this is the contract {version}:\n\n{lines}\n\n"
        "Add a **Done when** list to the description to replace it at any time."
    )


def waiting_for_contract_reason(loop: Loop) -> str:
    return "Waiting for an answer to the proposal." if loop.planning.proposal else "Waiting for acceptance criteria."


def criteria_changed_message(contract: Contract) -> str:
    lines = _list_criteria(contract)
    return (
        f"**Acceptance criteria changed ({format_version(contract)}).** The current turn finishes, then the work is "
        f"checked against the new list:\n\n{lines}"
    )


def _list_criteria(contract: Contract) -> str:
    lines = "\n".join(f"- {inline(c.text)}" for c in contract.criteria)
    return "\n\n".join(filter(None, [lines, may_change_line(contract.may_change)]))


def criteria_changed_guidance(contract: Contract) -> str:
    """The same, as guidance for the running maker."""
    lines = "\n".join(f"- [{c.id}] {inline(c.text)}" for c in contract.criteria)
    lines += "".join(f"\n\n{line}" for line in [may_change_line(contract.may_change)] if line)
    return f"The ticket changed. These acceptance criteria replace the contract in your brief:\n{lines}"


def criteria_changed_late_message(contract: Contract) -> str:
    return (
        f"The list in the ticket changed after the work was checked against contract {format_version(contract)}. "
        "`/changes check against the new list` starts another round."
    )
