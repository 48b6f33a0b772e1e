from __future__ import annotations

from integrations.egress.gateway import OTHER_HOSTS
from jobs.messages.network import blocked_commands_line, blocked_hosts_line


def test_blocked_host_is_named_with_its_count_and_the_line_to_add() -> None:
    assert blocked_hosts_line({"fastdl.mongodb.org": 3}) == (
        "blocked: fastdl.mongodb.org, 3 times. If the repository needs it, add this to `loop.environment.network` in "
        "`WORKFLOW.md`: `[registries, fastdl.mongodb.org]`"
    )


def test_blocked_hosts_are_ordered_by_count_and_limited() -> None:
    assert blocked_hosts_line({}) == ""
    assert blocked_hosts_line({"b.test": 1, "a.test": 1, "c.test": 5}).startswith(
        "blocked: c.test, 5 times; a.test, 1 time; b.test, 1 time. If the repository needs them, "
    )
    many = blocked_hosts_line({f"h{number}.test": 1 for number in range(10)}, "loop.network")
    assert "; and 4 more hosts. " in many and "h6.test" not in many and "`loop.network`" in many


def test_blocked_hosts_that_are_no_names_are_not_to_be_added() -> None:
    assert blocked_hosts_line({OTHER_HOSTS: 2}) == "blocked: other hosts, 2 times."
    mixed = blocked_hosts_line({"a.test": 2, OTHER_HOSTS: 1})
    assert mixed.endswith("`[registries, a.test]`")


def test_blocked_hosts_of_commands_are_added_to_those_that_the_policy_names() -> None:
    assert blocked_commands_line({"fastdl.mongodb.org": 3}, ("registries", "npm.acme.test")) == (
        "Connections of commands were blocked: fastdl.mongodb.org, 3 times. If the repository needs it, add this to "
        "`loop.network` in `WORKFLOW.md`: `[registries, npm.acme.test, fastdl.mongodb.org]`, as far as the operator's "
        "LOOPLINE_AGENT_NETWORK allows it."
    )
    assert blocked_commands_line({"fastdl.mongodb.org": 1}, ()).endswith(
        "`[fastdl.mongodb.org]`, as far as the operator's LOOPLINE_AGENT_NETWORK allows it."
    )


def test_blocked_hosts_of_commands_without_a_name_have_no_fix() -> None:
    assert blocked_commands_line({}, ()) == ""
    assert blocked_commands_line({OTHER_HOSTS: 2}, ()) == "Connections of commands were blocked: other hosts, 2 times."
