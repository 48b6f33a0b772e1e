"""State of the reviews of a pull request. Values only; changed by `jobs.workflow.reviews`."""

from __future__ import annotations

from typing import Literal

from integrations.results import AnswerKind
from integrations.values import NO_COMMIT, CommitSha, value

RoundKind = Literal["", "remarks", "request"]
"""remarks: each can be done or answered; request: it needs a commit. Empty when no review is worked on."""


@value
class OpenThread:
    """A thread of inline comments that the current round answers. `id` is the code host's; `comment_id` that of its
    first comment; `email` makes the author a co-author.

    `text` is all that people wrote in it; `line` is 0 for a comment on the whole file. `suggestion` replaces the lines
    `first_line` to `line` of `head_sha`, None without one; `has_more`: the text asks for more. `is_advice`: by a bot
    that cannot instruct. `answer` and `note` are the maker's; `is_applied`: Loopline applied the suggestion
    unchanged."""

    id: str
    comment_id: str
    path: str
    line: int = 0
    first_line: int = 0
    head_sha: CommitSha = NO_COMMIT
    author: str = ""
    login: str = ""
    email: str = ""
    text: str = ""
    suggestion: str | None = None
    has_more: bool = False
    is_advice: bool = False
    answer: AnswerKind = ""
    note: str = ""
    is_applied: bool = False

    @property
    def place(self) -> str:
        """As 'a.py:3', or the path alone."""
        return f"{self.path}:{self.line}" if self.line else self.path


@value
class ReviewState:
    """The review rounds of one generation. `due_at` is when the collected reviews and comments are acted on, Unix
    seconds; 0 for no such time."""

    due_at: float = 0.0
    round: RoundKind = ""
    rounds: int = 0
    """Rounds that reviews started since the hand-over."""
    threads: tuple[OpenThread, ...] = ()
    """Those that the current round answers."""
    seen: tuple[str, ...] = ()
    """Ids of reviews and comments that a round has taken up."""
    from_sha: CommitSha = NO_COMMIT
    """The head that the current round started from."""
    approved_by: str = ""
    """Who had approved that head; it holds if the round needs no commit."""
    requester_id: str = ""
    """The account on the board that handed the ticket over."""
    requester_email: str = ""
