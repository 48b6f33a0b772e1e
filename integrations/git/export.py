"""Exports an agent's work from the sandbox: committed and packed inside, returned as bytes. Called by `jobs`.

Every git command here runs in the sandbox, because the agent controls the files, the index and HEAD. The output is not
trusted: `Mirror.receive` validates it.
"""

from __future__ import annotations

from integrations.errors import Rejected
from integrations.git.quarantine import SHA
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from integrations.values import CommitSha

_TIMEOUT = 300.0  # seconds
# A killed git leaves its lock files, also of the agent's own branches; no other process runs in this workspace now, so
# they are stale. A killed editor leaves a draft beside the file.
_COMMIT = """\
set -e
git_dir=$(git rev-parse --git-dir)
find "$git_dir" -path "$git_dir/objects" -prune -o -name '*.lock' -prune -exec rm -rf {} +
git add --all -- . ':(exclude,glob)**/.loopline-edit-*'
git diff --cached --quiet || git commit --quiet --no-verify --file=-
"""


def commit_leftovers(sandbox: Sandbox, workspace: Workspace, message: str, timeout: float = _TIMEOUT) -> None:
    """Commit all uncommitted files that are not ignored; does nothing when there are none."""
    script = ("sh", "-c", _COMMIT)
    result = sandbox.run(script, workspace, stdin=message.encode(), timeout=timeout)
    _require_success(result, "committing the agent's files")


def export_pack(sandbox: Sandbox, workspace: Workspace, base: CommitSha, max_bytes: int) -> tuple[CommitSha, bytes]:
    """Return the agent's HEAD and a thin pack of its objects that `base` lacks; an empty pack when HEAD is `base`.

    Raises `Rejected` when the pack is larger than `max_bytes`."""
    arguments = ("git", "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
    tip = sandbox.capture(arguments, workspace, max_bytes=100, timeout=_TIMEOUT)
    sha = CommitSha(_require_success(tip, "finding the newest commit").output.decode(errors="replace").strip())
    if not SHA.fullmatch(sha):
        raise Rejected(f"the agent's HEAD is not a commit: {sha[:80]!r}")
    if sha == base:
        return base, b""
    pack = sandbox.capture(
        ("git", "pack-objects", "--revs", "--thin", "--stdout", "--quiet"),
        workspace, max_bytes=max_bytes, stdin=f"{sha}\n^{base}\n".encode(), timeout=_TIMEOUT,
    )  # fmt: skip
    if pack.truncated:
        raise Rejected(f"the change is refused: its pack has more than the {max_bytes} bytes allowed")
    return sha, _require_success(pack, "packing the agent's commits").output


def _require_success(result: CommandResult, step: str) -> CommandResult:
    if result.exit_code == 0:
        return result
    lines = (result.stderr or result.output).decode(errors="replace").strip().splitlines()
    reason = result.note or (lines[0][:300] if lines else f"exit code {result.exit_code}")
    raise Rejected(f"{step} failed: {f'it was killed after {result.seconds:.0f} s' if result.timed_out else reason}")
