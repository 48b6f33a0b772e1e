"""Files of which only some sections configure checks: pyproject.toml, setup.cfg, package.json, Makefile. Pure.

Called by `jobs.evidence.tampering`. Changes of other sections are ignored.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from integrations.results import Tampering, TamperKind

_TOOL_KIND: tuple[tuple[TamperKind, re.Pattern[str]], ...] = (
    ("test_configuration", re.compile(r"(tool[.:])?(pytest|coverage|pytest11|jest|mocha|ava|vitest|nyc|c8)\b.*")),
    ("lint_or_types", re.compile(
        r"(tool[.:])?(ruff|mypy|pyright|basedpyright|pylint|flake8|isort|bandit|importlinter|black|lints|eslintConfig"
        r"|eslintIgnore|prettier|stylelint|xo)\b.*")),
    ("check_command", re.compile(r"(tool[.:])?(tox|nox|poe|taskipy|hatch\.envs|pdm\.scripts)\b.*|tox:.*")),
)  # fmt: skip
_CHECKING = re.compile(r"(pre|post)?(test|lint|check|type|ci|verify|coverage|validate|tsc|format|build)\b.*")
_RULE = re.compile(r"^(?P<targets>[^\s#:=][^#:=]*?)\s*::?(?!=)\s*(?P<needs>[^=]*)$")


def find_changed_sections(path: str, before: str | None, after: str | None) -> Iterator[Tampering]:
    """Yield changed sections that configure checks, and files that can no longer be parsed."""
    reader = _READERS.get(PurePosixPath(path).name)
    if reader is None or after is None:
        return
    try:
        new = reader(after)
    except (ValueError, configparser.Error):
        yield Tampering(kind="test_configuration", path=path, text="it can no longer be parsed")
        return
    try:
        old = reader(before or _EMPTY.get(PurePosixPath(path).name, ""))
    except (ValueError, configparser.Error):
        old = {}
    for name in sorted(old.keys() | new.keys()):
        kind = _find_kind(name, old)
        if kind and old.get(name) != new.get(name):
            yield Tampering(kind=kind, path=path, text=name)


def _find_kind(name: str, old: Mapping[str, Any]) -> TamperKind | None:
    script = name.removeprefix("scripts.")
    if script != name:
        known = _CHECKING.fullmatch(script) is not None and (name in old or script.startswith(("pre", "post")))
        return "check_command" if known else None
    return next((kind for kind, pattern in _TOOL_KIND if pattern.fullmatch(name)), None)


def _read_toml(text: str) -> dict[str, Any]:
    data = tomllib.loads(text)
    tools = data.pop("tool", {})
    found = {f"tool.{name}": value for name, value in tools.items() if name not in ("hatch", "pdm")}
    found["tool.hatch.envs"] = tools.get("hatch", {}).get("envs")
    found["tool.pdm.scripts"] = tools.get("pdm", {}).get("scripts")
    found["pytest11"] = data.get("project", {}).get("entry-points", {}).get("pytest11")
    found["lints"] = data.get("lints")
    found["pytest harness"] = [data.get("test"), data.get("lib", {}).get("test")]  # of cargo
    return found


def _read_ini(text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def _read_json(text: str) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it holds no object")
    scripts = data.pop("scripts", {})
    return {**data, **{f"scripts.{name}": value for name, value in scripts.items()}}


_READERS = {"pyproject.toml": _read_toml, "Cargo.toml": _read_toml, "setup.cfg": _read_ini, "package.json": _read_json}
_EMPTY = {"package.json": "{}"}


def find_changed_rules(path: str, before: str, after: str) -> Iterator[Tampering]:
    """Yield rules and settings of a Makefile that were changed, removed or overridden; new rules are ignored."""
    old, new = _parse_rules(before), _parse_rules(after)
    for name, recipe in old.items():
        if new.get(name) != recipe:
            yield Tampering(kind="check_command", path=path, text=name or "its settings")
    if new.get("", []) != old.get("", []) and "" not in old:
        yield Tampering(kind="check_command", path=path, text="its settings")
    for name in sorted(new.keys() - old.keys() - {""}):
        if name.startswith(".") and name != ".PHONY":
            yield Tampering(kind="check_command", path=path, text=name)


def _parse_rules(text: str) -> dict[str, list[str]]:
    """Map targets to prerequisites and recipe, and '' to all other lines that are not comments."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("\t") or (current and line.startswith("  ")):
            for name in current:
                found[name].append(line.strip())
        elif (rule := _RULE.match(line)) and not line.startswith(("export", "include", "define")):
            current = [t for t in rule["targets"].split() if t != ".PHONY"]
            for name in current:
                found.setdefault(name, []).append(" ".join(rule["needs"].split()))
        elif line.strip() and not line.lstrip().startswith("#"):
            current = []
            found.setdefault("", []).append(line.strip())
    return found
