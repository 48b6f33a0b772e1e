"""GitHub's published description of its REST API, to validate requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.integrations.code_hosts.answering import Asked

_NAME = "urn:github"
_WITH_SLASHES = {"ref"}  # 'heads/eng-1/fix' is one parameter


class RestDescription:
    """`document` is api.github.com.json of @octokit/openapi."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._registry: Registry[Any] = Registry().with_resource(_NAME, DRAFT4.create_resource(document))
        # Of several matching templates, the one with the fewest parameters and the longest text applies.
        templates = sorted(document["paths"], key=lambda template: (template.count("{"), -len(template)))
        self._paths = [(_pattern(template), template) for template in templates]

    def find_errors(self, asked: Asked) -> Iterator[str]:
        """The deviations of this request from the description: path, method, query, body, or a key of the body."""
        template = next((template for pattern, template in self._paths if pattern.fullmatch(asked.path)), "")
        operation = self._document["paths"].get(template, {}).get(asked.method.lower())
        if operation is None:
            yield f"no operation {asked.method} {asked.path}"
            return
        parameters = {one["name"]: one for one in map(self._resolved, operation.get("parameters", ()))}
        for name, value in asked.query.items():
            yield from self._query(name, value, parameters.get(name))
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            method = f"{template.replace('/', '~1')}/{asked.method.lower()}"
            schema = {"$ref": f"{_NAME}#/paths/{quote(method)}/requestBody/content/application~1json/schema"}
            described = self._resolved(content["application/json"]["schema"])
            forms = [described, *described.get("oneOf", ()), *described.get("anyOf", ())]
            known = {key for form in forms for key in form.get("properties", ())}
            yield from (f"no key {key} in the body" for key in asked.body or {} if key not in known)
            yield from self._problems(asked.body, schema)
        elif asked.body is not None:
            yield "a body where none is described"

    def examples(self, method: str, template: str) -> list[Any]:
        """GitHub's example responses to a successful request."""
        answers = self._document["paths"][template][method]["responses"].items()
        good = (self._resolved(answer) for status, answer in answers if status.startswith("2"))
        contents = (answer.get("content", {}).get("application/json", {}) for answer in good)
        return [self._resolved(one)["value"] for content in contents for one in content.get("examples", {}).values()]

    def _query(self, name: str, value: str, parameter: Any) -> Iterator[str]:
        if parameter is None or parameter["in"] != "query":
            yield f"no query parameter {name}"
            return
        schema = self._resolved(parameter["schema"])
        yield from self._problems(int(value) if schema.get("type") == "integer" else value, schema)

    def _problems(self, value: Any, schema: Any) -> Iterator[str]:
        validator = Draft4Validator(schema, registry=self._registry)
        yield from (f"{error.json_path}: {error.message}" for error in validator.iter_errors(value))

    def _resolved(self, part: Any) -> Any:
        if "$ref" not in part:
            return part
        found = self._document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        return found


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", template)
    return re.compile("".join(_piece(at, piece) for at, piece in enumerate(pieces)))


def _piece(at: int, piece: str) -> str:
    if at % 2 == 0:
        return re.escape(piece)
    return ".+" if piece in _WITH_SLASHES else "[^/]+"
