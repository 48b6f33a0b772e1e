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


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("mode: slow", "loop.proof.mode"),
        ("minutes: 0", "loop.proof.minutes"),
        ("reports: report.xml", "loop.proof.reports"),
        ("layout: {product: 3}", "loop.proof.layout.product"),
        ("layout: {sources: [a]}", "loop.proof.layout.sources"),
        ("speed: fast", "loop.proof.speed"),
    ],
)
def test_policy_error_about_the_proof_is_one_sentence_with_the_key(keys: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(f"---\nloop:\n  proof:\n    {keys}\n---\n", "acme/shop at main")

    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_policy_of_the_proof_has_all_keys() -> None:
    front = "{mode: fast, minutes: 5, reports: ['out/*.xml'], layout: {product: [app/**], tests: [qa/**]}}"
    proof = read_policy(f"---\nloop:\n  proof: {front}\n---\n", "acme/shop at main").loop.proof

    assert (proof.mode, proof.minutes, proof.reports) == ("fast", 5.0, ("out/*.xml",))
    assert (proof.layout.product, proof.layout.tests, proof.layout.configuration) == (("app/**",), ("qa/**",), ())
