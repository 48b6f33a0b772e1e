"""Review comments in a maker's run: the part of its brief, its answers, and the suggestions that Loopline applies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from integrations.results import AnswerKind, ThreadAnswer
from integrations.values import CommitSha
from jobs.loop.commands import RunSpec
from jobs.loop.review_state import OpenThread
from jobs.roles.fences import Source
from jobs.roles.ticket_brief import fence

if TYPE_CHECKING:
    from integrations.git.line_edits import LineEdit
    from integrations.git.mirror import Mirror

LONGEST_NOTE = 2_000
_ANSWER = re.compile(
    r"^[\s>*_#\-–•\[(`]*T(?P<number>\d{1,3})\b[\s\])`*_:.,–—-]*"
    r"(?P<kind>done|disagree[sd]?|need(?:s|ed)?(?: more| a)? details?)\b[\s*_`:.,–—-]*(?P<note>.*)$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"^\s*(?:$|Approach:|Question:|#)", re.IGNORECASE)


def find_answers(text: str, threads: Sequence[OpenThread]) -> tuple[ThreadAnswer, ...]:
    """The answers in a maker's last reply, one for each thread at most: the last one counts."""
    found: dict[str, ThreadAnswer] = {}
    for number, kind, note in _list_answers(text)[0]:
        if 1 <= number <= len(threads):
            thread = threads[number - 1].id
            found[thread] = ThreadAnswer(thread=thread, kind=kind, note=note[:LONGEST_NOTE])
    return tuple(found.values())


def remove_answers(text: str) -> str:
    """The reply without the lines of its answers."""
    return "\n".join(_list_answers(text)[1]).strip()


def _list_answers(text: str) -> tuple[list[tuple[int, AnswerKind, str]], list[str]]:
    """Number, kind and note of each answer, and the other lines. A note goes on until an empty line."""
    answers: list[tuple[int, AnswerKind, str]] = []
    others: list[str] = []
    is_open = False
    for line in text.splitlines():
        if match := _ANSWER.match(line):
            word = match["kind"].lower()
            kind: AnswerKind = "done" if word == "done" else "disagree" if word[0] == "d" else "need detail"
            answers.append((int(match["number"]), kind, match["note"].strip(" *_")))
            is_open = True
        elif is_open and not _ENDS.match(line):
            number, kind, note = answers[-1]
            answers[-1] = (number, kind, f"{note}\n{line.strip()}".strip())
        else:
            is_open = False
            others.append(line)
    return answers, others


def apply_suggestions(spec: RunSpec, mirror: Mirror) -> RunSpec:
    """The run that starts from the reviewed head with the suggestions that apply unchanged; deterministic, so that each
    slice of the run finds the same commit."""
    edits = {one.id: _to_edit(one) for one in spec.threads if _is_applicable(one, spec.start_sha)}
    if not edits:
        return spec
    start, applied = mirror.apply_edits(spec.start_sha, list(edits.values()))
    threads = tuple(replace(one, is_applied=edits.get(one.id) in applied) for one in spec.threads)
    return replace(spec, start_sha=CommitSha(start), threads=threads)


def _is_applicable(thread: OpenThread, head: CommitSha) -> bool:
    return thread.suggestion is not None and thread.line > 0 and thread.head_sha == head and not thread.is_advice


def _to_edit(thread: OpenThread) -> LineEdit:
    from integrations.git.line_edits import LineEdit  # briefs load no git

    return LineEdit(thread.path, thread.first_line or thread.line, thread.line, thread.suggestion or "")


def find_reviewed(spec: RunSpec) -> CommitSha:
    """The commit that the run started from, without the suggestions that were applied at its start: only the first
    iteration starts from the reviewed head."""
    is_first = spec.attempt.iteration == 1 and not spec.resumes
    return next((one.head_sha for one in spec.threads if one.is_applied and is_first), spec.start_sha)


def list_applied(spec: RunSpec) -> tuple[str, ...]:
    """The ids of the threads whose suggestion was applied."""
    return tuple(one.id for one in spec.threads if one.is_applied)


def format_review_comments(spec: RunSpec) -> str:
    """The section of the maker's brief: the comments, and how to answer them."""
    rule = (
        "Answer each of them in your last reply, with one line of its own: `T1 done: <what you did>`, "
        "`T1 disagree: <reason>` or `T1 need detail: <question>`. Its author gets this line as the reply. Change what "
        "a comment asks for unless that would break the contract; answer one that is only a question without a change."
    )
    return _format_section(spec, rule, with_answers=False)


def format_answers(spec: RunSpec) -> str:
    """The same comments with the maker's answers, for judge and checker."""
    rule = (
        "The answers are claims of the maker. A request of a person counts as met when it is done, or when the files "
        "confirm the reason against it; an answer that claims a change which is not there is a finding."
    )
    return _format_section(spec, rule, with_answers=True)


def _format_section(spec: RunSpec, rule: str, *, with_answers: bool) -> str:
    numbered = list(enumerate(spec.threads, 1))
    sources: tuple[tuple[Source, bool], ...] = (("review", False), ("others", True))
    parts = [
        fence(spec, source, "\n\n".join(_format_thread(n, one, with_answers) for n, one in listed))
        for source, is_advice in sources
        if (listed := [(n, one) for n, one in numbered if one.is_advice is is_advice])
    ]
    return "\n\n".join(("## Review comments", *parts, rule)) if parts else ""


def _format_thread(number: int, one: OpenThread, with_answer: bool) -> str:
    notes = " (advice of a bot: follow it only where it is right)" if one.is_advice else ""
    notes += " (Loopline has applied its suggestion)" if one.is_applied else ""
    answer = f"\nanswer: {one.answer or 'none'}{f': {one.note}' if one.note else ''}" if with_answer else ""
    return f"T{number} {one.place}{notes}\n{one.author}: {one.text}{answer}"
