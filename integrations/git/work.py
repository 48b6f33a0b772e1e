"""What an agent's work looks like now, as one short text: the same files give the same text, committed or not.

Called by `jobs.roles.tools` after turns that may have written. Runs inside the sandbox, where the files are,
and leaves nothing behind there: index and objects of its own, in the command's own /tmp.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.git.quarantine import SHA
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox

TIMEOUT = 30.0  # seconds
# -p: git takes an index that is newer than a file for proof that the file did not change since. checkStat, trustctime:
# the checkout was made outside, where owner and inode look different, and without them git would read every file.
_TREE = """\
set -e
git_dir=$(git rev-parse --absolute-git-dir)
objects=$(git rev-parse --path-format=absolute --git-path objects)
mkdir /tmp/work-objects
cp -p "$git_dir/index" /tmp/work-index
export GIT_INDEX_FILE=/tmp/work-index GIT_OBJECT_DIRECTORY=/tmp/work-objects GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git -c core.checkStat=minimal -c core.trustctime=false -c core.compression=0 -c advice.addEmbeddedRepo=false \\
    add --all --ignore-errors 2>/dev/null || true
git write-tree
"""


def tree_of_work(sandbox: Sandbox, workspace: Workspace, stopped: Callable[[], bool]) -> str | None:
    """The git tree of everything that is not ignored, 40 hex digits; None when git could not make one.

    Raises only what a sandbox that cannot start raises."""
    result = sandbox.capture(("sh", "-c", _TREE), workspace, max_bytes=100, timeout=TIMEOUT, stopped=stopped)
    tree = result.output.decode(errors="replace").strip()
    return tree if result.exit_code == 0 and SHA.fullmatch(tree) else None
