"""The JSON schema accepts the same files as the policy, where a schema can decide it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from jobs.loop.front_matter import read_front_matter
from jobs.loop.policy_schema import build_schema
from tests.support.checkout import REPOSITORY

VALIDATOR = Draft202012Validator(build_schema())
EXAMPLES = [
    *sorted(REPOSITORY.glob("infra/docs/examples/*/WORKFLOW.md")),
    *sorted(REPOSITORY.glob("integrations/standins/demo_*/**/WORKFLOW.md")),
    *sorted(Path(__file__).parent.glob("symphony/static_site.md")),
]


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(build_schema())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_schema_accepts_the_examples(file: Path) -> None:
    values = {name: value for name, value in read_front_matter(file.read_text()).values.items() if value is not None}
    assert not list(VALIDATOR.iter_errors(values))


@pytest.mark.parametrize(
    "values",
    [
        {"loop": {"cheks": []}},
        {"loop": {"iterations": 21}},
        {"loop": {"checks": [{"name": "t"}]}},
        {"loop": {"scout": "yes"}},
        {"loop": {"roles": {"maker": {"effort": "huge"}}}},
        {"loop": {"environment": {"services": [{"name": "db"}]}}},
        {"tracker": {"required_labels": [1]}},
    ],
)
def test_schema_refuses_what_the_policy_refuses(values: dict[str, object]) -> None:
    assert list(VALIDATOR.iter_errors(values))


def test_schema_describes_keys_and_has_no_internal_field() -> None:
    schema = build_schema()
    assert schema["$defs"]["LoopPolicy"]["properties"]["network"]["description"].startswith("Hosts that agents")
    assert schema["properties"].keys() == {"agent", "hooks", "loop", "tracker"}
