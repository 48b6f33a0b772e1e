"""Manifests of which only some sections configure checks: pyproject.toml, setup.cfg, package.json, Cargo.toml. Pure.

Called by `jobs.evidence.proof.variations`: a manifest that changes only its dependencies is needed by the change.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_CHECK_SECTIONS = re.compile(
    r"(tool[.:])?(pytest|coverage|pytest11|jest|mocha|ava|vitest|nyc|c8|tap|ruff|mypy|pyright|basedpyright|pylint|flake8"
    r"|isort|bandit|importlinter|black|lints|eslintConfig|eslintIgnore|prettier|stylelint|xo|tox|nox|poe|taskipy"
    r"|hatch\.envs|pdm\.scripts)\b.*|tox:.*"
)
_CHECK_SCRIPT = re.compile(r"(pre|post)?(test|lint|check|type|ci|verify|coverage|validate|tsc|format|build)\b.*")


def find_check_sections(path: str, before: str | None, after: str | None) -> tuple[str, ...]:
    """Names of the changed sections that configure checks; `('',)` for a file that can no longer be parsed."""
    name = PurePosixPath(path).name
    reader = _READERS.get(name)
    if reader is None or after is None:
        return ()
    try:
        new = reader(after)
    except (ValueError, configparser.Error):
        return ("",)
    try:
        old = reader(before or _EMPTY.get(name, ""))
    except (ValueError, configparser.Error):
        old = {}
    changed = (key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
    return tuple(key for key in changed if _configures_checks(key, old))


def _configures_checks(name: str, old: Mapping[str, Any]) -> bool:
    script = name.removeprefix("scripts.")
    if script != name:  # a new script changes no check, unless it runs before or after one
        return bool(_CHECK_SCRIPT.fullmatch(script)) and (name in old or script.startswith(("pre", "post")))
    return bool(_CHECK_SECTIONS.fullmatch(name))


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
