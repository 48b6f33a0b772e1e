"""State on disk, the log of writes, and the pure parts: diffs and combined states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from integrations.standins.github.bare import BareRepository, Signature
from integrations.standins.github.changes import combined_state, read_diff, review_decisions
from integrations.standins.github.records import CheckRun, Review, Status, Store
from integrations.standins.github.server import create_app
from tests.integrations.standins.github.world import SHOP, World

LISTS = ("pulls", "pulls/1/reviews", "issues/1/comments")
ADA = Signature("Ada", "ada@example.com")
BEFORE = {"keep.txt": "".join(f"line {n}\n" for n in range(30)), "old name.txt": "same\n" * 9, "gone.txt": "x\n"}
AFTER = {"new name.txt": "same\n" * 9, "äöü.txt": "no newline", "binary": "\0\1", "-- a": "--- b\n"}
SHA = "1" * 40


def test_restart_keeps_everything_and_cuts_an_incomplete_line(github: World) -> None:
    first = github.pull()
    bot = github.bot()
    token = bot.token
    bot.post(f"{SHOP}/issues/1/comments", json={"body": "Before"})
    github.person().post(f"{SHOP}/pulls/1/reviews", json={"event": "APPROVE"})
    github.heard()
    before, old = [github.person().get(f"{SHOP}/{path}").text for path in LISTS], github.url
    github.close()
    for name in ("records", "writes"):
        with (github.folder / "home" / f"{name}.jsonl").open("a") as lines:
            lines.write('{"kind": "Pull", "rec')
    github.start()
    after = [github.person().get(f"{SHOP}/{path}").text for path in LISTS]
    assert [text.replace(github.url, old) for text in after] == before
    assert github.caller(token).get(SHOP).status_code == 200
    assert len(github.app_caller().get("/app/hook/deliveries").json()) == 4
    second = github.pull("two")
    assert (second["number"], second["id"] > first["id"]) == (2, True)


def test_log_has_each_accepted_write_and_no_token(github: World) -> None:
    github.pull(by="bob")
    github.person("bob").post(f"{SHOP}/pulls/1/reviews", json={"event": "APPROVE"})
    github.person("eve").put(f"{SHOP}/pulls/1/merge", json={})
    token = github.bot().token
    push, opened, _ = github.caller().get("/_log").json()
    assert (push["actor"], push["operation"]) == ("ada", "POST /{owner}/{repo}.git/git-receive-pack")
    assert (opened["actor"], opened["operation"]) == ("bob", "POST /repos/{owner}/{repo}/pulls")
    body = {"title": "Fix add", "head": "fix", "base": "main", "body": "Why"}
    assert opened["input"] == {"owner": "acme", "repo": "shop", **body}
    assert opened["result"]["number"] == 1
    assert token not in (github.folder / "home" / "writes.jsonl").read_text()


@pytest.mark.parametrize("wrong", [{"people": []}, {"users": [{"name": "x"}]}, {"repositories": [{"name": "../x"}]}])
def test_invalid_seed_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        create_app(tmp_path, wrong)


# --- diffs ----------------------------------------------------------------------------------------------------------


def commit(git: BareRepository, folder: Path, files: dict[str, str]) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return git.write_commit(git.tree_of_folder(folder), [], "m", ADA, ADA)


def test_diff_has_the_kind_and_the_lines_of_each_change(tmp_path: Path) -> None:
    git = BareRepository(tmp_path / "x.git")
    git.create("main")
    before = commit(git, tmp_path / "a", {**BEFORE, "link": "text\n"})
    changed = BEFORE["keep.txt"].replace("line 2\n", "two\n").replace("line 27\n", "")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "link").symlink_to("z")
    after = commit(git, tmp_path / "b", AFTER | {"keep.txt": changed})
    diff = {file.path: file for file in read_diff(git.raw_diff(before, after), git.diff(before, after))}
    assert {path: file.status for path, file in diff.items()} == {
        "keep.txt": "modified",
        "new name.txt": "renamed",
        "gone.txt": "removed",
        "link": "changed",
        **dict.fromkeys(("äöü.txt", "binary", "-- a"), "added"),
    }
    assert diff["new name.txt"].previous_path == "old name.txt"
    assert [(diff[name].additions, diff[name].deletions) for name in ("keep.txt", "link")] == [(1, 2), (1, 1)]
    two = diff["keep.txt"].find(3)
    assert two and (two.text, two.old) == ("two", None)
    assert diff["keep.txt"].hunk_until(two).startswith("@@ -1,6 +1,6 @@") and diff["keep.txt"].find(15) is None
    assert [line.text for line in diff["-- a"].lines if line.mark == "+"] == ["--- b"]
    assert (diff["binary"].lines, diff["äöü.txt"].lines[-1].text) == ([], " No newline at end of file")


# --- combined states ------------------------------------------------------------------------------------------------


def run(id: int, conclusion: str | None, name: str = "") -> CheckRun:
    status = "completed" if conclusion else "in_progress"
    return CheckRun(id, "o/r", SHA, name or str(id), 1, status, conclusion, "", None, None, None)


def status(id: int, state: str, context: str = "") -> Status:
    return Status(id, "o/r", SHA, context or str(id), state, None, None, "ada", "")


@pytest.mark.parametrize(
    ("records", "together"),
    [
        ([], "none"),
        ([run(1, "success"), status(2, "success")], "success"),
        ([run(1, None), status(2, "success")], "pending"),
        ([run(1, "success"), status(2, "error")], "failure"),
        ([run(1, "failure", "ci"), run(2, "success", "ci")], "success"),
        ([status(1, "failure", "ci"), status(2, "pending", "ci")], "pending"),
    ],
)
def test_combined_state_counts_the_newest_of_each_name(tmp_path: Path, records: list[Any], together: str) -> None:
    store = Store(tmp_path / "records.jsonl")
    for record in records:
        store.put(record)
    assert combined_state(store, "o/r", SHA) == together


@pytest.mark.parametrize(
    ("states", "decision"),
    [
        (["CHANGES_REQUESTED", "APPROVED", "COMMENTED"], "APPROVED"),
        (["APPROVED", "CHANGES_REQUESTED", "PENDING"], "CHANGES_REQUESTED"),
    ],
)
def test_review_decision_is_the_last_one(states: list[str], decision: str | None) -> None:
    reviews = [Review(at, "o/r", 1, "ada", state, "", SHA) for at, state in enumerate(states)]
    assert review_decisions(reviews).get("ada") == decision
