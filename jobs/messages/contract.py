"""The talk about what done means. Called by `jobs.workflow`."""

from __future__ import annotations

from integrations.results import Proposal, Question
from integrations.values import Ticket
from jobs.contract.agreement import stated
from jobs.contract.criterion_text import item_of
from jobs.loop.state import Contract, Loop
from jobs.messages.text import inline, version_of


def question_message(ticket: Ticket) -> str:
    """There are no acceptance criteria, or a list that the planner could not judge."""
    if stated(ticket.description).criteria:
        return (
            f"I could not find out whether the list of **{inline(ticket.title)}** can be checked as it stands, so I "
            "ask before I start.\n\nAnswer `ok` to start with it, send another list, or edit the description. "
            "Nothing more is spent until then."
        )
    return (
        f"I need a finish line before I start on **{inline(ticket.title)}**: neither the ticket nor the repository "
        "says what done means here.\n\n"
        "Please answer with a list, for example:\n\n"
        "- `python3 -m pytest tests/auth` passes\n"
        "- the sixth login within a minute is answered with 429\n\n"
        "or add a **Done when** list to the description. Answer `ok` to let the checker judge the title alone. "
        "Nothing is spent until then."
    )


def started_again_message(by: str) -> str:
    """A person's answer settled the finish line."""
    return f"Thank you, {by}: that is a finish line. Starting."


def proposal_message(loop: Loop, proposal: Proposal) -> str:
    """The planner's contract, with the three ways to answer it."""
    wanted = "\n".join(f"{n}. {inline(item_of(c))}" for n, c in enumerate(proposal.criteria, 1))
    why = f"{_why_asked(loop.ticket, proposal)} before I start on **{inline(loop.ticket.title)}**."
    parts = [
        f"{why} {inline(proposal.summary)}".strip(),
        f"I propose ({proposal.confidence} confidence):\n\n{wanted}",
    ]
    if proposal.questions:
        parts.append("Open questions:\n" + "\n".join(f"- {_asked(q)}" for q in proposal.questions[:3]))
    parts.append(
        "Answer `ok` to start with this list, change it (`drop 2`, `2: new text`, `add: …`), send a list of your own, "
        "answer in other words for a new proposal, or `/cancel`. Nothing more is spent until then."
    )
    return "\n\n".join(parts)


def _why_asked(ticket: Ticket, proposal: Proposal) -> str:
    own = stated(ticket.description)
    if own.left_out:
        return "The ticket's list is longer than one contract holds, so I ask"
    if unclear := [f"“{inline(c.text)}”" for c in own.criteria if c not in proposal.criteria]:
        return f"I cannot check {'; '.join(unclear[:3])} as stated, so I ask"
    return "I ask" if own.criteria else "I need a finish line"


def _asked(question: Question) -> str:
    options = " / ".join(inline(option) for option in question.options)
    return inline(question.text) + (f" ({options})" if options else "")


def agreed_message(loop: Loop) -> str:
    """The policy agrees to the proposal by itself."""
    assert loop.contract
    named = ((c, c.command and f"`{c.command}`" not in c.text) for c in loop.contract.criteria)
    lines = "\n".join(f"- {c.text}" + (f" (`{c.command}`)" if more else "") for c, more in named)
    return (
        f"The ticket has no finish line of its own, so this is the contract {version_of(loop.contract)}:\n\n{lines}\n\n"
        "A **Done when** list in the description replaces it at any time."
    )


def waiting_for_contract_reason(loop: Loop) -> str:
    """What an unanswered question waits for."""
    return "Waiting for an answer to the proposal." if loop.proposal else "Nothing says yet what done means."


def goal_changed_message(contract: Contract) -> str:
    """The ticket's list changed while work was under way."""
    lines = "\n".join(f"- {c.text}" for c in contract.criteria)
    return (
        f"**Goal changed ({version_of(contract)}).** The turn under way is finished, then the work is checked against "
        f"the new list:\n\n{lines}"
    )


def goal_changed_words(contract: Contract) -> str:
    """The same for the agent at work."""
    lines = "\n".join(f"- [{c.id}] {c.text}" for c in contract.criteria)
    return f"The ticket changed. Done means now, in place of the contract in your brief:\n{lines}"


def goal_changed_late_message(contract: Contract) -> str:
    """The list changed after the work was checked."""
    return (
        f"The list in the ticket has changed since the work was checked against contract {version_of(contract)}. "
        "`/changes check against the new list` starts another round."
    )
