"""A maker on a merge of the base branch, and one that merges it itself: whose change is whose."""

from __future__ import annotations

from pathlib import Path

from integrations.events import RunFinished
from integrations.git.mirror import Mirror
from integrations.results import Made
from integrations.standins.model.playbook import Answer
from integrations.values import CommitSha
from jobs.roles.merge_brief import FILE_CHARACTERS
from tests.integrations.git.hosting import commit, git
from tests.jobs.roles.agents import Agents, calling

DONE = Answer("Approach: the simplest.\nDone.")
MERGE = "git -c user.name=a -c user.email=a@acme.test merge -q origin/main 2>&1"


def folder_of(agents: Agents) -> Path:
    return agents.world.settings.home / "repos" / "acme__tally.git"


def our_commit(agents: Agents, files: dict[str, bytes | str | None]) -> CommitSha:
    """The head of the ticket's branch, made from the base commit; main is one commit further."""
    git(folder_of(agents), "update-ref", "refs/heads/ours", agents.base)
    return CommitSha(commit(folder_of(agents), files, "ours"))


def parents(agents: Agents, sha: str) -> list[str]:
    return git(folder_of(agents), "log", "-1", "--format=%P", sha).decode().split()


def changed(agents: Agents, made: Made) -> list[str]:
    """The paths that gate, judge and checker see as the agent's change."""
    return [one.path for one in agents.mirror.changes(made.base_sha, made.head_sha)]


def made_by(event: RunFinished) -> Made:
    assert event.outcome == "done" and isinstance(event.result, Made), event.summary
    return event.result


def test_maker_that_merges_the_base_branch_is_not_charged_with_its_changes(agents: Agents) -> None:
    """main changes AGENTS.md and a skill, which are protected."""
    ours = our_commit(agents, {"own.txt": b"1\n"})
    made = made_by(
        agents.run(
            "maker", calling("bash", command=f"{MERGE}; echo 2 > more.txt"), DONE,
            start_sha=ours, pushed_sha=ours, base_branch="main",
        )
    )  # fmt: skip

    assert made.base_sha == agents.candidate
    assert parents(agents, made.head_sha) == [ours, agents.candidate]
    assert changed(agents, made) == ["more.txt", "own.txt"]


def test_maker_that_merges_before_the_first_push_makes_one_commit_on_the_newer_base(agents: Agents) -> None:
    made = made_by(
        agents.run("maker", calling("bash", command=f"{MERGE}; echo 2 > more.txt"), DONE, base_branch="main")
    )

    assert (made.base_sha, parents(agents, made.head_sha)) == (agents.candidate, [agents.candidate])
    assert changed(agents, made) == ["more.txt"]


def test_maker_that_merges_and_reverts_the_others_work_is_charged_with_it(agents: Agents) -> None:
    act = calling("bash", command=f"{MERGE}; git show HEAD~1:AGENTS.md > AGENTS.md; rm NOTES.md")
    made = made_by(agents.run("maker", act, DONE, base_branch="main"))

    assert changed(agents, made) == ["AGENTS.md", "NOTES.md"]


def test_maker_without_a_merge_keeps_its_base(agents: Agents) -> None:
    made = made_by(agents.run("maker", calling("bash", command="echo 2 > more.txt"), DONE, base_branch="main"))

    assert (made.base_sha, parents(agents, made.head_sha)) == ("", [agents.base])


def test_maker_resolves_a_conflict_and_its_commit_has_both_parents(agents: Agents) -> None:
    ours, mirror = our_commit(agents, {"NOTES.md": b"our note\n"}), agents.mirror
    main = CommitSha(agents.candidate)
    merge = mirror.merge(ours, main, "merge\n", "Loopline", "l@acme.test", 1)
    act = calling("bash", command="git show HEAD^1:NOTES.md HEAD^2:NOTES.md | tee NOTES.md")
    made = made_by(
        agents.run(
            "maker", act, DONE, base_sha=main, start_sha=merge.sha, pushed_sha=ours, base_branch="main",
            conflicts=merge.conflicts, base_commits=merge.commits, cause="`main` was merged, with conflicts",
        )
    )  # fmt: skip

    assert parents(agents, made.head_sha) == [ours, main]
    assert mirror.read(made.head_sha, "NOTES.md") == "our note\none\ntwo\nthree\n"
    assert [one.path for one in mirror.changes(main, made.head_sha)] == ["NOTES.md"]
    brief = agents.script.asked[0].brief
    assert "## Merge of `main`" in brief and "`main` was merged, with conflicts." in brief
    assert all(part in brief for part in ("Merge conflict in NOTES.md", f"<<<<<<< {ours}", "our note", "three"))
    assert f"{main[:7]} Ann: change" in brief


def test_maker_that_leaves_a_conflict_as_it_is_has_made_no_change(agents: Agents) -> None:
    ours, main = our_commit(agents, {"NOTES.md": b"our note\n" * 5_000}), CommitSha(agents.candidate)
    merge = agents.mirror.merge(ours, main, "merge\n", "Loopline", "l@acme.test", 1)
    event = agents.run(
        "maker", DONE, base_sha=main, start_sha=merge.sha, pushed_sha=ours, base_branch="main",
        conflicts=merge.conflicts,
    )  # fmt: skip

    assert event.outcome == "no_change" and isinstance(event.result, Made)
    assert event.result.head_sha == merge.sha
    assert agents.script.asked[0].brief.count("our note") < FILE_CHARACTERS


def test_gate_runs_no_command_on_conflict_markers(agents: Agents) -> None:
    ours, main = our_commit(agents, {"NOTES.md": b"our note\n"}), CommitSha(agents.candidate)
    mirror: Mirror = agents.mirror
    merge = mirror.merge(ours, main, "merge\n", "Loopline", "l@acme.test", 1)
    event = agents.run("gate", base_sha=main, start_sha=merge.sha)

    assert event.result.kind == "gate"
    assert (event.result.unresolved, event.result.evidence) == (("NOTES.md:1",), ())
