from __future__ import annotations

import pytest

from jobs.loop.policy import PolicyError, read_policy

WHERE = "acme/shop at main"


def test_front_matter_and_body_are_read() -> None:
    text = "---\nagent: {max_turns: 30, other: 1}\nloop:\n  checks:\n    - {name: t, run: make}\n---\nBe brief.\n"

    policy = read_policy(text, WHERE)

    assert (policy.agent.max_turns, policy.loop.checks[0].run, policy.instructions) == (30, "make", "Be brief.")


def test_symphonys_sections_may_stay() -> None:
    text = "---\ntracker: {kind: linear}\npolling: {interval_ms: 1}\nhooks: {after_create: npm ci}\n---\n"

    assert read_policy(text, WHERE).setup_commands() == ("npm ci",)


def test_a_file_without_front_matter_is_a_brief() -> None:
    assert read_policy("Just words.", WHERE).instructions == "Just words."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "acme/shop at main has no WORKFLOW.md", id="missing"),
        pytest.param("---\nloop: [\n---\n", "not YAML", id="broken yaml"),
        pytest.param("---\nloop: {cheks: []}\n---\n", "loop.cheks", id="unknown key of ours"),
        pytest.param("---\nlop: {}\n---\n", "lop", id="unknown section"),
        pytest.param("---\nloop: {checks: [{name: t}]}\n---\n", "loop.checks.0.run", id="check without command"),
        pytest.param("---\nloop: {iterations: 0}\n---\n", "loop.iterations", id="no iterations"),
        pytest.param("---\n- a\n---\n", "WORKFLOW.md", id="front matter is a list"),
    ],
)
def test_a_policy_that_cannot_be_used_says_where_and_what(text: str | None, said: str) -> None:
    with pytest.raises(PolicyError, match=r"WORKFLOW\.md") as error:
        read_policy(text, WHERE)

    assert said in str(error.value)
    assert WHERE in str(error.value)
