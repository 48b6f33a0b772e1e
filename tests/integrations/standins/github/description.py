"""GitHub's published descriptions of its answers and of the payloads of its webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openapi_schema_validator import OAS30Validator, OAS31Validator, oas30_format_checker, oas31_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4, DRAFT202012

NAME = "urn:github"


class RestAnswers:
    """Every key that GitHub requires must be there, with GitHub's type and format."""

    def __init__(self, file: Path) -> None:
        self._document = json.loads(file.read_bytes(), object_hook=_admit_null)
        self._registry: Registry[Any] = Registry().with_resource(NAME, DRAFT4.create_resource(self._document))

    def complaints(self, operation: str, status: int, body: Any) -> Iterator[str]:
        """The differences between an answer and the description of 'GET /repos/{owner}/{repo}'."""
        method, path = operation.lower().split(" ")[0], operation.split(" ")[1]
        responses = self._document["paths"].get(path, {}).get(method, {}).get("responses", {})
        response, place = responses.get(str(status)), ["paths", path, method, "responses", str(status)]
        if response is None:
            if status < 400:
                yield f"{operation} does not answer {status}"
            return
        if "$ref" in response:
            place = response["$ref"].removeprefix("#/").split("/")
            response = self._document["components"]["responses"][place[-1]]
        if "application/json" in response.get("content", {}):
            schema = _reference(*place, "content", "application/json", "schema")
            validator = OAS30Validator(schema, registry=self._registry, format_checker=oas30_format_checker)
            yield from (f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body))


class WebhookPayloads:
    """The same for payloads."""

    def __init__(self, file: Path) -> None:
        self._document = json.loads(file.read_bytes())
        self._registry: Registry[Any] = Registry().with_resource(NAME, DRAFT202012.create_resource(self._document))

    def complaints(self, event: str, body: Mapping[str, Any]) -> Iterator[str]:
        """The differences between a payload and its description."""
        action = f"-{body['action']}" if "action" in body else ""
        name = f"{event}{action}".replace("_", "-")
        if name not in self._document["webhooks"]:
            yield f"no webhook {name}"
            return
        place = "webhooks", name, "post", "requestBody", "content", "application/json", "schema"
        validator = OAS31Validator(_reference(*place), registry=self._registry, format_checker=oas31_format_checker)
        yield from (f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body))


def _admit_null(schema: dict[str, Any]) -> dict[str, Any]:
    """GitHub writes `nullable` beside enums and alternatives that do not list null, and sends null."""
    if schema.get("nullable") is True:
        for word, null in (("enum", None), ("oneOf", {"enum": [None]}), ("anyOf", {"enum": [None]})):
            if isinstance(schema.get(word), list) and null not in schema[word]:
                schema[word].append(null)
    return schema


def _reference(*place: str) -> dict[str, str]:
    return {"$ref": f"{NAME}#/" + "/".join(quote(part.replace("~", "~0").replace("/", "~1")) for part in place)}
