"""Messages about reviews of a pull request, on the ticket and in review threads. Called by `jobs.workflow` and the
performers of `jobs.effects.reviews`."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.loop.review_state import OpenThread
from jobs.messages.text import code, inline, quoted


def round_started_message(authors: Sequence[str], threads: int, revision: int) -> str:
    """The reviews that were collected start a round."""
    names = join_names(authors)
    counted = f" {_count(threads, 'inline comment')}." if threads else ""
    kept = "The accepted work is kept."
    return f"Working on revision {revision} as requested by {names}, on the same branch.{counted} {kept}"


HOW_TO_ANSWER = (
    "(Answer each T number in your last reply: `T1 done: <what you did>`, `T1 disagree: <reason>` or "
    "`T1 need detail: <question>`.)"
)
"""For an agent that gets review comments while it works."""


def too_many_rounds_reason(rounds: int, authors: Sequence[str], threads: Sequence[OpenThread]) -> str:
    """Escalation after the last round that reviews can start."""
    places = ", ".join(code(one.place) for one in threads[:5])
    still = f" Still open: {places}." if places else ""
    return (
        f"{_count(rounds, 'review round')} did not satisfy {join_names(authors)}.{still} `/retry <what matters>` "
        "starts again, `/takeover` hands you the branch."
    )


def thread_reply(thread: OpenThread, sha: str, before: str, *, changed: bool) -> str:
    """The reply in a review thread. `sha` is the pushed head, `before` the one that the round started from; `changed`:
    the file differs between them."""
    commit, file = code(sha[:7]), code(thread.path)
    if thread.is_applied:
        return f"Applied this suggestion in {commit}."
    note = f"\n\n{quoted(thread.note)}" if thread.note.strip() else ""
    if thread.answer == "done" and (changed or sha != before):
        elsewhere = "" if changed else f" The commit does not change {file}, so please look again."
        return f"Done in {commit}.{elsewhere}{note}"
    if thread.answer == "disagree":
        return f"Not changed. The agent disagrees:{note or ' it gave no reason.'}"
    if thread.answer == "need detail":
        return f"Not changed. The agent needs more detail; please reply here.{note}"
    if sha == before:
        return f"The agent gave no answer to this comment, and no commit was made.{note}"
    what = f"changes {file}; please check whether that settles it" if changed else f"does not change {file}"
    return f"The agent gave no answer to this comment. {commit} {what}.{note}"


def answered_message(threads: Sequence[OpenThread], sha: str) -> str:
    """A round that ended without a commit: every comment has a reply."""
    return (
        f"{_count(len(threads), 'review comment')} answered on the pull request without a change; the verdict for "
        f"{code(sha[:7])} holds."
    )


def review_missing_message(*, created: bool, reason: str, url: str, decision: str) -> str:
    """After `/approve`: the code host's own requirement is not met. `reason` is why no review was created."""
    needs = (
        "the approval of the reviewer who requested changes, or a dismissal of that request"
        if decision == "changes_requested"
        else "an approving review of a person with write access"
    )
    also = "also " if created else ""
    why = f" {inline(reason)}" if reason else ""
    return f"The code host {also}asks for {needs}: {inline(url)}/files.{why}"


UNKNOWN_ACCOUNT_REASON = "Your account there is not known, so no review was created: `/link <login>` connects it."


def account_cannot_write_reason(login: str) -> str:
    return f"The account {code(login)} has no write access there, so no review was created."


def second_person_message(by: str) -> str:
    """An approval by the person who handed the ticket over, where the policy asks for two persons."""
    return (
        f"Not approved: {inline(by)} handed this ticket over, and `loop.review.two_persons` in WORKFLOW.md asks for "
        "the approval of another person."
    )


def unknown_person_message(login: str) -> str:
    """An approval on the code host by an account of an unknown person, where the policy asks for two persons."""
    return (
        f"The approval of {code(login)} does not count yet: `loop.review.two_persons` in WORKFLOW.md asks for another "
        f"person than the one who handed the ticket over. Reply `/link {inline(login)}` here from that person's "
        "account, then approve again."
    )


def linked_message(by: str, login: str) -> str:
    return f"{inline(by)} is {code(login)} on the code host. Approvals and reviews of both count as one person's."


def not_linked_message(by: str, login: str, problem: str) -> str:
    return f"{inline(by)} was not linked to {code(login)}: {inline(problem)}"


def join_names(names: Sequence[str]) -> str:
    """As 'Ana, Bea and Carl', each once."""
    *first, last = [inline(name) for name in dict.fromkeys(names)] or ["a reviewer"]
    return f"{', '.join(first)} and {last}" if first else last


def _count(number: int, noun: str) -> str:
    """As '1 comment' and '2 comments'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def review_refused_reason(refusal: str) -> str:
    return f"The code host refused the review: {inline(refusal, 300)}"


def fixed_account_problem(login: str) -> str:
    return f"LOOPLINE_PEOPLE names {code(login)} for this address. Ask the operator to change it."


def linked_account_problem(name: str) -> str:
    return f"the account belongs to {inline(name)} already."


def unknown_account_problem(repositories: Sequence[str]) -> str:
    places = " and ".join(code(name) for name in repositories) or "any repository of this team"
    return f"there is no such account with write access to {places}."
