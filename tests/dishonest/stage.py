"""Plays one scenario through the real pipeline in this process: Redis, board, code host, git, sandbox and runner are
real or stand-ins with the same interface; only the model's answers are scripted.

Used by the tests and by `report`. Drives the ticket and its runs in turn, as the workers' queues would.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from integrations.events import TicketCommented, TicketEdited, TicketMoved
from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import Stack
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.model import server as model
from integrations.standins.model.playbook import Answer, Playbook
from integrations.standins.model.playbooks import playbook_for
from integrations.standins.model.request import Request
from integrations.standins.wire import serve
from jobs.advance_run import advance_run
from jobs.config.environment import parse_settings
from jobs.drive import drive
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.loop.state import Loop, Stage
from tests.dishonest.scenario import Act, Reply, Role, Scenario
from tests.dishonest.shop import FILES, workflow

TICKET = "ENG-1"
MOST_ROUNDS = 120
ROLES: tuple[Role, ...] = ("planner", "scout", "maker", "judge", "checker")
HIDDEN = {"LINEAR_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRETS"}


@dataclass(frozen=True)
class Outcome:
    """The final state, as people see it. `said` is every comment on the ticket, oldest first; `makers` counts
    the maker's runs."""

    scenario: Scenario
    loop: Loop
    column: str
    said: tuple[str, ...]
    pull_requests: tuple[Mapping[str, Any], ...]
    makers: int
    escaped: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Everything that can be read on the ticket."""
        return "\n\n".join(self.said)


class Unsettled(Exception):
    """The play went on for longer than any ticket may."""


def play(scenario: Scenario, redis: Redis, home: Path) -> Outcome:
    """From hand-over until only a person's answer is missing. `home` is an empty folder."""
    redis.flushall()
    with _theatre(scenario, redis, home) as theatre:
        theatre.hand_over()
        for _ in range(MOST_ROUNDS):
            if not theatre.go_on():
                return theatre.outcome()
        raise Unsettled(f"{scenario.name} goes on and on: {theatre.loop.stage}, {theatre.loop.attempt.tried}")


@contextmanager
def _theatre(scenario: Scenario, redis: Redis, home: Path) -> Iterator[Theatre]:
    stack = Stack(home / "stack", 1)
    seed = stack.github_seed()
    repository = seed["repositories"][0]  # type: ignore[index]
    repository["from_folder"] = str(_lay_out(scenario, home / "shop"))
    theatre = Theatre(scenario)
    with ExitStack() as closing:
        board = closing.enter_context(serve(linear.create_app(home / "linear", stack.linear_seed())))
        host = closing.enter_context(serve(github.create_app(home / "github", seed)))
        minds = closing.enter_context(serve(model.create_app(home / "model", 0.0, theatre.choose)))
        stack.urls |= {"board": board.url, "pull_requests": host.url, "model": minds.url}
        given = {name: value for name, value in stack.settings().items() if name not in HIDDEN}
        given |= {
            "REDIS_URL": _url_of(redis),
            "LOOPLINE_HOME": str(home / "service"),
            "ANTHROPIC_API_KEY": "stand-in-key",
        }
        world = build_world(parse_settings(given | {"ANTHROPIC_BASE_URL": minds.url}), redis)
        world.raise_faults = True
        worlds.install(world)
        for part in (world.tracker, world.code_host, world.runner()):
            closing.callback(part.close)  # type: ignore[union-attr]
        theatre.begin(world, Ana(stack))
        yield theatre


def _url_of(redis: Redis) -> str:
    return f"unix://{redis.connection_pool.connection_kwargs['path']}"


def _lay_out(scenario: Scenario, folder: Path) -> Path:
    """The repository's files; the policy is made from the scenario."""
    files = {**FILES, "WORKFLOW.md": workflow(scenario.policy, scenario.turns), **scenario.files}
    for name, text in files.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return folder


@dataclass
class Theatre:
    """One play under way."""

    scenario: Scenario
    calls: int = 0
    acted: set[Act] = field(default_factory=set)
    runs: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def begin(self, world: World, ana: Ana) -> None:
        """Everything is up."""
        self.world, self.ana = world, ana
        self.ticket_id = str(ana.board()[TICKET]["id"])

    def choose(self, request: Request) -> Playbook:
        """Who answers: the scenario's own player of the role, or the stand-in's."""
        role = next((role for role in ROLES if request.system.startswith(f"You are the {role}.")), None)
        reply = self.scenario.reply_of(role) if role else None
        if role is None or reply is None:
            return playbook_for(request)
        return Playbook(role, lambda _: True, lambda request: self._answer(role, reply, request))

    def _answer(self, role: Role, reply: Reply, request: Request) -> Answer:
        """The script's answer, with what Ana does before the maker's. Runs in the model's thread: the play raises what
        goes wrong here."""
        try:
            if role == "maker":
                self.calls += 1
                self._act(self.calls)
            return reply(request)
        except Exception as error:  # noqa: BLE001 - see above
            self.failures.append(error)
            return Answer("The play is broken.")

    @property
    def loop(self) -> Loop:
        """What Loopline remembers now."""
        loop = self.world.store.load(self.ticket_id)
        assert loop, "the ticket was handed over"
        return loop

    def hand_over(self) -> None:
        """Ana writes the ticket and drags it to the agent's column."""
        self.ana.write(TICKET, self.scenario.ticket.title, self.scenario.ticket.description)
        self.ana.drag(TICKET, "Agent")
        self._deliver(TicketMoved(event_id=_new(), ticket_id=self.ticket_id, at=1.0))

    def go_on(self) -> bool:
        """One slice of whatever runs, or what Ana does where the ticket rests; False when nothing is left to do."""
        waiting = self.world.runs.list_unfinished()
        for run_id in waiting:
            self.runs += [run_id] if run_id not in self.runs else []
            advance_run(run_id)
            drive(self.ticket_id)
        if self.failures:
            raise self.failures[0]
        return bool(waiting) or self._act(self.loop.stage)

    def _act(self, now: Stage | int) -> bool:
        """What Ana does now, each once; whether she did anything."""
        due = next((act for act in self.scenario.people if act.when == now and act not in self.acted), None)
        if due is None:
            return False
        self.acted.add(due)
        if due.writes:
            self.ana.write(TICKET, due.writes.title, due.writes.description)
            self._deliver(TicketEdited(event_id=_new(), ticket_id=self.ticket_id, at=2.0))
        else:
            self.ana.say(TICKET, due.says)
            comment = str(self.ana.board()[TICKET]["comments"][-1]["id"])
            self._deliver(TicketCommented(event_id=_new(), ticket_id=self.ticket_id, comment_id=comment, at=2.0))
        return True

    def _deliver(self, event: TicketMoved | TicketEdited | TicketCommented) -> None:
        self.world.store.deliver(event)
        drive(self.ticket_id)

    def outcome(self) -> Outcome:
        """What a person finds now."""
        card = self.ana.board()[TICKET]
        return Outcome(
            scenario=self.scenario,
            loop=self.loop,
            column=card["column"],
            said=tuple(comment["body"] for comment in card["comments"]),
            pull_requests=tuple(self.ana.pull_requests().values()),
            makers=sum(run_id.endswith("-maker") for run_id in self.runs),
            escaped=tuple(path for path in self.scenario.escapes if Path(path).expanduser().exists()),
        )


def _new() -> str:
    return uuid.uuid4().hex
