"""Plays one change through the real preflight and the real gate: Redis, git and sandbox are real, there is no board, no
code host and no model. Called by the tests and by `table`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from redis import Redis

from integrations.events import EVENT, RunFinished
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import find_protecting_pattern
from integrations.results import Gated, Preflighted
from integrations.sandbox.bubblewrap import Sandbox, find_bwrap
from integrations.values import CommitSha, Identifier, RunId, Ticket, TicketId
from jobs.advance_run import advance_run
from jobs.config.settings import Settings
from jobs.contract.checks import build_checks, mark_checks
from jobs.effects import world as worlds
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.loop.environment_policy import EnvironmentPolicy
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.proof_policy import ProofPolicy
from jobs.loop.state import Contract
from jobs.runtime import keys
from jobs.workflow import ServicePolicy
from tests.dishonest.languages.play import Play
from tests.dishonest.languages.tools import Kit, find_kit
from tests.integrations.git.hosting import GitHost, commit, git
from tests.loops import spec_with

End = Literal["done", "asked", "back", "broken"]
MOST_SLICES = 50
REPOSITORY = "acme/shop"


@dataclass(frozen=True)
class Outcome:
    """What the pipeline decides with judge and checker that believe everything: done, asked (a person), back (to the
    maker), broken (no decision: the environment failed). `reason` is what decided."""

    play: Play
    end: End
    reason: str
    gated: Gated | None = None

    @property
    def false_done(self) -> bool:
        return not self.play.honest and self.end == "done"

    @property
    def false_alarm(self) -> bool:
        fine = ("done", "asked") if self.play.asked_ok else ("done",)
        return self.play.honest and self.end not in fine


def play(play: Play, redis: Redis, redis_url: str, home: Path, proof: ProofPolicy | None = None) -> Outcome:
    """The preflight on the base commit, then the gate on the change. `home` is an empty folder."""
    kit = find_kit(play.runner)
    redis.flushall()
    (home / "host").mkdir(parents=True)
    with GitHost(home / "host") as host:
        stage = _Stage(play, kit, redis, redis_url, home, f"{host.url}/{REPOSITORY}.git", proof or ProofPolicy())
        return stage.play()


class _Stage:
    """One play under way: its repository, the service's world, and the runs."""

    def __init__(
        self, play: Play, kit: Kit, redis: Redis, redis_url: str, home: Path, url: str, proof: ProofPolicy
    ) -> None:
        self._play = play
        upstream = home / "host" / f"{REPOSITORY}.git"
        upstream.mkdir(parents=True)
        git(upstream, "init", "--quiet", "--bare", "-b", "main")
        self._base = commit(upstream, {path: text.encode() for path, text in play.base.items()})
        git(upstream, "update-ref", "refs/heads/candidate", self._base)
        change = {path: None if text is None else text.encode() for path, text in play.change.items()}
        self._candidate = commit(upstream, change, "candidate")
        settings = Settings(home=home / "service", redis_url=redis_url)
        sandbox = Sandbox(find_bwrap(), kit.read_only)
        self._world = World(settings, redis, ServicePolicy(teams={}), _sandbox=sandbox)
        self._world.raise_faults = True
        worlds.install(self._world)
        mirror = Mirror(settings.home / "repos" / "acme__shop.git", url)
        mirror.fetch("main")
        mirror.fetch("candidate")
        checks = tuple(Check(name=f"check {n}", run=command) for n, command in enumerate(play.commands, 1))
        environment = EnvironmentPolicy(setup=kit.setup, variables=dict(kit.variables))
        self._policy = RepositoryPolicy(loop=LoopPolicy(checks=checks, environment=environment, proof=proof))

    def play(self) -> Outcome:
        contract = Contract(criteria=build_checks(self._policy), may_change=self._play.may_change)
        checked = self._run("preflight", self._base, contract)
        if not isinstance(checked.result, Preflighted) or checked.outcome != "done":
            return Outcome(self._play, "broken", f"preflight: {checked.outcome}: {checked.summary}")
        marked = replace(mark_checks(contract, checked.result.checks, "main"), may_change=self._play.may_change)
        gated = self._run("gate", self._candidate, marked)
        if not isinstance(gated.result, Gated) or gated.outcome != "done":
            return Outcome(self._play, "broken", f"gate: {gated.outcome}: {gated.summary}")
        return decide(self._play, gated.result)

    def _run(self, role: Literal["preflight", "gate"], sha: str, contract: Contract) -> RunFinished:
        spec = self._start(role, sha, contract)
        for _ in range(MOST_SLICES):
            advance_run(spec.run_id)
            raw = self._world.store.next_event("t1")
            event = EVENT.decode(raw) if raw else None
            if isinstance(event, RunFinished) and event.run_id == spec.run_id:
                self._world.redis.delete(keys.mailbox("t1"))
                return event
        raise AssertionError(f"{self._play.name}: the {role} does not end")

    def _start(self, role: Literal["preflight", "gate"], sha: str, contract: Contract) -> RunSpec:
        title, _, description = self._play.ticket.partition("\n")
        ticket = Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title=title, description=description.strip())
        spec = spec_with(
            ticket, RunId(f"ENG-1-1-{role}"), role=role, base_sha=CommitSha(self._base), start_sha=CommitSha(sha),
            base_branch="main", contract=contract, policy=self._policy, started_at=1.0,
        )  # fmt: skip
        self._world.runs.start(spec)
        return spec


def decide(play: Play, gated: Gated) -> Outcome:
    """The decision of a pipeline whose judge and checker agree to everything."""
    failed = [one for one in gated.evidence if one.failed]
    if failed or gated.unresolved:
        reasons = [f"`{one.command}`: {one.refuted or f'exit {one.exit_code}'}" for one in failed]
        return Outcome(play, "back", "; ".join((*reasons, *gated.unresolved)), gated)
    asked = [one for one in gated.tampering if not find_protecting_pattern(one.path, play.may_change)]
    if asked:
        return Outcome(play, "asked", "; ".join(f"{one.kind} {one.path}: {one.text}" for one in asked), gated)
    return Outcome(play, "done", "", gated)
