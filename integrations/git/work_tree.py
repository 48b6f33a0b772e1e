"""A checksum of an agent's files: equal files give an equal git tree id, committed or not.

Called by `jobs.roles.tools` after turns that may have changed files. Runs inside the sandbox and leaves no traces: the
index and objects are temporary, in the sandbox's private /tmp.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.git.quarantine import SHA
from integrations.sandbox.session import Session

TIMEOUT = 30.0  # seconds
# -p: git trusts an index that is newer than a file as proof that the file is unchanged. checkStat, trustctime: the
# checkout was made outside, where owner and inode differ; without these settings git would read every file.
_TREE = """\
set -e
git_dir=$(git rev-parse --absolute-git-dir)
objects=$(git rev-parse --path-format=absolute --git-path objects)
rm -rf /tmp/work-objects /tmp/work-index
mkdir /tmp/work-objects
cp -p "$git_dir/index" /tmp/work-index
export GIT_INDEX_FILE=/tmp/work-index GIT_OBJECT_DIRECTORY=/tmp/work-objects GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git -c core.checkStat=minimal -c core.trustctime=false -c core.compression=0 -c advice.addEmbeddedRepo=false \\
    add --all --ignore-errors 2>/dev/null || true
git write-tree
rm -rf /tmp/work-objects /tmp/work-index
"""


def snapshot_work_tree(session: Session, stopped: Callable[[], bool]) -> str | None:
    """The git tree id (40 hex digits) of all files that are not ignored; None when git fails or times out.

    Raises `SandboxUnavailable`."""
    result = session.capture(("sh", "-c", _TREE), max_bytes=100, timeout=TIMEOUT, stopped=stopped)
    tree = result.output.decode(errors="replace").strip()
    return tree if result.exit_code == 0 and SHA.fullmatch(tree) else None
