"""`loop.environment` and `loop.network`: strict, with errors that name the key, the class of the value and the fix."""

from __future__ import annotations

import pytest

from jobs.loop.policy import POLICY, PolicyError, RepositoryPolicy, read_policy

WHERE = "acme/shop at main"
FULL = """---
loop:
  environment:
    image: node22
    setup: [uv sync --frozen, npm ci]
    maintain: [npm install]
    inputs: [uv.lock, "apps/*/package-lock.json", .tool-versions]
    network: [registries, npm.acme.test]
    variables: {NODE_ENV: test, PATH: ".venv/bin:/opt/bin"}
    secrets: [NPM_TOKEN]
    services:
      - {name: postgres, run: postgres -D $STATE/pg, ready: pg_isready, setup: initdb $STATE/pg, seconds: 30}
  network: [registries, docs.acme.test]
  setup: [make tools]
hooks: {after_create: ./prepare}
---
"""


def policy_of(environment: str) -> RepositoryPolicy:
    return read_policy(f"---\nloop:\n  environment: {environment}\n---\n", WHERE)


def test_environment_policy_has_every_key() -> None:
    environment = read_policy(FULL, WHERE).loop.environment

    assert (environment.image, environment.secrets, environment.network[1]) == (
        "node22",
        ("NPM_TOKEN",),
        "npm.acme.test",
    )
    assert environment.variables == {"NODE_ENV": "test", "PATH": ".venv/bin:/opt/bin"}
    assert (environment.services[0].name, environment.services[0].seconds) == ("postgres", 30)
    assert read_policy(FULL, WHERE).loop.network == ("registries", "docs.acme.test")


def test_environment_policy_survives_its_stored_form() -> None:
    policy = read_policy(FULL, WHERE)

    assert POLICY.decode(POLICY.encode(policy)) == policy
    assert POLICY.decode("{}").loop.environment.network == ("registries",)


def test_environment_commands_are_followed_by_those_of_older_keys() -> None:
    policy = read_policy(FULL, WHERE)

    assert policy.setup_commands() == ("uv sync --frozen", "npm ci", "make tools", "./prepare")
    assert policy.maintain_commands() == ("npm install", "make tools", "./prepare")
    assert read_policy("---\nloop: {setup: [make]}\n---\n", WHERE).maintain_commands() == ()


@pytest.mark.parametrize(
    ("environment", "key", "fix"),
    [
        ("{image: ../node}", "image", "it is not the name of an image"),
        ("{image: Node22}", "image", "write lower-case letters"),
        ("{setup: npm ci}", "setup", "it is a text; write a list"),
        ("{setup: ['']}", "setup.0", "empty text"),
        ("{inputs: [/etc/passwd]}", "inputs.0", "it is an absolute path"),
        ("{inputs: [~/x]}", "inputs.0", "it is an absolute path"),
        ("{inputs: [a/../../b]}", "inputs.0", "it is not the path of a file below the root"),
        ("{inputs: [./a]}", "inputs.0", "remove dots"),
        ("{inputs: ['a\\b']}", "inputs.0", "backslashes"),
        ("{inputs: ['!a']}", "inputs.0", "exclamation mark"),
        ("{network: ['*.acme.test']}", "network.0", "only the operator can allow"),
        ("{network: ['*']}", "network.0", "it is not a host name"),
        ("{network: ['https://npm.acme.test']}", "network.0", "it is a URL or a path"),
        ("{network: ['npm.acme.test:443']}", "network.0", "it is a host with a port"),
        ("{network: [NPM.acme.test]}", "network.0", "it is a host name with capitals"),
        ("{network: [127.0.0.1]}", "network.0", "it is not a host name"),
        ("{network: [localhost]}", "network.0", "it is not a host name"),
        ("{network: ['[::1]']}", "network.0", "IPv6"),
        ("{network: [npm.acme.test.]}", "network.0", "it is not a host name"),
        ("{variables: {HOME: /root}}", "variables.HOME", "the sandbox sets itself"),
        ("{variables: {LD_PRELOAD: x.so}}", "variables.LD_PRELOAD", "the sandbox sets itself"),
        ("{variables: {GIT_DIR: x}}", "variables.GIT_DIR", "the sandbox sets itself"),
        ("{variables: {https_proxy: x}}", "variables.https_proxy", "the sandbox sets itself"),
        ("{variables: {BASH_ENV: x}}", "variables.BASH_ENV", "the sandbox sets itself"),
        ("{variables: {A-B: x}}", "variables.A-B", "write letters, digits and underscores"),
        ("{variables: {A: 1}}", "variables.A", "it is a whole number; write a text"),
        ("{secrets: [npm_token]}", "secrets.0", "write capitals"),
        ("{secrets: [PATH]}", "secrets.0", "search path"),
        ("{secrets: [LD_LIBRARY_PATH]}", "secrets.0", "the sandbox sets itself"),
        ("{secrets: [A], variables: {A: x}}", "environment", "A is also a secret"),
        ("{services: [{name: pg}]}", "services.0.run", "it is missing; add it"),
        ("{services: [{name: 'a b', run: x}]}", "services.0.name", "it is not the name of a service"),
        ("{services: [{name: a, run: x}, {name: a, run: y}]}", "environment", "two have the name a"),
        ("{services: [{name: a, run: x, seconds: 601}]}", "services.0.seconds", "write 600.0 or less"),
        ("{secret: [A]}", "secret", "unknown key"),
    ],
)  # fmt: skip
def test_environment_error_names_key_and_fix(environment: str, key: str, fix: str) -> None:
    with pytest.raises(PolicyError) as error:
        policy_of(environment)

    assert f"line 3, loop.environment.{key}".removesuffix(".environment") in str(error.value)
    assert fix in str(error.value)


def test_network_of_agents_has_the_same_form() -> None:
    with pytest.raises(PolicyError, match=r"loop\.network\.0: it is a wildcard"):
        read_policy("---\nloop: {network: ['*.test']}\n---\n", WHERE)


def test_problems_of_one_list_are_counted_once() -> None:
    with pytest.raises(PolicyError) as error:
        policy_of("{network: [a, b, c], setup: ['']}")

    assert str(error.value).count("it is not a host name") == 1
    assert "environment.setup.0" in str(error.value) and str(error.value).endswith("Also 2 more.")
