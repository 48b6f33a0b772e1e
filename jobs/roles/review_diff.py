"""The diff of a candidate for the agents that examine it, without the lines of generated files. Called by the roles."""

from __future__ import annotations

from integrations.errors import Rejected
from jobs.evidence.generated_files import ATTRIBUTES, find_generated
from jobs.roles.slice import Slice


def read_diff(run: Slice, max_bytes: int) -> str:
    """The patch between the base commit and the candidate, at most `max_bytes`."""
    base, sha = run.spec.workspace.base_sha, run.spec.start_sha
    paths = [change.path for change in run.mirror.changes(base, sha, max_read=0)]
    return run.mirror.diff(base, sha, max_bytes, find_generated(paths, read_attributes(run)))


def read_attributes(run: Slice) -> str:
    """The base commit's `.gitattributes`, empty without one."""
    try:
        return run.mirror.read(run.spec.workspace.base_sha, ATTRIBUTES) or ""
    except Rejected:  # too large, or not text
        return ""
