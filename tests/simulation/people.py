"""The people of the simulation: they use the board and the code host as people do, at any moment and in any order.

Called by `world`. Each act that may rightly start, stop or approve work is written into the ticket's ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from integrations.ports.code_host import PullRequest
from integrations.values import Person
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy
from jobs.workflow.commands_text import parse_comment
from tests.simulation.checks import Ledger
from tests.simulation.memory import Memory
from tests.simulation.outside import ANA, BOB, EVE, MAIN, ROBOT, Board, Host

FINISH_LINE = "## Done when\n- `pytest -q` passes\n- the sixth login is refused"
COMPLETE = f"{FINISH_LINE} (evidence: test)"
COLUMNS = ("Agent", "Agent", "Backlog", "In Progress", "In Review", "Needs Human", "Done", "Canceled")
WORDS = ("use decimals", "/dance", "/changes it", "/changes", "/approve", "/merge", "/stop", "/retry", "/retry look")
MORE = ("thanks", "could it be cents?", "@loopline please /retry", "enough\n/stop", "rename it\n/changes", "/status")
CALLS = ("/budget +3", "/accept", "/takeover", "/close", "/cancel")


@dataclass
class People:
    """Ana and Bob have permission to control Loopline; Eve and a bot do not."""

    memory: Memory
    board: Board
    host: Host
    policy: ServicePolicy
    ledgers: Mapping[str, Ledger]
    random: Random
    pace: int
    """How often they do something, against 97 other things that happen."""
    helpful: float
    """How often it is what helps, 0 to 1."""
    may_push: bool

    def act(self, t: str) -> str:
        """One action on this ticket."""
        if t in self.board.removed:
            return "nobody does anything"
        loop = self.memory.boxes[t].loop
        pull = self._pull_request(loop)
        if pull and loop and loop.stage in {Stage.REVIEW, Stage.MERGING, Stage.STOPPED} and self._coin():
            return self.on_pull_request(t, pull)
        if self.random.random() < self.helpful:
            return self.help(t, loop)
        acts: list[Callable[[], str]] = [
            lambda: self.drag(t),
            lambda: self.speak(t, self.random.choice(WORDS + MORE + CALLS)),
        ]
        acts += [lambda: self.describe(t), acts[0], acts[1]]
        if self.random.random() < 0.1:
            return self.push_base()
        if self.random.random() < 0.1:
            return self.reconsider(t)
        if self.random.random() < 0.04:
            acts = [lambda: self.remove(t)]
        if pull:
            acts += [lambda: self.on_pull_request(t, pull)] * 4
        if loop and loop.workspace.branch in self.host.branches and self.may_push:
            acts += [lambda: self.push(t, loop.workspace.branch)]
        return self.random.choice(acts)()

    def help(self, t: str, loop: Loop | None) -> str:
        """An action that moves the ticket forward: hand over, answer, retry, approve, merge."""
        stage = loop.stage if loop else Stage.IDLE
        if stage in {Stage.IDLE, Stage.DONE} or (stage in {Stage.STOPPED, Stage.NEEDS_HUMAN} and self._coin()):
            return self.drag(t, "Agent")
        if loop and loop.escalation and loop.escalation.run_id:
            return self.speak(t, "Up, please.", ANA)
        if loop and loop.escalation and loop.escalation.kind == "tamper":
            return self.speak(t, "/accept", ANA)
        if stage in {Stage.STOPPED, Stage.NEEDS_HUMAN}:
            return self.speak(t, "/retry", ANA)
        if stage is Stage.ASKING:
            return self.speak(t, "ok", ANA) if self._coin() else self.describe(t, COMPLETE)
        pull = self._pull_request(loop)
        if stage is Stage.REVIEW and loop:
            if loop.pull_request.approved_sha == loop.pull_request.pushed_sha:
                return self.speak(t, "/merge", ANA)
            return self.review(t, pull, "approved", BOB) if pull and self._coin() else self.speak(t, "/approve", ANA)
        return "nobody does anything"

    def drag(self, t: str, column: str = "") -> str:
        """Put the card somewhere."""
        column = column or self.random.choice(COLUMNS)
        if self.board.tickets[t].column != column:
            ledger = self.ledgers[t]
            ledger.hand_overs += column == "Agent"
            ledger.stops += column != "Agent"
            ledger.cancelled |= column == "Canceled"
            self.board.move(t, column, "a person")
        return f"a person drags {t} to {column}"

    def describe(self, t: str, description: str = "") -> str:
        """Rewrite the ticket."""
        self.board.describe(t, description or self.random.choice(("make it better", FINISH_LINE, COMPLETE)))
        return f"a person rewrites {t}"

    def remove(self, t: str) -> str:
        """Delete the ticket."""
        self.board.remove(t)
        return f"a person deletes {t}"

    def speak(self, t: str, words: str, author: Person | None = None) -> str:
        """Write on the ticket."""
        author = author or self.random.choice((ANA, BOB, EVE, ROBOT))
        self._count(t, words, author, self.board.say(t, words, author))
        return f"{author.name} says {words!r} on {t}"

    def reconsider(self, t: str) -> str:
        """Edit or delete one of the ticket's comments."""
        theirs = [c for c in self.board.written.values() if c.ticket_id == t and not c.author.is_us]
        if not theirs:
            return f"nobody has written on {t}"
        comment = self.random.choice(theirs)
        if self._coin():
            self.board.erase(comment.id)
            return f"{comment.author.name} deletes {comment.body!r} on {t}"
        words = self.random.choice(WORDS + MORE)
        self.board.rewrite(comment.id, words)
        self._count(t, words, comment.author, comment.id)
        return f"{comment.author.name} edits {comment.body!r} to {words!r} on {t}"

    def _count(self, t: str, words: str, author: Person, name: str) -> None:
        ledger, loop = self.ledgers[t], self.memory.boxes[t].loop
        commands = {command.name for command in parse_comment(words).commands}
        ledger.hand_overs += (not commands or bool(commands & {"retry", "budget"})) and author.may_steer
        ledger.stops += bool(commands & {"stop", "takeover", "close", "cancel"}) and author.may_steer
        if words.startswith("/approve") and self.policy.may_approve(author) and loop:
            pull = self._pull_request(loop)
            seen = {
                loop.pull_request.pushed_sha,
                pull.head_sha if pull else "",
                self.host.branches.get(loop.workspace.branch, ""),
            }
            ledger.approve(f"{author.id} {name}", *seen - {""})

    def on_pull_request(self, t: str, pull: PullRequest) -> str:
        """Something on the pull request's page."""
        author = self.random.choice((ANA, BOB, EVE, ROBOT))
        match self.random.randrange(8):
            case 0 if self._coin():
                return f"{author.name} writes on a line of #{pull.number}: {self.host.remark(pull.number, author)}"
            case 0 | 1:
                state = self.random.choice(("approved", "changes_requested", "changes_requested", "commented"))
                return self.review(t, pull, state, author)
            case 2 | 3:
                words = self.random.choice(WORDS)
                self._count(t, words, author, f"on #{pull.number}")
                self.host.say(pull.number, words, author)
                return f"{author.name} says {words!r} on #{pull.number}"
            case 4 if pull.state == "open" and not self.host.conflicts(pull.head_sha, self.host.branches[MAIN]):
                self.host.merge(pull.number, pull.head_sha, "ana")
                return f"Ana merges #{pull.number}"
            case 5 if pull.state == "open":
                self.ledgers[t].stops += 1
                self.host.close(pull.number, "ana")
                return f"Ana closes #{pull.number}"
            case 6 | 5:
                self.host.reopen(pull.number)
                return f"Ana reopens #{pull.number}"
            case 7 if approvals := [r for r in self.host.given.get(pull.number, []) if r.state == "approved"]:
                review = self.random.choice(approvals)
                self.host.dismiss(pull.number, review, ANA if review.author == "ana" else BOB)
                return f"{review.author}'s review {review.id} is dismissed"
        return "nobody does anything"

    def review(self, t: str, pull: PullRequest, state: str, author: Person) -> str:
        """Finish a review."""
        review = self.host.review(pull.number, state, author)
        if state == "approved" and author.may_steer:
            self.ledgers[t].approve(f"{author.id} {review.id}", review.head_sha)
        return f"{author.name} reviews #{pull.number}: {state} at {review.head_sha}"

    def push(self, t: str, branch: str) -> str:
        """A foreign commit on the loop's branch, or its deletion."""
        self.ledgers[t].stops += 1
        head = self.host.branches[branch]
        sha = self.host.commit(self.host.new("by a person "), head)
        self.host.push(branch, sha, head, "ana")
        return f"Ana pushes {sha} to {branch}"

    def push_base(self) -> str:
        """A commit on the base branch, which can fix the environment."""
        head = self.host.branches[MAIN]
        sha = self.host.commit(self.host.new("base "), head)
        if self.random.random() < 0.4:
            self.host.rivals.add(sha)
        self.host.push(MAIN, sha, head, "ana")
        return f"Ana pushes {sha} to {MAIN}"

    def _pull_request(self, loop: Loop | None) -> PullRequest | None:
        mine = [pull for pull in self.host.pulls.values() if loop and pull.branch == loop.workspace.branch]
        return self.random.choice(mine) if mine else None

    def _coin(self) -> bool:
        return self.random.random() < 0.5
