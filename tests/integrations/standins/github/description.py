"""GitHub's published descriptions, as far as they say what an answer and a webhook's payload look like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from openapi_schema_validator import OAS30Validator, OAS31Validator, oas30_format_checker, oas31_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT4, DRAFT202012

NAME = "urn:github"
WITH_SLASHES = ("ref", "branch")
# Answered by GitHub as ever, described no more.
UNDESCRIBED = ("GET", "/repos/{owner}/{repo}/git/refs/{ref}")


class RestAnswers:
    """Every key that GitHub requires has to be there, with GitHub's type and format."""

    def __init__(self, file: Path) -> None:
        self._paths = json.loads(file.read_bytes(), object_hook=_admit_null)
        self._registry: Registry[Any] = Registry().with_resource(NAME, DRAFT4.create_resource(self._paths))
        templates = sorted(self._paths["paths"], key=lambda template: (template.count("{"), -len(template)))
        self._templates = [(re.compile(re.sub(r"{(\w+)}", _piece, template)), template) for template in templates]

    def complaints(self, method: str, url: str, status: int, body: Any) -> Iterator[str]:
        """What GitHub would not have answered like this."""
        template = self.template(urlsplit(url).path)
        responses = self._paths["paths"].get(template, {}).get(method.lower(), {}).get("responses", {})
        if str(status) not in responses and status < 400 and (method, template) != UNDESCRIBED:
            yield f"{method} {template} does not answer {status}"
        if str(status) not in responses or (schema := self._schema(template, method, status)) is None:
            return
        validator = OAS30Validator(schema, registry=self._registry, format_checker=oas30_format_checker)
        yield from (f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body))

    def template(self, path: str) -> str:
        """The path in the description, '' for one that it does not have."""
        return next((template for pattern, template in self._templates if pattern.fullmatch(path)), "")

    def _schema(self, template: str, method: str, status: int) -> Mapping[str, str] | None:
        place = ["paths", template, method.lower(), "responses", str(status)]
        response = self._paths["paths"][template][method.lower()]["responses"][str(status)]
        if "$ref" in response:
            place = response["$ref"].removeprefix("#/").split("/")
            response = self._paths["components"]["responses"][place[-1]]
        if "application/json" not in response.get("content", {}):
            return None
        return _reference(*place, "content", "application/json", "schema")


class WebhookPayloads:
    """The same of payloads."""

    def __init__(self, file: Path) -> None:
        self._document = json.loads(file.read_bytes())
        self._registry: Registry[Any] = Registry().with_resource(NAME, DRAFT202012.create_resource(self._document))

    def complaints(self, event: str, body: Mapping[str, Any]) -> Iterator[str]:
        """What GitHub would not have sent like this."""
        action = f"-{body['action']}" if "action" in body else ""
        name = f"{event}{action}".replace("_", "-")
        if name not in self._document["webhooks"]:
            yield f"no webhook {name}"
            return
        place = "webhooks", name, "post", "requestBody", "content", "application/json", "schema"
        validator = OAS31Validator(_reference(*place), registry=self._registry, format_checker=oas31_format_checker)
        yield from (f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body))


def _admit_null(schema: dict[str, Any]) -> dict[str, Any]:
    """GitHub writes `nullable` beside enums and alternatives that then forget to list null, and sends null."""
    if schema.get("nullable") is True:
        for word, null in (("enum", None), ("oneOf", {"enum": [None]}), ("anyOf", {"enum": [None]})):
            if isinstance(schema.get(word), list) and null not in schema[word]:
                schema[word].append(null)
    return schema


def _piece(found: re.Match[str]) -> str:
    return ".+" if found[1] in WITH_SLASHES else "[^/]+"


def _reference(*place: str) -> dict[str, str]:
    return {"$ref": f"{NAME}#/" + "/".join(quote(part.replace("~", "~0").replace("/", "~1")) for part in place)}
