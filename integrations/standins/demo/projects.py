"""The story of two projects with dependencies: Node.js packages, and Python packages with PostgreSQL.

Both are installed from this machine's registries, through the egress proxy. Of each project the first ticket builds the
environment; the second one has to start without an install.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from integrations.egress.registries import find_registries
from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import HERE, Project, Stack
from integrations.standins.demo.story import Narrator, StoryError, is_in, memory

_FILES = HERE.parent / "demo_projects"
PROJECTS = (
    Project("REL", "Releases", "acme/releases", _FILES / "releases", _FILES / "releases.tickets.json"),
    Project("STO", "Stock", "acme/stock", _FILES / "stock", _FILES / "stock.tickets.json"),
)


def find_missing_tools() -> str:
    """One sentence with the fix; empty if this machine has all that the projects need."""
    missing = [] if shutil.which("node") and shutil.which("npm") else ["npm"]
    if not shutil.which("postgres") and not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        missing.append("postgresql")
    if not missing:
        return ""
    names = " ".join(missing)
    return f"The demo of projects needs {names}: run 'sudo apt-get install {names}', or install it your system's way."


def find_settings() -> dict[str, str]:
    """The service's settings for these projects. Raises `RuntimeError` without a registry."""
    found = find_registries(os.environ)
    if not found.hosts:
        raise RuntimeError("no package registry is known: " + ("; ".join(found.problems) or "install pip and npm"))
    return {"LOOPLINE_REGISTRIES": ",".join(found.hosts)}


def play(stack: Stack, patience: float) -> dict[str, Any]:
    """Play all tickets one after another. Returns the summary; `ok` only if each was merged as expected."""
    tickets: list[dict[str, Any]] = []
    for project in stack.projects:
        narrator = Narrator(ana := Ana(stack, project))
        try:
            tickets += [_play_ticket(stack, ana, narrator, name, patience) for name in sorted(narrator.look())]
        except StoryError as error:
            narrator.say(str(error))
    expected = sum(len(json.loads(project.tickets.read_text())) for project in stack.projects)
    return {"tickets": tickets, "ok": len(tickets) == expected and all(ticket["ok"] for ticket in tickets)}


def _play_ticket(stack: Stack, ana: Ana, narrator: Narrator, identifier: str, patience: float) -> dict[str, Any]:
    is_first = identifier.endswith("-1")
    narrator.say(f"Ana drags {identifier} to the agent column")
    began = time.time()
    ana.drag(identifier, "Agent")
    ready = partial(narrator.wait, identifier, patience=patience)
    ready("is ready for review", partial(is_in, "In Review"))
    number = int(memory(ana.board()[identifier])["pull_request"])
    narrator.say(f"Ana merges {identifier} on its pull request")
    ana.merge(number)
    ready("is in Done", partial(is_in, "Done"))
    events = [event["event"] for event in _read_log(stack) if str(event.get("run", "")).startswith(f"{identifier}-")]
    builds, connections = events.count("environment built"), events.count("egress allowed")
    merged = any(p["number"] == number and p["merged_at"] for p in ana.pull_requests().values())
    installed = builds == 1 and connections > 0
    return {
        "identifier": identifier,
        "merged": merged,
        "environments_built": builds,
        "registry_connections": connections,
        "seconds_to_first_model_call": _find_first_call(stack, began),
        "ok": merged and (installed if is_first else not builds and not connections),
    }


def _read_log(stack: Stack) -> Iterator[Mapping[str, Any]]:
    """All events of the service's processes."""
    for file in sorted((stack.home / "service" / "logs").glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def _find_first_call(stack: Stack, began: float) -> float | None:
    """Seconds from `began` until the model's stand-in was asked; None with a real model."""
    file = stack.home / "model" / "requests.jsonl"
    calls = map(json.loads, file.read_text().splitlines() if file.exists() else ())
    times = (datetime.fromisoformat(call["at"]).astimezone(UTC).timestamp() for call in calls)
    return next((round(at - began, 1) for at in times if at >= began), None)
