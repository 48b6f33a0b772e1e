"""Types of the settings for environments: secrets of setup commands and of MCP servers, and hosts that agents can
connect to."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr

from integrations.egress.hosts import parse_pattern
from integrations.egress.policy import REGISTRIES
from integrations.explain import classify
from integrations.settings import MOST_ENTRIES, Secret, match_pattern, split_list

_EXAMPLE = 'write JSON like {"NPM_TOKEN": "..."}'
_SECRET_NAME = match_pattern(
    r"([A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_.][A-Za-z0-9_.-]*:)?[A-Z][A-Z0-9_]{0,99}",
    "write a variable such as NPM_TOKEN, or acme/shop:NPM_TOKEN for one repository",
)


def parse_secret_json(value: object, example: str = _EXAMPLE) -> object:
    """Parse the JSON without its text in an error: it holds secrets."""
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value) if value else {}
    except (ValueError, RecursionError):
        raise ValueError(f"it is a text that is not JSON; {example}") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"it is {classify(parsed)}; {example}")
    if len(parsed) > MOST_ENTRIES:
        raise ValueError(f"it has {len(parsed)} entries; keep at most {MOST_ENTRIES}")
    return parsed


def _check_pattern(text: str) -> str:
    if text not in (REGISTRIES, parse_pattern(text)):
        raise ValueError(
            f"it is {classify(text)} that is not a host; write registries, npm.acme.test or *.acme.test in lower case"
        )
    return text


ConnectorSecrets = Annotated[
    dict[Annotated[str, match_pattern(r"[A-Z][A-Z0-9_]{0,99}", "write a name such as DOCS_TOKEN")], Secret],
    BeforeValidator(parse_secret_json),
]
SetupSecrets = Annotated[dict[Annotated[str, _SECRET_NAME], Secret], BeforeValidator(parse_secret_json)]
HostPatterns = Annotated[tuple[Annotated[str, AfterValidator(_check_pattern)], ...], BeforeValidator(split_list)]


def find_secret(secrets: dict[str, SecretStr], repository: str, name: str) -> str | None:
    """Return the value that setup commands of this repository get for the variable; None if none is offered."""
    found = secrets.get(f"{repository}:{name}") or secrets.get(name)
    return found.get_secret_value() if found else None
