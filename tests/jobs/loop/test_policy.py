from __future__ import annotations

import pytest

from jobs.loop.policy import PolicyError, check_runners, read_policy

WHERE = "acme/shop at main"


def test_policy_has_front_matter_and_body() -> None:
    text = "---\nagent: {max_turns: 30, other: 1}\nloop:\n  checks:\n    - {name: t, run: make}\n---\nBe brief.\n"

    policy = read_policy(text, WHERE)

    assert (policy.agent.max_turns, policy.loop.checks[0].run, policy.instructions) == (30, "make", "Be brief.")


def test_policy_accepts_the_sections_of_symphony() -> None:
    text = "---\ntracker: {kind: linear}\npolling: {interval_ms: 1}\nhooks: {after_create: npm ci}\n---\n"

    assert read_policy(text, WHERE).setup_commands() == ("npm ci",)


def test_policy_without_front_matter_is_a_brief() -> None:
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
def test_policy_error_names_the_place_and_the_problem(text: str | None, said: str) -> None:
    with pytest.raises(PolicyError, match=r"WORKFLOW\.md") as error:
        read_policy(text, WHERE)

    assert said in str(error.value)
    assert WHERE in str(error.value)


def test_runner_of_a_role_is_one_that_the_operator_has_set_up() -> None:
    policy = read_policy("---\nloop: {roles: {judge: {runner: codex}}}\n---\n", WHERE)
    check_runners(policy, ["anthropic", "codex"], WHERE)
    with pytest.raises(PolicyError, match=r"runner 'codex' for the judge\. Known runners here: anthropic\."):
        check_runners(policy, ["anthropic"], WHERE)
    assert (policy.loop.runner_of("judge"), policy.loop.runner_of("maker")) == ("codex", "")
