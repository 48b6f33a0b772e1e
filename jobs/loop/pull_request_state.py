"""State of a pull request. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from dataclasses import replace

from integrations.values import NO_COMMIT, CommitSha, value


@value
class PullRequestState:
    """The pull request. `number` is 0 and `url` empty before it is open."""

    number: int = 0
    url: str = ""
    pushed_sha: CommitSha = NO_COMMIT
    """The branch's head after the last push."""
    approved_sha: CommitSha = NO_COMMIT
    approved_by: str = ""
    title: str = ""
    """The title that Loopline wrote last."""
    shown_at: float = 0.0
    """Since when people can see the commit under review, Unix seconds."""
    draft: bool = False
    """Whether it is a draft, as far as the loop knows."""
    announced: bool = False
    """Whether reviewers were requested."""
    size_reported: bool = False
    """Whether the ticket shows that the change exceeds the size budget."""
    commented_by: str = ""
    """The last person who commented on it or reviewed it."""

    def unapproved(self) -> PullRequestState:
        return replace(self, approved_sha=NO_COMMIT, approved_by="")
