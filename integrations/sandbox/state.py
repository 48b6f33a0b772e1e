"""Folders for the state of services, in the run's folder, mounted at /run/state/<name>.

Called by `services` and `profile`. They live as long as the run. A marker beside each shows that the service's setup
has succeeded; nothing in the sandbox can reach it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from integrations.errors import Rejected
from integrations.git.workspace import Workspace
from integrations.sandbox.environment import Service
from integrations.sandbox.identity import hand_over

STATE = Path("/run/state")
# Packaged servers write their socket and process id there. The packages' own scripts create them, but do not run here.
_RUNTIME_FOLDERS = ("/run/mysqld", "/run/postgresql", "/run/redis", "/run/valkey")
_RUNTIME_SIZE = 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def prepare_state(workspace: Workspace, services: Sequence[Service]) -> None:
    """Create the folders; one whose setup has not succeeded is emptied."""
    for service in services:
        if not _NAME.fullmatch(service.name):
            raise Rejected(f"service name {service.name!r} in WORKFLOW.md: use letters, digits, - and _, at most 40")
        folder = _find_folder(workspace, service)
        if folder.is_dir() and is_set_up(workspace, service):
            continue
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        hand_over(folder)


def is_set_up(workspace: Workspace, service: Service) -> bool:
    marker = _find_marker(workspace, service)
    return marker.exists() and marker.read_text() == _hash_setup(service)


def mark_set_up(workspace: Workspace, service: Service) -> None:
    """The setup has succeeded. A crash leaves the old marker, or the new one."""
    marker = _find_marker(workspace, service)
    draft = marker.with_suffix(".draft")
    draft.write_text(_hash_setup(service))
    draft.rename(marker)


def open_log(workspace: Workspace, name: str) -> int:
    """A new file for the output of a service, for reading and appending."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
    return os.open(workspace.folder / f"service.{name}.log", flags, 0o600)


def mount_state(workspace: Workspace, services: Sequence[Service]) -> list[str]:
    """bubblewrap's options; none without services."""
    if not services:
        return []
    options = ["--symlink", "/run", "/var/run"]
    for path in _RUNTIME_FOLDERS:
        options += ["--size", str(_RUNTIME_SIZE), "--perms", "1777", "--tmpfs", path]
    for service in services:
        options += ["--bind", str(_find_folder(workspace, service)), str(STATE / service.name)]
    return options


def _find_folder(workspace: Workspace, service: Service) -> Path:
    return workspace.folder / f"service.{service.name}"


def _find_marker(workspace: Workspace, service: Service) -> Path:
    return workspace.folder / f"service.{service.name}.setup"


def _hash_setup(service: Service) -> str:
    return hashlib.sha256(service.setup.encode(errors="surrogatepass")).hexdigest()
