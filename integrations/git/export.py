"""Exports an agent's work from the sandbox: committed and packed inside, returned as bytes. Called by `jobs`.

Every git command here runs in the sandbox, because the agent controls the files, the index and HEAD. The output is not
trusted: `Mirror.receive` validates it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from integrations.errors import OverLimit, Rejected
from integrations.git.layer_walk import LayerWalk, TooManyChanges
from integrations.git.quarantine import SHA
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from integrations.values import CommitSha

COMMIT_SECONDS = 300.0
_MAX_PATHS = 2**26  # bytes of paths that git returns
_DRAFT = ".loopline-edit-"  # a killed editor leaves it beside the file
# A killed git leaves its lock files, also of the agent's own branches; no other process runs in this workspace now, so
# they are stale. Then the paths whose entry in the index differs from the base tree's commit, $1.
_PREPARE = """\
set -e
git_dir=$(git rev-parse --git-dir)
find "$git_dir" -path "$git_dir/objects" -prune -o -name '*.lock' -prune -exec rm -rf {} +
git diff-index --cached --name-only --no-renames -z "$1"
"""
# $1: the message, $2: 'all' to let git look for changes. checkStat, trustctime: the content decides, and not the time
# of a file, which an agent can set.
_COMMIT = """\
set -e
add_all() { git add --all -- . ':(exclude,glob)**/.loopline-edit-*'; }
if [ "$2" = all ]; then add_all; else
    git -c core.checkStat=default -c core.trustctime=true update-index --add --remove --replace -z --stdin || add_all
fi
parent=$(git rev-parse --quiet --verify 'HEAD^{commit}' || true)
tree=$(git write-tree)
if [ -z "$parent" ] || [ "$(git rev-parse "$parent^{tree}")" != "$tree" ]; then
    commit=$(git commit-tree ${parent:+-p "$parent"} -m "$1" "$tree")
    git update-ref HEAD "$commit"
fi
"""
_STEP = "committing the agent's files"


def commit_leftovers(sandbox: Sandbox, workspace: Workspace, message: str, timeout: float = COMMIT_SECONDS) -> None:
    """Commit all uncommitted files that are not ignored; does nothing when there are none.

    git looks at two kinds of paths only: those in the upper layer, and those whose entry in the index differs from the
    base tree's commit. All other files are equal to their entries."""
    script = ("sh", "-c", _PREPARE, "sh", workspace.lower_sha)
    staged = sandbox.capture(script, workspace, max_bytes=_MAX_PATHS, timeout=timeout)
    paths = None
    if not staged.truncated:
        paths = _list_paths(workspace, _require_success(staged, _STEP).output.split(b"\0")[:-1])
    if paths:
        paths = _drop_ignored(sandbox, workspace, paths, timeout)
    commit = ("sh", "-c", _COMMIT, "sh", message, "all" if paths is None else "")
    stdin = b"".join(b"%s\0" % path for path in paths or ())
    _require_success(sandbox.run(commit, workspace, stdin=stdin, timeout=timeout), _STEP)


def _list_paths(workspace: Workspace, staged: Sequence[bytes]) -> list[bytes] | None:
    """The paths of the upper layer and the `staged` ones; None when git has to look for changes itself."""
    try:
        changes = list(LayerWalk(workspace, with_ignored=True))
    except TooManyChanges:
        return None
    found = {os.fsencode(c.path) for c in changes if not c.name.startswith(_DRAFT)}
    return sorted(found.union(staged))


def _drop_ignored(sandbox: Sandbox, workspace: Workspace, paths: Sequence[bytes], timeout: float) -> list[bytes] | None:
    """The paths that are tracked or not ignored; None when git cannot decide, for example below a link."""
    stdin = b"".join(b"%s\0" % path for path in paths)
    arguments = ("git", "check-ignore", "-z", "--stdin")
    result = sandbox.capture(arguments, workspace, max_bytes=_MAX_PATHS, stdin=stdin, timeout=timeout)
    if result.truncated or result.exit_code not in (0, 1):
        return None
    ignored = set(result.output.split(b"\0"))
    return [path for path in paths if path not in ignored]


def export_pack(sandbox: Sandbox, workspace: Workspace, base: CommitSha, max_bytes: int) -> tuple[CommitSha, bytes]:
    """Return the agent's HEAD and a thin pack of its objects that `base` lacks; an empty pack when HEAD is `base`.

    Raises `OverLimit` when the pack is larger than `max_bytes`."""
    arguments = ("git", "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
    tip = sandbox.capture(arguments, workspace, max_bytes=100, timeout=COMMIT_SECONDS)
    sha = CommitSha(_require_success(tip, "finding the newest commit").output.decode(errors="replace").strip())
    if not SHA.fullmatch(sha):
        raise Rejected(f"the agent's HEAD is not a commit: {sha[:80]!r}")
    if sha == base:
        return base, b""
    pack = sandbox.capture(
        ("git", "pack-objects", "--revs", "--thin", "--stdout", "--quiet"),
        workspace, max_bytes=max_bytes, stdin=f"{sha}\n^{base}\n".encode(), timeout=COMMIT_SECONDS,
    )  # fmt: skip
    if pack.truncated:
        raise OverLimit(f"the change is refused: its pack has more than the {max_bytes} bytes allowed", "pack")
    return sha, _require_success(pack, "packing the agent's commits").output


def _require_success(result: CommandResult, step: str) -> CommandResult:
    if result.exit_code == 0:
        return result
    lines = (result.stderr or result.output).decode(errors="replace").strip().splitlines()
    reason = result.note or (lines[0][:300] if lines else f"exit code {result.exit_code}")
    raise Rejected(f"{step} failed: {f'it was killed after {result.seconds:.0f} s' if result.timed_out else reason}")
