"""The command `environments`: lists and removes the dependencies that repositories installed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from integrations.environments.store import EnvironmentStore


def list_environments(home: Path, out: TextIO) -> int:
    """Print one line for each environment, the most recently used first; returns the exit code."""
    layers = EnvironmentStore(home / "environments").list_layers()
    for layer in layers:
        used = datetime.fromtimestamp(layer.last_used, UTC).isoformat(timespec="seconds")
        size = f"{layer.size / 1e6:.1f} MB, {layer.files} files"
        out.write(f"{layer.digest[:12]}  {used}  {size:<24} built in {layer.seconds:.1f} s  {layer.repository}\n")
    out.write(f"{len(layers)} environments.\n")
    return 0


def remove_environments(home: Path, digest: str, out: TextIO) -> int:
    """Remove the environments whose digest begins with `digest`, unless a command uses them; returns the exit code."""
    store = EnvironmentStore(home / "environments")
    chosen = [layer for layer in store.list_layers() if layer.digest.startswith(digest)]
    left = [layer for layer in chosen if not store.remove(layer)]
    out.writelines(f"{layer.digest[:12]} is in use and stays.\n" for layer in left)
    out.write(f"{len(chosen) - len(left)} environments removed.\n")
    return 1 if left or not chosen else 0
