"""Checks the plays themselves, without the gate: the commands pass on the base and with the change, in one folder, with
the tools of the machine. A cheat whose commands fail is no cheat. Called by `tests.dishonest.__main__`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from integrations.sandbox.profile import build_variables
from tests.dishonest.languages.play import Play
from tests.dishonest.languages.plays import ALL
from tests.dishonest.languages.tools import Kit, find_kit

SECONDS = 300


def check_plays(places: Sequence[int], jobs: int) -> Iterator[tuple[Play, str]]:
    """Each play with its problem, empty if it is valid."""
    with ThreadPoolExecutor(jobs) as pool:
        plays = [ALL[place] for place in places]
        yield from zip(plays, pool.map(_find_problem, plays), strict=True)


def _find_problem(play: Play) -> str:
    kit = find_kit(play.runner)
    if problem := _run_all(play, kit, play.base):
        return f"on the base: {problem}"
    if not any(play.base.get(path) != text for path, text in play.change.items()):
        return "the change changes nothing"
    files = {path: text for path, text in {**play.base, **play.change}.items() if text is not None}
    problem = _run_all(play, kit, files)
    return f"with the change: {problem}" if problem else ""


def _run_all(play: Play, kit: Kit, files: Mapping[str, str]) -> str:
    """The first command that fails, with the end of its output."""
    with tempfile.TemporaryDirectory(prefix="loopline-play-") as made:
        home, tree = Path(made, "home"), Path(made, "workspace")
        home.mkdir()
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        variables = {**build_variables(kit.read_only, True), **kit.variables, "HOME": str(home)}
        for command in (*kit.setup, *play.commands):
            done = subprocess.run(
                ["bash", "-c", command], cwd=tree, env=variables, capture_output=True, timeout=SECONDS, check=False
            )
            if done.returncode:
                output = (done.stdout + done.stderr).decode(errors="replace")
                return f"`{command}` exit {done.returncode}{os.linesep}{output[-1500:]}"
    return ""
