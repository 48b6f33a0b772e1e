"""A change beyond a limit ends the run at once, and the limit of WORKFLOW.md is the one that counts."""

from __future__ import annotations

import pytest

from integrations.standins.model.playbook import Answer
from jobs.config.settings import Settings
from jobs.loop.policy import LimitsPolicy, LoopPolicy, RepositoryPolicy
from jobs.roles.limits import build_tree_limits, get_check_seconds, get_command_seconds
from tests.jobs.roles.agents import Agents, calling

LOCK_FILE = calling("bash", command="head -c 6000000 /dev/zero | tr '\\0' 'a' > package-lock.json")
MANY = calling("bash", command="for n in $(seq 3); do echo x > new-$n.txt; done")
DONE = Answer("Approach: the simplest.\nDone.")


def limited(**limits: object) -> RepositoryPolicy:
    return RepositoryPolicy(loop=LoopPolicy(limits=LimitsPolicy(**limits)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("act", "limits", "sentence", "key"),
    [
        (LOCK_FILE, {}, "package-lock.json has 6000000 bytes, more than the 5242880 allowed", "file_megabytes"),
        (MANY, {"files": 2}, "the change touches 3 files, more than the 2 allowed", "files"),
        (LOCK_FILE, {"file_megabytes": 9, "total_megabytes": 1}, "the change holds 6000000 bytes", "total_megabytes"),
    ],
)
def test_change_beyond_a_limit_names_the_limit_and_its_key(
    agents: Agents, act: Answer, limits: dict[str, object], sentence: str, key: str
) -> None:
    event = agents.run("maker", act, DONE, policy=limited(**limits))

    assert event.outcome == "policy"
    assert sentence in event.summary and f"raise `loop.limits.{key}` in WORKFLOW.md" in event.summary
    assert "LOOPLINE_MAX_CHANGE_" in event.summary


def test_change_of_a_file_of_git_lfs_is_a_policy_escalation_that_names_it(agents: Agents) -> None:
    pointer = r"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 9\n"
    act = calling("bash", command=f"printf '{pointer}' 0 > logo.png")
    event = agents.run("maker", act, DONE)

    assert event.outcome == "policy"
    assert "logo.png is a file of Git LFS, which an agent cannot change. If the ticket needs this" in event.summary


def test_change_within_a_raised_limit_is_taken(agents: Agents) -> None:
    event = agents.run("maker", LOCK_FILE, DONE, policy=limited(file_megabytes=7))

    assert event.outcome == "done"


def test_command_of_an_agent_ends_at_the_repositorys_time_limit(agents: Agents) -> None:
    agents.run("maker", calling("bash", command="sleep 60"), DONE, policy=limited(command_minutes=0.01))

    assert "killed after 0.6 s" in agents.results("maker")[0]


def test_command_of_an_agent_ends_at_the_repositorys_limit_for_output(agents: Agents) -> None:
    flood = calling("bash", command="head -c 3000000 /dev/zero")
    agents.run("maker", flood, DONE, policy=limited(output_megabytes=1))

    assert "wrote more than 1048576 bytes" in agents.results("maker")[0]


def test_time_limits_are_the_most_specific_ones() -> None:
    settings = Settings(command_seconds=7)
    bare, every = RepositoryPolicy(), limited(check_minutes=2, command_minutes=3)
    assert (get_command_seconds(bare, settings), get_check_seconds(bare, settings, "x")) == (7.0, 7.0)
    assert (get_command_seconds(every, settings), get_check_seconds(every, settings, "x")) == (180.0, 120.0)


def test_limits_of_a_change_default_to_those_of_the_mirror() -> None:
    limits = build_tree_limits(RepositoryPolicy())

    assert (limits.max_files, limits.max_blob_bytes, limits.max_total_bytes) == (500, 5 * 2**20, 50 * 2**20)
    assert limits.max_pack_bytes == 64 * 2**20
