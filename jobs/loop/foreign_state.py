"""State of a loop that other accounts changed on the code host: commits, pull request, repository. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import NO_COMMIT, CommitSha, value

RepositoryState = Literal["", "renamed", "archived", "inaccessible"]


@value
class ForeignPush:
    """Commits of another account on the loop's branch, from the head that Loopline knew, `before`, to `head`. After a
    force push `head` does not contain `before`."""

    by: str
    before: CommitSha
    head: CommitSha


@value
class ForeignState:
    """What other accounts changed. Kept while the loop keeps its branch."""

    pushes: tuple[ForeignPush, ...] = ()
    """The oldest first; Loopline pushed between two of them."""
    title: str = ""
    """The pull request's title that a person wrote, empty while it is Loopline's."""
    base: str = ""
    """The base branch that a person chose for the pull request."""
    is_shared: bool = False
    """Whether a person asked Loopline to continue on a branch that was left to them."""
    is_locked: bool = False
    repository: RepositoryState = ""
    """Why the repository cannot be written to under the loop's name of it; empty while it can."""
    renamed_to: str = ""
    """The repository's new name, 'owner/name', once it was renamed or transferred."""

    @property
    def head(self) -> CommitSha:
        """The newest commit of another account, empty without one."""
        return self.pushes[-1].head if self.pushes else NO_COMMIT
