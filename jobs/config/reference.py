"""Renders the reference of all settings: `.env.example`, and the table in the README. Pure.

Called by `python -m service settings`; a test compares both files with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic.fields import FieldInfo

from integrations.registry import providers
from integrations.settings import find_bounds, is_usual
from jobs.config.settings import Settings, list_fields

WIDTH = 118
USUAL = "Set by most installations"
_HEAD = """\
# `loopline init` writes .env; or copy this file and set the first group. `loopline doctor` reports problems.
# A line that begins with '# NAME=' shows the default. The environment takes precedence over this file.
"""


def list_rows() -> Iterator[tuple[str, str, str]]:
    """Yield (environment variable, default as in `.env`, first line of the docstring) for each setting."""
    for name, field in list_fields().items():
        yield name, _default(field), _description(field)[0]


def render_table() -> str:
    """Render the rows of the README's table."""
    table = ((name, f"`{default}`" if default else "", meaning) for name, default, meaning in list_rows())
    return "".join(f"| `{name}` | {default} | {meaning} |\n" for name, default, meaning in table)


def render_env_example() -> str:
    """Render `.env.example`: the usual settings first, then Loopline's and those of each provider."""
    groups = {USUAL: list_fields(), "Loopline": Settings.variables()}
    groups |= {f"{provider.name} ({provider.kind})": provider.settings.variables() for provider in providers()}
    return _HEAD + "".join(_group(title, group) for title, group in groups.items())


def _group(title: str, list_fields: Mapping[str, FieldInfo]) -> str:
    text = f"\n{f'# --- {title} '.ljust(WIDTH, '-')}\n"
    for name, field in list_fields.items():
        if is_usual(field) == (title == USUAL):
            meaning = "".join(f"# {line}\n" for line in _description(field))
            text += f"\n{meaning}{'' if title == USUAL else '# '}{name}={_default(field)}\n"
    return text


def _default(field: FieldInfo) -> str:
    default = json.dumps(field.default) if isinstance(field.default, dict | bool) else str(field.default)
    return "" if default == "{}" else default


def _description(field: FieldInfo) -> list[str]:
    bounds = find_bounds(field)
    limits = [f"From {bounds[0]:,} to {bounds[1]:,}."] if bounds else []
    return [*(line.strip() for line in (field.description or "").strip().splitlines()), *limits]
