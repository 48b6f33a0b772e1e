"""Finds the hosts of the package registries that this machine's clients use, for LOOPLINE_REGISTRIES.

The clients are asked, as they have the names: those of their configuration, their defaults, and, because files can be
on another host, the address of one package's file. Called by `loopline registries`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from ast import literal_eval
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from integrations.egress.hosts import parse_host

_TIMEOUT = 60.0  # seconds for one call of a client


@dataclass(frozen=True)
class Registries:
    """The hosts without duplicates, and one sentence for each client that did not name all of its own."""

    hosts: tuple[str, ...]
    problems: tuple[str, ...]


class _Failed(Exception):
    """A client has no usable answer; the message is the reason."""


def find_registries(environ: Mapping[str, str]) -> Registries:
    """Ask pip and npm, where they are installed in the PATH of `environ`."""
    urls: list[str] = []
    problems = []
    finders: dict[str, Callable[[Sequence[str], Mapping[str, str]], Iterator[str]]] = {"pip": _ask_pip, "npm": _ask_npm}
    for name, find in finders.items():
        if program := shutil.which(name, path=environ.get("PATH")):
            try:
                urls.extend(find([program], environ))
            except _Failed as error:
                problems.append(f"{name} does not name the hosts of its registry: {error}")
    hosts = (parse_host(urlsplit(url).hostname or "") for url in urls)
    return Registries(tuple(dict.fromkeys(host for host in hosts if host)), tuple(problems))


def _run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    name = " ".join([command[0].rpartition("/")[2], *command[1:2]])
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed(f"{name} does not run ({type(error).__name__})") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it printed nothing").splitlines()[-1]
        raise _Failed(f"{name} failed: {re.sub('://[^@/ ]*@', '://', last)[:200]}")
    return done.stdout


def _ask_pip(pip: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """The URLs of its indexes, and of one file of each."""
    lines = (line.partition("=") for line in _run([*pip, "config", "list"], environ).splitlines())
    configured = {name.rpartition(".")[2]: literal_eval(value) for name, _, value in lines}
    main = configured.get("index-url") or _find_default_index(pip, environ)
    others = str(configured.get("extra-index-url", "")).split()
    # Each index alone, without a local folder that has the package, too.
    own = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    own |= {"PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    own |= {f"PIP_{name.upper()}": str(configured[name]) for name in ("cert", "proxy") if name in configured}
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "-q"]
    for url in (main, *others):
        if not url.startswith("http"):
            continue
        yield url
        report = json.loads(_run([*pip, "install", *options, "--report", "-", "-i", url, "pip"], own))
        yield report["install"][0]["download_info"]["url"]


def _find_default_index(pip: Sequence[str], environ: Mapping[str, str]) -> str:
    found = re.search(r"\(default\s+(https?://[^\s)]+)\)", _run([*pip, "install", "--help"], environ))
    if not found:
        raise _Failed("pip install --help has no default index")
    return found[1]


def _ask_npm(npm: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """The URLs of its registries, also those of scopes, and of one file of the default registry."""
    configured = json.loads(_run([*npm, "config", "list", "--long", "--json"], environ))
    yield from (value for name, value in configured.items() if name == "registry" or name.endswith(":registry"))
    yield _run([*npm, "view", "npm", "dist.tarball"], environ).strip()
