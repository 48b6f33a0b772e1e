"""The command that runs a check so that known test runners also write a report. Called by `jobs.roles.reported_check`.

The reporters are added by environment variables, which reach runners behind `make test`, `npm test` or a script. Every
command gets all of them, so that code cannot tell which run it is in. Values that the environment has set stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FOLDER = "/tmp/.test-reports"
PROGRAMS = f"{FOLDER}/programs"
REPORTS = f"{FOLDER}/results"

_SOURCES = Path(__file__).with_name("programs")
_EXPORTS = f"""\
export PYTHONPATH="{PROGRAMS}/python${{PYTHONPATH:+:$PYTHONPATH}}"
export NODE_OPTIONS="--require={PROGRAMS}/node/hook.cjs${{NODE_OPTIONS:+ $NODE_OPTIONS}}"
export RUBYOPT="-r{PROGRAMS}/ruby/hook.rb${{RUBYOPT:+ $RUBYOPT}}"
export PHP_INI_SCAN_DIR="${{PHP_INI_SCAN_DIR:-}}:{PROGRAMS}/php"
for program in {PROGRAMS}/bin/*; do
    command -v "${{program##*/}}" > /dev/null || rm -f "$program"
done
export PATH="{PROGRAMS}/bin:$PATH"
exec bash -c "$1"
"""


def instrument(command: str) -> tuple[str, ...]:
    """The arguments that run a shell command with all reporters. `list_programs` have to be below `PROGRAMS`."""
    return ("bash", "-c", _EXPORTS, "bash", command)


def list_programs() -> Mapping[str, bytes]:
    """Path below `PROGRAMS` and content of each reporter."""
    files = (path for path in _SOURCES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(_SOURCES).as_posix(): path.read_bytes() for path in sorted(files)}
