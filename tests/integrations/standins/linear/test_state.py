"""State on disk: the log of accepted writes, restarts, and seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.standins.linear.seed import seed_rows
from integrations.standins.linear.server import Subscription
from integrations.standins.linear.store import Store
from tests.integrations.standins.linear.conftest import SEED, WRITES, Linear, Start, state_id, user_id

BOARD = """{ issues { nodes { id identifier title state { name } comments { nodes { id body user { name }
  reactions { emoji } } } attachments { nodes { url metadata } } } } teams { nodes { id states { nodes { id } } } } }"""


def test_restart_keeps_everything_but_an_incomplete_line(start: Start, tmp_path: Path) -> None:
    linear = start()
    target = {"commentId": linear.comment(body="ünïcode")}
    for emoji in ("eyes", "+1"):
        linear.write("reactionCreate", input={**target, "emoji": emoji})
    linear.write("reactionDelete", id=linear.log()[-1]["result"])
    linear.move("ENG-1", stateId=state_id("Agent"))
    linear.write("issueDelete", id="ENG-2")
    board, log = linear.ask(BOARD), linear.log()
    with (tmp_path / "linear" / "writes.jsonl").open("a") as lines:
        lines.write('{"at": "2026-')
    again = start()
    assert (again.ask(BOARD), again.log()) == (board, log)


def test_same_seed_gives_the_same_ids(tmp_path: Path) -> None:
    rows = [list(seed_rows(SEED, Store(tmp_path / name / "writes.jsonl").now)) for name in "ab"]
    assert [row["id"] for row in rows[0]] == [row["id"] for row in rows[1]]
    assert len({row["id"] for row in rows[0]}) == len(rows[0])


def test_log_has_the_actor_and_the_input_of_each_write_and_nothing_else(linear: Linear) -> None:
    comment = linear.comment(token="lin_oauth_loop")
    linear.ask(BOARD)
    linear.error(WRITES["issueUpdate"], {"id": "ENG-99", "input": {"title": "x"}})
    [entry] = linear.log()
    assert entry.pop("at") <= linear.app.store.now()
    assert entry == {
        "actor": user_id("loopline@oauthapp.linear.app"),
        "operation": "commentCreate",
        "input": {"issueId": "ENG-1", "body": "hello"},
        "result": comment,
    }


def test_seed_that_grew_adds_new_rows(start: Start) -> None:
    start().move("ENG-1", title="changed")
    more = {**SEED, "issues": [*SEED["issues"], {"team": "OPS", "title": "More", "state": "Done"}]}
    titles = {node["title"] for node in start(seed=more).ask(BOARD)["issues"]["nodes"]}
    assert titles == {"changed", "Greet people", "Rotate the keys", "More"}


def test_new_secret_of_a_webhook_replaces_the_old_one(start: Start) -> None:
    start(webhooks=[Subscription("http://127.0.0.1:9/", "old")])
    linear = start(webhooks=[Subscription("http://127.0.0.1:9/", "new")])
    assert [row["secret"] for row in linear.app.store.rows("Webhook")] == ["new"]


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"issues": [{"team": "ENG", "title": "x", "state": "Nowhere"}]}, "'Nowhere'"),
        ({"issues": [{"team": "NO", "title": "x", "state": "Done"}]}, "'NO'"),
        ({"teams": [{"key": "A", "name": "A", "states": [{"name": "X", "type": "odd"}]}], "issues": []}, "'odd'"),
    ],
)
def test_seed_that_contradicts_itself_is_refused(tmp_path: Path, part: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        list(seed_rows({**SEED, **part}, Store(tmp_path / "writes.jsonl").now))


def test_tokens_are_not_written_to_disk(start: Start, tmp_path: Path) -> None:
    start().comment()
    log = (tmp_path / "linear" / "writes.jsonl").read_text()
    assert json.loads(log.splitlines()[0])["operation"] == "seed"
    assert not any(user["token"] in log for user in SEED["users"])
