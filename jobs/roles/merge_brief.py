"""The part of a maker's brief about a merge of the base branch with conflicts. Called by `maker` and `briefs`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from integrations.errors import Rejected
from jobs.loop.commands import RunSpec
from jobs.roles.ticket_brief import fence

if TYPE_CHECKING:  # a brief needs no git
    from integrations.git.mirror import Mirror

MOST_FILES, FILE_CHARACTERS = 20, 3_000
_HUNK = re.compile(r"^<{7} [0-9a-f]{40}\n.*?^>{7} [0-9a-f]{40}$", re.MULTILINE | re.DOTALL)
_TASK = """\
{branch} was merged into this branch, and git could not combine both sides. The work tree holds the merge. Resolve every
conflict so that the intentions of both sides hold: the work of this ticket, and the changes of {branch}.

- In a text file, the lines between `<<<<<<<` and `=======` are this branch's, those between `=======` and `>>>>>>>`
  {branch}'s. Leave no marker.
- A binary, deleted or renamed file has no markers: the work tree has one side. Of a path that ends with `~` and a
  commit, keep the content where it belongs, and remove the path.
- `git show HEAD^1:<path>` prints this branch's file, `git show HEAD^2:<path>` that of {branch}.
- Do not start another merge or a rebase: Loopline makes the merge commit from your files."""


def read_hunks(mirror: Mirror, spec: RunSpec) -> str:
    """The conflicts that are still marked in the commit from which the maker starts, by path; bounded."""
    parts = []
    for conflict in spec.conflicts[:MOST_FILES]:
        try:
            text = mirror.read(spec.start_sha, conflict.path) or ""
        except Rejected:  # too large, or not text: the maker looks at the file itself
            continue
        if hunks := "\n".join(_HUNK.findall(text)):
            parts.append(f"{conflict.path}:\n{hunks[:FILE_CHARACTERS]}")
    return "\n\n".join(parts)


def format_merge(spec: RunSpec, hunks: str) -> str:
    """Paths, both sides, and the commits of the base branch that changed them; empty without a merge."""
    if not spec.conflicts:
        return ""
    branch = f"`{spec.workspace.base_branch}`"
    lines = "\n".join(f"- {conflict.path}: {conflict.text}" for conflict in spec.conflicts)
    parts = [
        f"## Merge of {branch}\n\n{_TASK.format(branch=branch)}",
        "Conflicts:\n\n" + fence(spec, "evidence", lines),
    ]
    if spec.base_commits:
        commits = "\n".join(spec.base_commits)
        parts.append(f"Commits of {branch} that changed these files:\n\n" + fence(spec, "repository", commits))
    if hunks:
        parts.append("Both sides of each marked conflict:\n\n" + fence(spec, "evidence", hunks))
    return "\n\n".join(parts)
