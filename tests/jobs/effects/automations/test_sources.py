"""The sources of a run are read from board, code host and base branch, and stored; a failing one is a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from integrations.automation_events import FindingDecided, SourcesRead
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Unauthorized, Unavailable
from integrations.findings import SourceItem
from integrations.standins.demo.stack import REPOSITORY, TEAM
from integrations.values import TicketId, TicketRef
from jobs.config.settings import Settings
from jobs.effects.automations.context import AutomationContext
from jobs.effects.automations.perform import perform_automation
from jobs.effects.texts import WITHHELD
from jobs.loop.automation import Automation, SourceSpec
from jobs.loop.automation_commands import ReadSources
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState, KnownFinding
from jobs.loop.problem import KnownProblem, Problem
from jobs.runtime import keys
from jobs.runtime.lease import hold
from jobs.store.problems import save_problem
from jobs.store.source_items import SourceItems
from tests.jobs.board import Board, open_board

RUN = "run-1"
STATE = AutomationState(repository=REPOSITORY, team=TEAM, base_branch="main")
HOST = "/repos/{owner}/{repo}"


def read(
    board: Board, *sources: SourceSpec, state: AutomationState = STATE, since: float = 0.0, run: str = RUN
) -> tuple[list[FindingDecided], SourcesRead]:
    """The events of the command, whose items are stored."""
    known = tuple(one.ticket for one in state.findings if one.ticket)
    automation = Automation(name="triage", sources=sources)
    command = ReadSources(
        run=run, repository=REPOSITORY, base_branch="main", automation=automation, since=since, known=known
    )
    with hold(board.world.redis, state.id) as lease:
        assert lease
        context = AutomationContext("command-1", state, board.world, lease)
        *decided, event = perform_automation(command, context)
    assert isinstance(event, SourcesRead)
    return [one for one in decided if isinstance(one, FindingDecided)], event


def stored(board: Board, run: str = RUN) -> dict[str, SourceItem]:
    return {item.key: item for item in SourceItems(board.world.redis).read(run)}


def add(board: Board, **sources: Any) -> None:
    body = {"repository": REPOSITORY, **sources}
    requests.post(f"{board.urls['pull_requests']}/_sources", json=body, timeout=10).raise_for_status()


def script(board: Board, *checks: dict[str, Any]) -> None:
    body = {"repository": REPOSITORY, "checks": checks, "apply": "main"}
    requests.post(f"{board.urls['pull_requests']}/_ci", json=body, timeout=10).raise_for_status()


@pytest.fixture
def break_host(board: Board) -> Iterator[Any]:
    """Let the next use of an operation of the code host fail."""
    url = f"{board.urls['pull_requests']}/_faults"

    def inject(operation: str, kind: str = "rate_limit") -> None:
        requests.post(url, json={"operation": f"GET {HOST}{operation}", "kind": kind}, timeout=10).raise_for_status()

    yield inject
    requests.delete(url, timeout=10)


EVERY = tuple(
    SourceSpec(kind=kind)
    for kind in ("checks", "flaky", "issues", "pull_requests", "releases", "advisories", "commits", "tickets")
)


def test_sources_of_every_kind_are_read_and_stored_the_most_urgent_first(board: Board) -> None:
    script(board, {"name": "build", "conclusions": ["failure"], "log": "E   assert 1 == 2"})
    alert = {"advisory": "GHSA-1", "package": "tar", "severity": "critical"}
    add(board, issues=[{"title": "It fails"}], releases=[{"tag": "v2"}], alerts=[alert])

    decided, event = read(board, *EVERY, SourceSpec(kind="command", name="todo", run="grep -r TODO ."))

    items = stored(board)
    kinds = [item.kind for item in items.values()]
    assert (decided, event.problems, event.complete, event.commands) == ([], (), True, 1)
    assert event.items == len(items)
    assert kinds[:2] == ["advisory", "check"] and kinds[-1] == "commit"
    assert set(kinds) == {"advisory", "check", "issue", "release", "commit", "ticket"}
    assert event.base_sha == board.world.mirror(REPOSITORY).head("main")
    assert board.world.redis.ttl(f"source-items:{RUN}") > 0


def test_sources_read_twice_replace_the_items_of_the_run(board: Board) -> None:
    add(board, issues=[{"title": "One"}])
    first, second = (read(board, SourceSpec(kind="issues"))[1] for _ in range(2))
    assert replace(second, at=first.at) == first
    assert list(stored(board)) == ["issue:1"]
    read(board, SourceSpec(kind="releases"))
    assert stored(board) == {}


def test_source_that_fails_is_a_sentence_and_the_others_are_read(board: Board, break_host: Any) -> None:
    add(board, issues=[{"title": "One"}], releases=[{"tag": "v2"}])
    break_host("/issues")

    _, event = read(board, SourceSpec(kind="issues", name="bugs"), SourceSpec(kind="releases"))

    assert list(stored(board)) == ["release:v2"]
    assert event.complete is False
    [problem] = event.problems
    assert problem.startswith("The source bugs was not read: GitHub rate limit exceeded")
    assert problem.endswith("; the next run reads from the same time.")


def test_source_that_is_disabled_names_the_fix(tmp_path: Path, redis: Redis, settings: Settings) -> None:
    with open_board(tmp_path, redis, settings, of_repositories={"allow_alerts": False}) as board:
        _, event = read(board, SourceSpec(kind="advisories"), SourceSpec(kind="commits"))
        assert {item.kind for item in stored(board).values()} == {"commit"}
    disabled = "the alerts of Dependabot are disabled for acme/tally"
    fix = "enable them in its settings under code security, or remove the source"
    assert event.problems == (f"The source advisories was not read: {disabled}: {fix}.",)
    assert event.complete


def test_source_with_a_wrong_filter_names_key_and_fix(board: Board) -> None:
    wrong = SourceSpec(kind="issues", filter={"labl": "bug"})
    _, event = read(board, wrong, SourceSpec(kind="flaky", filter={"runs": "many"}))
    known = "labels, author, assignee and changed"
    assert event.problems == (
        f"The source issues was not read: the source issues has no filter 'labl': it has {known}.",
        "The source flaky was not read: the filter runs of the source flaky is 'many': set a number from 1 to 100.",
    )


def test_source_text_with_a_secret_of_this_process_is_withheld(board: Board) -> None:
    secret = board.environ["GITHUB_TOKEN"]
    add(board, issues=[{"title": "Leak", "body": f"The token is {secret}"}])

    read(board, SourceSpec(kind="issues"))

    item = stored(board)["issue:1"]
    assert (item.title, item.summary, item.detail) == ("issue:1", WITHHELD, "")


def test_source_commits_has_the_size_and_the_lines_of_changes(board: Board) -> None:
    read(board, SourceSpec(kind="commits", limit=1))
    [item] = stored(board).values()
    assert item.url.startswith(f"{board.urls['pull_requests']}/{REPOSITORY}/commit/")
    assert "files, +" in item.summary
    assert read(board, SourceSpec(kind="commits"), since=4e9)[1].items == 0
    assert read(board, SourceSpec(kind="commits", filter={"author": "nobody"}))[1].items == 0


def test_source_tickets_has_open_ones_by_filter_without_those_of_findings(board: Board) -> None:
    first, second, *_ = sorted(board.ana.board())
    board.ana.drag(second, "Done")
    ref = TicketRef(id=TicketId(board.ticket_id(first)), identifier=first)
    state = replace(STATE, findings=(_finding(ref),))

    read(board, SourceSpec(kind="tickets"))
    before = set(stored(board))
    read(board, SourceSpec(kind="tickets"), state=state)
    without = set(stored(board))
    read(board, SourceSpec(kind="tickets", filter={"columns": "Done"}))

    assert before - without == {f"ticket:{ref.id}"}
    assert set(stored(board)) == {f"ticket:{board.ticket_id(second)}"}
    assert f"ticket:{board.ticket_id(second)}" not in before
    _, event = read(board, SourceSpec(kind="tickets", filter={"columns": "Doing"}))
    assert "has no column 'Doing'" in event.problems[0]
    _, event = read(board, SourceSpec(kind="tickets", filter={"team": "HR"}))
    assert event.problems[0].endswith("the team 'HR' is not in LOOPLINE_TEAMS, which has ENG.")


def test_source_tickets_leaves_out_those_of_other_repositories_and_of_problems(board: Board) -> None:
    refs = [TicketRef(id=TicketId(board.ticket_id(name)), identifier=name) for name in sorted(board.ana.board())]
    other = AutomationState(repository="acme/other", findings=(_finding(refs[0]),), memory_ticket=refs[1])
    board.world.redis.set(keys.automations(other.id), AUTOMATION_STATE.encode(other))
    board.world.redis.sadd(keys.AUTOMATIONS, other.id)
    problem = Problem(key="p", team=TEAM, kind="automation", subject="s", reason="r")
    save_problem(board.world.redis, KnownProblem(problem=problem, first_at=1, last_at=1, ticket_id=refs[2].id))

    read(board, SourceSpec(kind="tickets"))

    assert not {f"ticket:{ref.id}" for ref in refs[:3]} & set(stored(board))


def test_finding_whose_ticket_moved_is_decided(board: Board) -> None:
    names = sorted(board.ana.board())
    refs = [TicketRef(id=TicketId(board.ticket_id(name)), identifier=name) for name in names]
    state = replace(STATE, findings=tuple(_finding(ref) for ref in refs))
    assert read(board, state=state)[0] == []
    for name, column in zip(names, ("In Progress", "Canceled", "Done"), strict=True):
        board.ana.drag(name, column)

    decided, _ = read(board, state=state)

    assert {one.ticket.identifier: (one.status, one.reason) for one in decided} == {
        names[0]: ("accepted", ""),
        names[1]: ("rejected", "Its ticket was moved to Canceled."),
        names[2]: ("done", ""),
    }
    assert len({one.event_id for one in decided}) == 3


def test_sources_without_the_base_branch_or_with_refused_credentials_are_no_result(
    board: Board, break_host: Any
) -> None:
    break_host("", "rate_limit")
    with pytest.raises(Unavailable):
        read(board, SourceSpec(kind="issues"))
    board.world._code_host = sign_in(board, "ghp_revoked")
    with pytest.raises(Unauthorized):
        read(board, SourceSpec(kind="issues"))


def sign_in(board: Board, token: str) -> GitHub:
    """The code host with another credential."""
    return GitHub(board.urls["pull_requests"], token=token, backoff=0.0)


def _finding(ref: TicketRef) -> KnownFinding:
    return KnownFinding(fingerprint=f"f-{ref.identifier}", evidence="e", title="T", automation="triage", ticket=ref)
