"""A maker's run that answers review comments: suggestions become one commit, with or without a model."""

from __future__ import annotations

from typing import Any

from integrations.results import Made
from integrations.standins.model.playbook import Answer
from integrations.values import CommitSha
from jobs.loop.review_state import OpenThread
from tests.jobs.roles.agents import Agents, calling

BETTER = "# Tally, better\n"


def suggestion(agents: Agents, text: str = BETTER, **fields: Any) -> OpenThread:
    """A suggestion of Ana for the first line of the README."""
    given = {"id": "A", "comment_id": "1", "path": "README.md", "line": 1, "first_line": 1, "author": "Ana"}
    given |= {"login": "ana", "text": "```suggestion\n```", "suggestion": text, "head_sha": CommitSha(agents.base)}
    return OpenThread(**{**given, **fields})


def changed_files(agents: Agents, sha: str) -> dict[str, str]:
    """The first line of each file that the commit changes."""
    changes = agents.mirror.changes(CommitSha(agents.base), CommitSha(sha))
    return {one.path: (one.after.text or "").splitlines()[0] for one in changes if one.after}


def test_round_of_suggestions_is_committed_without_a_model(agents: Agents) -> None:
    event = agents.run("maker", threads=(suggestion(agents),), only_threads=True)

    assert isinstance(event.result, Made)
    assert (event.outcome, event.result.applied, event.summary) == (
        "done",
        ("A",),
        "Applied 1 suggestion of the review.",
    )
    assert changed_files(agents, event.result.head_sha) == {"README.md": BETTER.strip()}
    assert agents.script.asked == []


def test_suggestion_that_is_there_already_needs_no_commit(agents: Agents) -> None:
    first = (agents.mirror.read(agents.base, "README.md") or "").splitlines()[0]
    event = agents.run("maker", threads=(suggestion(agents, first),), only_threads=True)

    assert isinstance(event.result, Made)
    assert (event.outcome, event.result.head_sha, event.result.applied) == ("no_change", agents.base, ("A",))


def test_maker_continues_from_the_suggestions_and_answers_the_rest(agents: Agents) -> None:
    question = OpenThread(id="B", comment_id="2", path="README.md", line=2, author="Ana", text="why?")
    note = calling("bash", command="echo new > NEW.md && head -1 README.md")
    reply = Answer("Approach: small.\n\nT1 done: took it\nT2 need detail: why what?")

    event = agents.run("maker", note, reply, threads=(suggestion(agents), question), only_threads=True)

    assert isinstance(event.result, Made)
    assert BETTER.strip() in agents.results("maker")[0]
    assert changed_files(agents, event.result.head_sha) == {"NEW.md": "new", "README.md": BETTER.strip()}
    assert [(one.thread, one.kind) for one in event.result.answers] == [("A", "done"), ("B", "need detail")]
    assert (event.result.question, event.result.applied) == ("", ("A",))


def test_suggestion_for_another_head_is_left_to_the_maker(agents: Agents) -> None:
    late = suggestion(agents, head_sha=CommitSha(agents.candidate))
    event = agents.run("maker", Answer("T1 disagree: it is outdated"), threads=(late,), only_threads=True)

    assert isinstance(event.result, Made)
    assert (event.outcome, event.result.applied) == ("no_change", ())
    assert event.result.question == ""
