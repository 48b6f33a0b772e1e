"""Finds files that a change adds by mistake, in clear cases only. Called by `jobs.roles.gate`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from integrations.git.changes import Change
from jobs.evidence.generated_files import is_lock_file

LARGE_BYTES = 2**20
_FOLDERS = frozenset({
    "__pycache__", "node_modules", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".idea", ".vs",
    ".ipynb_checkpoints", ".tox", ".nox", ".venv", ".eggs", ".gradle", ".next", ".nyc_output", "htmlcov",
})  # fmt: skip
_NAMES = re.compile(
    r".*\.(orig|rej|pyc|pyo|swp|swo|bak|tmp|log|stackdump|dmp|hprof|prof|gcda|gcno|class)|\.DS_Store|Thumbs\.db|desktop\.ini"
    r"|core(\.\d+)?|\.#.*|#.*#|.*~|nohup\.out|npm-debug\.log.*|\.coverage(\.\w+)*|\.nfs\w+|a\.out|hs_err_pid\d+\.log"
)
_AT_THE_TOP = re.compile(
    r"(scratch|tmp|temp|debug|try|playground|repro|untitled|foo|bar|temp_\w+|tmp_\w+|debug_\w+|scratch_\w+|repro_\w+|try_\w+|quick_test\w*)"
    r"\.(py|js|ts|go|rs|rb|sh|txt|md|json|java|c)"
    r"|(todo|notes?|plan|scratch|thoughts|progress|summary|changes_made|implementation_(notes|plan|summary)|output|out|result|results|diff)\.(md|txt)"
    r"|(changes|fix|patch|my)\.(patch|diff)",
    re.IGNORECASE,
)
_ASSET = re.compile(
    r".*\.(png|jpe?g|gif|webp|avif|ico|svg|psd|pdf|woff2?|ttf|otf|mp[34]|m4a|ogg|wav|webm|mov|glb|gltf|fbx|csv|tsv|json"
    r"|geojson|xml|ya?ml|sql|parquet|npz?|onnx|wasm|html|css|js|ts|po|xliff?)",
    re.IGNORECASE,
)
"""Large files that a change adds on purpose: media, data, generated text."""
_MEANT_EMPTY = re.compile(r"__init__\.py|py\.typed|\.gitkeep|\.keep|\.nojekyll|\.placeholder|.*\.pyi|index\.\w+")


def find_stray_files(changes: Sequence[Change], asked: str) -> tuple[str, ...]:
    """Paths of new files that look unintended. `asked` is the ticket's text: files that it names are intended."""
    new = [c for c in changes if c.before is None and c.after and _is_stray(c)]
    return tuple(c.path for c in new if PurePosixPath(c.path).name.lower() not in asked.lower())


def _is_stray(change: Change) -> bool:
    path = PurePosixPath(change.path)
    size, text = (change.after.size, change.after.text) if change.after else (0, None)
    if _FOLDERS & set(path.parts[:-1]) or _NAMES.fullmatch(path.name):
        return not is_data(change.path)
    if len(path.parts) == 1 and _AT_THE_TOP.fullmatch(path.name):
        return True
    if size == 0:
        return not _MEANT_EMPTY.fullmatch(path.name) and not is_data(change.path)
    is_meant = is_data(change.path) or is_lock_file(change.path) or _ASSET.fullmatch(path.name)
    return size > LARGE_BYTES and text is None and not is_meant


def is_data(path: str) -> bool:
    """Whether the file is an example for tests, which can have any name and content."""
    folders = {"fixtures", "testdata", "test_data", "data", "examples", "samples", "__fixtures__"}
    return bool(folders & set(PurePosixPath(path).parts[:-1]))
