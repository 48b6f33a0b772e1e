"""The consequences of moved refs: webhooks, and pull requests that get a new head, close or count as merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from integrations.standins.github.hub import Repository, now
from integrations.standins.github.protection import protection_of
from integrations.standins.github.records import Pull, Review
from integrations.standins.github.shapes.pulls import pull_request
from integrations.standins.github.shapes.view import View
from integrations.standins.github.webhooks import Webhooks

NO_COMMIT = "0" * 40
BRANCHES = "refs/heads/"


@dataclass(frozen=True)
class Update:
    """A moved ref; 40 zeros where it did not exist before, or does not exist now."""

    ref: str
    old: str
    new: str

    @property
    def branch(self) -> str:
        """The branch's name, '' for a tag."""
        return self.ref.removeprefix(BRANCHES) if self.ref.startswith(BRANCHES) else ""


@dataclass(frozen=True)
class Aftermath:
    """The repository and the actor of a change; `causes` as in `Webhooks.emit`."""

    view: View
    repository: Repository
    sender: str
    causes: Sequence[str] = ()

    def of(self, updates: Sequence[Update]) -> None:
        """Send the webhooks, then update the pull requests."""
        for update in updates:
            self.emit("push", **self._push(update))
            if update.branch:
                self._pulls_from(update)
                self._pulls_into(update.branch)

    def emit(self, event: str, action: str | None = None, **parts: Any) -> None:
        """Send a webhook about this repository."""
        Webhooks(self.view.hub).emit(self.view, self.repository, self.sender, event, action, parts, self.causes)

    def emit_pull(self, action: str, pull: Pull, **parts: Any) -> None:
        """Send a webhook about a pull request."""
        shape = pull_request(self.view, self.repository, pull, computed=False)
        self.emit("pull_request", action, number=pull.number, pull_request=shape, **parts)

    def close(self, pull: Pull, merged_by: str = "", merge_commit_sha: str | None = None) -> None:
        """Close a pull request, merged or not, and send the webhook."""
        pull.state, pull.closed_at, pull.updated_at = "closed", now(), now()
        if merged_by:
            pull.merged_at, pull.merged_by, pull.merge_commit_sha = pull.closed_at, merged_by, merge_commit_sha
        self.view.hub.store.put(pull)
        self.emit_pull("closed", pull)

    def _open_pulls(self, **same: str) -> list[Pull]:
        return self.view.hub.store.all(Pull, repository=self.repository.name, state="open", **same)

    def _pulls_from(self, update: Update) -> None:
        for pull in self._open_pulls(branch=update.branch):
            if update.new == NO_COMMIT:
                self.close(pull)
                continue
            base = self.repository.git.head(pull.base)
            pull.head_sha, pull.base_sha, pull.updated_at = update.new, base or pull.base_sha, now()
            pull.pushed_by = self.sender
            self._dismiss_stale(pull)
            self.repository.git.set_ref(f"refs/pull/{pull.number}/head", update.new)
            self.view.hub.store.put(pull)
            self.emit_pull("synchronize", pull, before=update.old, after=update.new)

    def _dismiss_stale(self, pull: Pull) -> None:
        """Dismiss the approvals of earlier heads where a rule asks for it. Sends no webhook here."""
        if protection_of(self.repository, pull.base).dismisses_stale:
            for review in self.view.hub.store.all(Review, repository=pull.repository, number=pull.number):
                if review.state == "APPROVED":
                    review.state = "DISMISSED"
                    self.view.hub.store.put(review)

    def _pulls_into(self, base: str) -> None:
        """A head that the base branch contains counts as merged."""
        head = self.repository.git.head(base)
        for pull in self._open_pulls(base=base):
            if head and self.repository.git.is_ancestor(pull.head_sha, head):
                self.close(pull, self.sender, head)

    def _push(self, update: Update) -> dict[str, Any]:
        git, page = self.repository.git, f"{self.view.base}/{self.repository.name}"
        created, deleted = update.old == NO_COMMIT, update.new == NO_COMMIT
        return {
            "ref": update.ref,
            "before": update.old,
            "after": update.new,
            "created": created,
            "deleted": deleted,
            "forced": not created and not deleted and not git.is_ancestor(update.old, update.new),
            "base_ref": None,
            "compare": f"{page}/compare/{update.old[:12]}...{update.new[:12]}",
            "commits": [],
            "head_commit": None,
            "pusher": {"name": self.sender},
        }
