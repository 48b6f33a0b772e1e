"""The JSON schema of the front matter of `WORKFLOW.md`, for editors. Generated from the policy's types; pure.

Printed by `loopline workflow schema`. It is wider than `jobs.loop.policy` where a rule needs code, such as host names.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter

from jobs.loop import connector_policy, environment_policy, merge_policy, policy, proof_policy, symphony, tools_policy
from jobs.loop.policy import RepositoryPolicy

_OF_OTHER_TOOLS = ("AgentPolicy", "HooksPolicy", "TrackerPolicy")
_INTERNAL = ("instructions", "notes")


def build_schema() -> dict[str, Any]:
    """Return the schema, draft 2020-12. Unknown keys are errors below `loop` only, as in the policy."""
    schema = TypeAdapter(RepositoryPolicy).json_schema()
    types = schema["$defs"]
    for module in (policy, connector_policy, environment_policy, merge_policy, proof_policy, symphony, tools_policy):
        for name, field, text in _list_docstrings(module):
            if field in (properties := types.get(name, {}).get("properties", {})):
                properties[field]["description"] = text
    for name in _OF_OTHER_TOOLS:
        types[name]["additionalProperties"] = True
    for name in _INTERNAL:
        schema["properties"].pop(name)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Front matter of WORKFLOW.md"}
    return {**head, **_without_titles(schema), "title": head["title"], "additionalProperties": True}


def _list_docstrings(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """Yield class, field and the first paragraph of the field's docstring."""
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, after in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                assert isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                yield node.name, field.target.id, " ".join(str(after.value.value).split())


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Remove the titles that pydantic derives from names: they repeat the key."""
    kept = {name: part for name, part in schema.items() if name != "title" or not isinstance(part, str)}
    return {name: _without_titles(part) if isinstance(part, dict) else part for name, part in kept.items()}
