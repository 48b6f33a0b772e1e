"""Fences around texts from outside in a prompt. A fence names the text's author; the text cannot close it. Pure.

The mark is random per run (`RunSpec.nonce`) and the same at every turn, so that the prompt cache is used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from integrations.texts import show_hidden, show_hidden_markup

Source = Literal[
    "ticket", "context", "comments", "others", "guidance", "contract", "repository", "evidence", "diff", "tampering",
    "plan", "attempts", "claim", "comment", "checks", "review", "commits",
    "tool",
]  # fmt: skip
AUTHORS: dict[Source, str] = {
    "ticket": "anyone with access to the ticket",
    "context": "anyone with access to the board",
    "comments": "people with permission to control Loopline, before the work began",
    "others": "people without that permission, and apps",
    "guidance": "people with permission to control Loopline",
    "contract": "ticket, its readers' answers and the repository",
    "repository": "the repository's base branch",
    "evidence": "output of commands",
    "diff": "the agent's change",
    "tampering": "the agent's change",
    "plan": "another agent",
    "attempts": "another agent, output of commands",
    "claim": "another agent",
    "checks": "output of the code host's checks",
    "commits": "accounts with write access to the repository",
    "comment": "a person with permission to control Loopline",
    "review": "people with write access to the repository",
    "tool": "anyone with access to the source of the tool",
}
_MARKDOWN: frozenset[Source] = frozenset(
    {"ticket", "context", "comments", "others", "guidance", "contract", "repository", "comment", "review"}
)
"""Texts that people read as rendered Markdown, where some markup is not visible."""


@dataclass(frozen=True)
class Fences:
    """Creates the fences of one run. `nonce` is empty in runs of an older release, whose id is used instead."""

    nonce: str
    run_id: str

    @property
    def mark(self) -> str:
        """16 hex digits."""
        return self.nonce or hashlib.sha256(self.run_id.encode()).hexdigest()[:16]

    def enclose(self, source: Source, text: str) -> str:
        """The text as data of this source, with hidden characters and markup made visible."""
        shown = show_hidden_markup(text) if source in _MARKDOWN else show_hidden(text)
        inside = shown.replace(self.mark, "…").strip()
        return f'<{source}-{self.mark} from="{AUTHORS[source]}">\n{inside}\n</{source}-{self.mark}>'
