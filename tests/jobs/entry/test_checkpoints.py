"""A maker that is stopped leaves a commit of its files, in a real repository and sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from integrations.results import Made
from integrations.values import CommitSha, RunId
from jobs.effects.world import World
from tests.jobs.entry.test_advance_run import agent, base, begin, finished, model, slices

__all__ = ["agent", "base", "model"]


def write_files(agent: World, spec_folder: Path, base: str) -> None:
    """As a maker that was stopped in the middle: a new file, and one that is removed."""
    workspace = agent.mirror("acme/tally").create_workspace(spec_folder, CommitSha(base), CommitSha(base))
    result = agent.sandbox.run(["sh", "-c", "echo half > half.py; rm README.md"], workspace, timeout=20)
    assert result.exit_code == 0, result.stderr


def test_checkpoint_has_the_files_of_the_stopped_maker(agent: World, base: str) -> None:
    spec = begin(agent, base)
    write_files(agent, agent.run_folder("ENG-1", "r1"), base)
    agent.runs.ask_to_stop("r1")

    slices(agent, spec)

    result, mirror = finished(agent.redis).result, agent.mirror("acme/tally")
    assert finished(agent.redis).outcome == "stopped" and isinstance(result, Made) and not result.head_sha
    assert mirror.read(result.checkpoint, "half.py") == "half\n"
    assert mirror.read(result.checkpoint, "README.md") is None
    again = replace(spec, run_id=RunId("r2"), start_sha=result.checkpoint, resumes=True)
    workspace = mirror.create_workspace(agent.run_folder("ENG-1", "r2"), again.start_sha, CommitSha(base))
    assert agent.sandbox.run(["cat", "half.py"], workspace, timeout=20).output == b"half\n"


def test_checkpoint_is_not_made_without_changes(agent: World, base: str) -> None:
    spec = begin(agent, base)
    agent.mirror("acme/tally").create_workspace(agent.run_folder("ENG-1", "r1"), CommitSha(base), CommitSha(base))
    agent.runs.ask_to_stop("r1")
    slices(agent, spec)

    assert finished(agent.redis).result == Made()


def test_checkpoint_that_cannot_be_made_does_not_delay_the_stop(agent: World, base: str) -> None:
    spec = begin(agent, base)
    folder = agent.run_folder("ENG-1", "r1")
    write_files(agent, folder, base)
    (folder / "git" / "HEAD").write_text("no reference\n")
    agent.runs.ask_to_stop("r1")
    slices(agent, spec)

    assert finished(agent.redis).outcome == "stopped" and finished(agent.redis).result == Made()


def test_checkpoint_follows_a_branch_that_was_pushed_meanwhile(agent: World, base: str) -> None:
    spec = begin(agent, base)
    write_files(agent, agent.run_folder("ENG-1", "r1"), base)
    agent.runs.ask_to_stop("r1")
    slices(agent, spec)
    result, mirror = finished(agent.redis).result, agent.mirror("acme/tally")
    assert isinstance(result, Made)
    pushed = mirror.write_candidate(result.checkpoint, CommitSha(base), "pushed", "A", "a@acme.test", 1)
    again = replace(spec, run_id=RunId("r2"), start_sha=result.checkpoint, resumes=True, pushed_sha=pushed, nonce="")
    agent.redis.flushdb()
    agent.runs.start(again)

    slices(agent, again)

    made = finished(agent.redis).result
    assert isinstance(made, Made) and mirror.is_ancestor(pushed, made.head_sha)
