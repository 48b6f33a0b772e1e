"""How an agent's work leaves the sandbox: committed inside, packed inside, handed out as bytes. Called by `jobs`.

Every git command here runs in the sandbox, since the files, the index and HEAD are the agent's. What comes out is not
believed: `Mirror.receive` judges it.
"""

from __future__ import annotations

from integrations.errors import Rejected
from integrations.git.quarantine import SHA
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Sandbox

_TIMEOUT = 300.0  # seconds
# A killed git leaves its lock behind; nothing else runs in this workspace now, so the locks are stale.
_COMMIT = """\
set -e
git_dir=$(git rev-parse --git-dir)
rm -f "$git_dir/index.lock" "$git_dir/HEAD.lock"
git add --all
git diff --cached --quiet || git commit --quiet --no-verify --file=-
"""


def commit_leftovers(sandbox: Sandbox, workspace: Workspace, message: str) -> None:
    """Commit everything that the agent left uncommitted and not ignored; does nothing when there is nothing."""
    script = ("sh", "-c", _COMMIT)
    _succeeded(sandbox.run(script, workspace, stdin=message.encode(), timeout=_TIMEOUT), "committing the agent's files")


def export_pack(sandbox: Sandbox, workspace: Workspace, base: str, max_bytes: int) -> tuple[str, bytes]:
    """The agent's newest commit and a thin pack of what it adds to `base`; the pack is empty when they are the same.

    Raises `Rejected` when the pack is larger than `max_bytes`."""
    question = ("git", "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
    tip = _succeeded(sandbox.capture(question, workspace, max_bytes=100, timeout=_TIMEOUT), "finding the newest commit")
    sha = tip.output.decode(errors="replace").strip()
    if not SHA.fullmatch(sha):
        raise Rejected(f"the agent's HEAD is no commit: {sha[:80]!r}")
    if sha == base:
        return base, b""
    pack = sandbox.capture(
        ("git", "pack-objects", "--revs", "--thin", "--stdout", "--quiet"),
        workspace, max_bytes=max_bytes, stdin=f"{sha}\n^{base}\n".encode(), timeout=_TIMEOUT,
    )  # fmt: skip
    if pack.truncated:
        raise Rejected(f"the change is refused: its pack has more than the {max_bytes} bytes allowed")
    return sha, _succeeded(pack, "packing the agent's commits").output


def _succeeded(result: CommandResult, what: str) -> CommandResult:
    if result.exit_code == 0:
        return result
    words = (result.stderr or result.output).decode(errors="replace").strip().splitlines()
    raise Rejected(f"{what} failed: {result.note or (words[0][:300] if words else f'exit code {result.exit_code}')}")
