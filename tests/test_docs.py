"""The pages in `infra/docs`, README and CONTRIBUTING agree with the repository: links, paths, names, tables."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import TypeAdapter

from jobs.loop.policy import RepositoryPolicy, read_policy

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "infra/docs"
PAGES = (ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))
EXAMPLES = sorted(DOCS.glob("examples/*/WORKFLOW.md"))
TOP_LEVEL = r"(?:service|jobs|integrations|tests|infra|\.ci|\.github)"
PATH = re.compile(rf"`({TOP_LEVEL}/[\w./-]*)(?:::(\w+))?[^`]*`")
MODULE = re.compile(r"`((?:service|jobs|integrations)(?:\.\w+)+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def section(page: Path, name: str) -> list[str]:
    """The lines between the markers `<!-- name -->` and `<!-- /name -->`."""
    return page.read_text().split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0].strip().splitlines()


def cells(row: str) -> list[str]:
    """The cells of a table row; `\\|` is a character."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_point_to_files_and_headings_that_exist(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_in_backticks_exist(page: Path) -> None:
    for path, name in PATH.findall(page.read_text()):
        target = ROOT / path
        assert target.exists(), f"{page.name} names {path}"
        if name:
            defined = {getattr(node, "name", "") for node in ast.walk(ast.parse(target.read_text()))}
            assert name in defined, f"{page.name} names {path}::{name}"


def test_controls_in_the_security_page_name_tests() -> None:
    table = (DOCS / "security.md").read_text().split("## Controls and their tests")[1].split("\n## ")[0]
    rows = [cells(row) for row in table.splitlines() if row.startswith("|")][2:]

    assert len(rows) >= 20
    for control, named in rows:
        places = [ROOT / path for path, _ in PATH.findall(named)]
        files = [file for place in places for file in ([place] if place.is_file() else place.rglob("test_*.py"))]
        assert len(files) >= len(places) > 0, f"{control} has no tests"
        assert all("def test_" in file.read_text() for file in files), f"{control} names a file without tests"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_in_backticks_exist(page: Path) -> None:
    for name in MODULE.findall(page.read_text()):
        path = ROOT / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"{page.name} names {name}"


def test_rooms_in_the_architecture_page_are_the_folders_of_jobs() -> None:
    rooms = [cells(row)[0].strip("`/") for row in section(DOCS / "architecture.md", "rooms")[2:]]

    assert sorted(rooms) == sorted(path.parent.name for path in (ROOT / "jobs").glob("*/__init__.py"))


def test_layers_in_the_architecture_page_are_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == ["jobs"])

    assert section(DOCS / "architecture.md", "layers")[1:-1] == layers


def test_log_events_in_the_operations_page_are_logged() -> None:
    logged = events_of("service", "jobs", "integrations")
    named = [cells(row)[0].strip("`") for row in section(DOCS / "operations.md", "alerts")[2:]]

    assert named
    assert [event for event in named if event not in logged] == []
    assert events_of("integrations/environments", "integrations/egress") <= set(named)


def events_of(*folders: str) -> set[str]:
    """The log events of the modules in these folders."""
    logged = set()
    for source in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        logged |= set(re.findall(r"\.(?:info|warning|error|exception)\(\s*\"([^\"]+)\"", source.read_text()))
    return logged


def test_workflow_page_has_every_key_with_type_and_default() -> None:
    schema = TypeAdapter(RepositoryPolicy).json_schema()
    wanted = {}
    for key, kind, default in keys_of(schema, schema["$defs"]):
        if key in ("instructions", "notes"):  # the Markdown body and remarks on the file, not keys
            continue
        wanted[re.sub(r"^loop\.roles\.\w+", "loop.roles.<role>", key)] = (kind, default)
    shown = [cells(row) for row in section(DOCS / "workflow.md", "keys")[2:]]

    assert {row[0].strip("`"): (row[1], row[2]) for row in shown} == wanted
    assert all(row[3] for row in shown)


def keys_of(schema: dict[str, Any], models: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, type, default) of each key in a JSON schema, as the page shows them."""
    for name, field in schema["properties"].items():
        key = f"{prefix}{name}"
        field = next((one for one in field.get("anyOf", ()) if one.get("type") != "null"), {}) | field
        if "$ref" in field:
            yield from keys_of(_model(field, models), models, f"{key}.")
            continue
        items = field.get("items", {})
        default = field.get("default", {} if field.get("type") == "object" else None)  # a factory is not in the schema
        shown = "(service)" if default is None else f"`{json.dumps(default)}`"
        yield key, _type_of(field), "(required)" if name in schema.get("required", ()) else shown
        if "$ref" in items:
            yield from keys_of(_model(items, models), models, f"{key}[].")


def _model(field: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = models[field["$ref"].rpartition("/")[2]]
    return model


def _type_of(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{json.dumps(one)}`" for one in field["enum"])
    if field["type"] == "array":
        return "list of strings" if field["items"].get("type") == "string" else "list of mappings"
    kind = {"object": "mapping"}.get(field["type"], field["type"])
    low, high = field.get("minimum", field.get("minLength")), field.get("maximum", field.get("maxLength"))
    over = field.get("exclusiveMinimum")
    bounds = [f"> {over:.9g}"] if over is not None else []
    if high is not None:
        bounds.append(f"{low:.9g}–{high:.9g}" if low is not None else f"≤ {high:.9g}")
    elif low is not None:
        bounds.append(f"≥ {low:.9g}")
    unit = " characters" if kind == "string" and bounds else ""
    return ", ".join([kind, *bounds]) + unit


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_workflow_examples_are_valid(file: Path, recwarn: pytest.WarningsRecorder) -> None:
    policy = read_policy(file.read_text(), f"{file.parent.name} at main")

    assert policy.loop.checks and policy.instructions and policy.loop.environment.setup
    assert recwarn.list == []


def test_workflow_examples_are_linked_from_the_page() -> None:
    page = (DOCS / "workflow.md").read_text()

    assert len(EXAMPLES) == 7
    assert [file for file in EXAMPLES if f"({file.relative_to(DOCS)})" not in page] == []
