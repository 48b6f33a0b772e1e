"""What is on disk: the log of accepted writes, and a state that survives any stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.standins.linear.seed import seed_rows
from integrations.standins.linear.server import Subscription
from integrations.standins.linear.store import Store
from tests.integrations.standins.linear.conftest import SEED, Linear, Receiver, Start

BOARD = """{ issues(includeArchived: true) { nodes { id identifier title updatedAt trashed state { name } labelIds
  comments { nodes { id body user { name } reactions { emoji } } } attachments { nodes { url metadata } } } }
  teams { nodes { id states { nodes { id name } } } } webhooks { nodes { id url } } }"""


def busy(linear: Linear) -> None:
    comment = linear.comment(body="kept")
    linear.comment(body="ünïcode")
    linear.ask("mutation($id: String!) { commentDelete(id: $id) { success } }", {"id": linear.comment(body="gone")})
    react = "mutation($i: ReactionCreateInput!) { reactionCreate(input: $i) { success } }"
    linear.ask(react, {"i": {"commentId": comment, "emoji": "eyes"}})
    linear.move("ENG-1", stateId=linear.state_id("Agent"))
    linear.ask('mutation { issueDelete(id: "ENG-2") { success } }')
    linear.ask('mutation { issueDelete(id: "OPS-1", permanentlyDelete: true) { success } }')


def test_a_restart_keeps_everything(start: Start) -> None:
    linear = start()
    busy(linear)
    board, log = linear.ask(BOARD), linear.log()
    again = start()
    assert (again.ask(BOARD), again.log()) == (board, log)


def test_the_same_seed_gives_the_same_ids_everywhere(tmp_path: Path) -> None:
    rows = [list(seed_rows(SEED, Store(tmp_path / name / "writes.jsonl").now)) for name in "ab"]
    assert [row["id"] for row in rows[0]] == [row["id"] for row in rows[1]]
    assert len({row["id"] for row in rows[0]}) == len(rows[0])


def test_the_log_says_who_wrote_what(linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop")
    [entry] = linear.log()
    assert entry.pop("at") <= linear.app.store.now()
    assert entry == {
        "actor": linear.user_id("loopline@oauthapp.linear.app"),
        "operation": "commentCreate",
        "input": {"issueId": "ENG-1", "body": "hello"},
        "result": comment,
    }


def test_reads_and_refusals_are_not_logged(linear: Linear) -> None:
    linear.ask(BOARD)
    linear.error('mutation { issueUpdate(id: "ENG-99", input: { title: "x" }) { success } }')
    assert linear.log() == []


def test_a_line_that_a_killed_process_left_half_is_dropped(start: Start, tmp_path: Path) -> None:
    linear = start()
    linear.comment(body="whole")
    board = linear.ask(BOARD)
    with (tmp_path / "linear" / "writes.jsonl").open("a") as log:
        log.write('{"at": "2026-')
    again = start()
    assert again.ask(BOARD) == board
    again.comment(body="after")
    assert [entry["input"]["body"] for entry in start().log()] == ["whole", "after"]


def test_a_seed_that_grew_adds_what_is_new(start: Start) -> None:
    start().move("ENG-1", title="changed")
    more = {**SEED, "issues": [*SEED["issues"], {"team": "OPS", "title": "More"}]}
    titles = {node["title"] for node in start(seed=more).ask(BOARD)["issues"]["nodes"]}
    assert titles == {"changed", "Greet people", "Rotate the keys", "More"}


def test_times_are_never_the_same_twice(tmp_path: Path) -> None:
    store = Store(tmp_path / "writes.jsonl")
    times = [store.now() for _ in range(100)]
    assert times == sorted(set(times))


def test_a_new_secret_for_a_url_replaces_the_old_one(start: Start, receiver: Receiver) -> None:
    start(webhooks=[Subscription(receiver.url, "old")])
    linear = start(webhooks=[Subscription(receiver.url, "new")])
    assert [row["secret"] for row in linear.app.store.rows("Webhook")] == ["new"]


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"issues": [{"team": "ENG", "title": "x", "state": "Nowhere"}]}, "'Nowhere'"),
        ({"issues": [{"team": "NO", "title": "x"}]}, "'NO'"),
        ({"issues": [{"team": "ENG", "title": "x", "assignee": "who@example.com"}]}, "'who@example.com'"),
        ({"teams": [{"key": "A", "name": "A", "states": [{"name": "X", "type": "odd"}]}], "issues": []}, "'odd'"),
    ],
)
def test_a_seed_that_contradicts_itself_is_refused_by_name(tmp_path: Path, part: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        list(seed_rows({**SEED, **part}, Store(tmp_path / "writes.jsonl").now))


def test_no_token_is_written_to_disk(start: Start, tmp_path: Path) -> None:
    start().comment()
    log = (tmp_path / "linear" / "writes.jsonl").read_text()
    assert json.loads(log.splitlines()[0])["operation"] == "seed"
    assert not any(user["token"] in log for user in SEED["users"])
