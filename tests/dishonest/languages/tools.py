"""The tools of each runner inside the sandbox: mounted folders, setup commands and variables. Called by `outcome`.

Node packages and Python tools are installed once per machine, below `LOOPLINE_PLAYS` (default ~/.cache/loopline-plays).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from integrations.sandbox.bubblewrap import default_read_only

CACHE = Path(os.environ.get("LOOPLINE_PLAYS") or Path.home() / ".cache" / "loopline-plays")
PACKAGES = {"jest": "29.7.0", "vitest": "2.1.9", "mocha": "10.8.2"}
PYTHON = ("pytest==8.4.2", "ruff==0.14.5", "mypy==1.18.2")
JUNIT = Path("/usr/share/java/junit-platform-console-standalone.jar")


class ToolMissing(Exception):
    """A tool of the plays is not on this machine; the message names the command that installs it."""


@dataclass(frozen=True)
class Kit:
    """What the commands of a play find beside the repository. Folders of `read_only` are at their own path, the `bin`
    of each is in PATH."""

    read_only: tuple[Path, ...] = ()
    setup: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@cache
def find_kit(runner: str) -> Kit:
    """The tools of a runner. Raises `ToolMissing`."""
    match runner:
        case "pytest" | "unittest":
            return Kit((_install_python(), *default_read_only()))
        case "node:test":
            _require("node", "apt-get install nodejs npm")
            return Kit(default_read_only())
        case "jest" | "vitest" | "mocha":
            modules = _install_node()
            return Kit((*default_read_only(), modules), (f"ln -s {modules} node_modules",))
        case "go test":
            _require("go", "apt-get install golang-go")
            return Kit(default_read_only(), variables={"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "on"})
        case "cargo test":
            return Kit((*default_read_only(), *_find_rust()), variables={"CARGO_NET_OFFLINE": "true"})
        case "junit":
            _require("javac", "apt-get install default-jdk-headless")
            if not JUNIT.is_file():
                raise ToolMissing("JUnit's console launcher is not installed: apt-get install junit5")
            return Kit(default_read_only())
        case "minitest" | "rspec":
            _require("ruby", "apt-get install ruby ruby-minitest")
            _require("rspec", "apt-get install ruby-rspec")
            return Kit(default_read_only())
    raise AssertionError(f"no kit for {runner}")


def _require(tool: str, install: str) -> str:
    found = shutil.which(tool)
    if found is None:
        raise ToolMissing(f"{tool} is not on PATH: {install}")
    return found


def _find_rust() -> tuple[Path, ...]:
    """The toolchain's folder, unless it is below /usr, which the sandbox has."""
    _require("cargo", "apt-get install cargo, or https://rustup.rs")
    root = Path(_run(["rustc", "--print", "sysroot"]).strip())
    return () if root.is_relative_to("/usr") else (root,)


def _install_python() -> Path:
    """A virtual environment of this interpreter with the tools of `PYTHON`."""
    folder = CACHE / f"python-{'-'.join(PYTHON).replace('==', '-')}"
    with _locked():
        if not (folder / "installed").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
            _run([str(base), "-m", "venv", str(folder)])
            _run([str(folder / "bin" / "pip"), "install", "-q", "--no-cache-dir", *PYTHON])
            (folder / "installed").touch()
    return folder


def _install_node() -> Path:
    """The `node_modules` folder with the packages of `PACKAGES`."""
    npm = _require("npm", "apt-get install nodejs npm")
    folder = CACHE / ("node-" + "-".join(f"{name}-{version}" for name, version in PACKAGES.items()))
    with _locked():
        if not (folder / "installed").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            manifest = {"private": True, "dependencies": PACKAGES}
            (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
            _run([npm, "install", "--no-audit", "--no-fund", "--silent"], folder)
            (folder / "installed").touch()
    return folder / "node_modules"


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise ToolMissing(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout


@contextmanager
def _locked() -> Iterator[None]:
    """One process of this machine at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
