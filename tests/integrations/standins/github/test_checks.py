from __future__ import annotations

import pytest

from tests.integrations.standins.github.world import SHOP, World

RUNS = f"{SHOP}/check-runs"


def test_the_newest_status_of_a_context_counts(github: World) -> None:
    sha = github.pull()["head"]["sha"]
    for context, state in (("ci", "pending"), ("lint", "success"), ("ci", "success")):
        github.person("bob").post(f"{SHOP}/statuses/{sha}", json={"state": state, "context": context})
    combined = github.bot().get(f"{SHOP}/commits/{sha}/status").json()
    assert (combined["state"], combined["total_count"]) == ("success", 2)
    assert [one["state"] for one in github.bot().get(f"{SHOP}/commits/fix/statuses").json()] == [
        *("success", "success", "pending")
    ]


@pytest.mark.parametrize(
    ("states", "combined"),
    [([], "pending"), (["success", "pending"], "pending"), (["pending", "error"], "failure"), (["success"], "success")],
)
def test_statuses_add_up(github: World, states: list[str], combined: str) -> None:
    sha = github.push()
    for at, state in enumerate(states):
        github.person("bob").post(f"{SHOP}/statuses/{sha}", json={"state": state, "context": str(at)})
    assert github.bot().get(f"{SHOP}/commits/{sha}/status").json()["state"] == combined


def test_a_status_is_told_with_its_branches(github: World) -> None:
    sha = github.push("fix")
    github.bot().post(f"{SHOP}/statuses/{sha}", json={"state": "failure", "description": "No"})
    told = github.last("status")
    assert (told["state"], told["context"], told["sha"], told["description"]) == ("failure", "default", sha, "No")
    assert [one["name"] for one in told["branches"]] == ["fix"]


@pytest.mark.parametrize(
    "body",
    [
        {"state": "fine"},
        {},
        {"state": "success", "target_url": "javascript:alert(1)"},
        {"state": "success", "colour": 1},
    ],
)
def test_a_wrong_status_is_refused(github: World, body: dict[str, str]) -> None:
    sha = github.push()
    assert github.person().post(f"{SHOP}/statuses/{sha}", json=body).status_code == 422


def test_a_status_needs_a_commit_and_a_writer(github: World) -> None:
    answer = github.person().post(f"{SHOP}/statuses/{'1' * 40}", json={"state": "success"})
    assert (answer.status_code, answer.json()["message"]) == (422, f"No commit found for SHA: {'1' * 40}")
    assert github.person("eve").post(f"{SHOP}/statuses/{github.push()}", json={"state": "success"}).status_code == 403


def test_a_check_run_goes_from_queued_to_its_conclusion(github: World) -> None:
    sha, bot = github.pull()["head"]["sha"], github.bot()
    run = bot.post(RUNS, json={"name": "loop", "head_sha": sha, "external_id": "r1"}).json()
    assert (run["status"], run["conclusion"], run["app"]["slug"]) == ("queued", None, "loopline")
    assert [one["number"] for one in run["pull_requests"]] == [1]
    done = bot.patch(run["url"], json={"conclusion": "failure", "output": {"title": "1 of 2", "summary": "s"}}).json()
    assert (done["status"], done["external_id"], done["output"]["title"]) == ("completed", "r1", "1 of 2")
    assert done["completed_at"]


def test_a_finished_suite_is_told(github: World) -> None:
    sha, bot = github.push("fix"), github.bot()
    first = bot.post(RUNS, json={"name": "one", "head_sha": sha}).json()
    bot.post(RUNS, json={"name": "two", "head_sha": sha, "status": "completed", "conclusion": "success"})
    assert "check_suite.completed" not in github.heard()
    bot.patch(first["url"], json={"status": "completed", "conclusion": "failure"})
    suite = github.last("check_suite.completed")["check_suite"]
    assert (suite["conclusion"], suite["head_sha"], suite["head_branch"]) == ("failure", sha, "fix")
    assert github.last("check_run.completed")["check_run"]["check_suite"]["id"] == suite["id"]


def test_completed_needs_a_conclusion(github: World) -> None:
    sha, bot = github.push(), github.bot()
    answer = bot.post(RUNS, json={"name": "loop", "head_sha": sha, "status": "completed"})
    assert answer.status_code == 422
    assert '"conclusion" wasn\'t supplied.' in answer.json()["message"]


def test_only_apps_write_check_runs(github: World) -> None:
    answer = github.person().post(RUNS, json={"name": "loop", "head_sha": github.push()})
    assert (answer.status_code, answer.json()["message"]) == (403, "You must authenticate via a GitHub App.")


def test_the_newest_run_of_a_name_is_listed(github: World) -> None:
    sha, bot = github.push(), github.bot()
    for name in ("a", "b", "a"):
        bot.post(RUNS, json={"name": name, "head_sha": sha})
    listed = f"{SHOP}/commits/{sha}/check-runs"
    assert [one["name"] for one in bot.get(listed).json()["check_runs"]] == ["a", "b"]
    assert bot.get(f"{listed}?filter=all").json()["total_count"] == 3
    assert bot.get(f"{listed}?check_name=b").json()["total_count"] == 1
    assert bot.get(f"{listed}?per_page=1").json()["check_runs"][0]["name"] == "a"


def test_a_failed_check_makes_a_pull_request_unstable(github: World) -> None:
    sha = github.pull()["head"]["sha"]
    github.bot().post(RUNS, json={"name": "loop", "head_sha": sha, "conclusion": "failure"})
    assert github.bot().get(f"{SHOP}/pulls/1").json()["mergeable_state"] == "unstable"


@pytest.mark.parametrize(
    "wrong", [{"status": "completed"}, {"conclusion": "fine"}, {"details_url": "javascript:x"}, {"head_sha": "2" * 40}]
)
def test_a_refused_run_leaves_nothing(github: World, wrong: dict[str, str]) -> None:
    sha, bot = github.push(), github.bot()
    assert bot.post(RUNS, json={"name": "loop", "head_sha": sha} | wrong).status_code == 422
    assert bot.get(f"{SHOP}/commits/{sha}/check-runs").json()["total_count"] == 0
    assert "check_run.created" not in github.heard()


def test_a_finished_run_is_started_again(github: World) -> None:
    sha, bot = github.push(), github.bot()
    run = bot.post(RUNS, json={"name": "loop", "head_sha": sha, "conclusion": "failure"}).json()
    again = bot.patch(run["url"], json={"status": "in_progress"}).json()
    assert (again["status"], again["conclusion"], again["completed_at"]) == ("in_progress", None, None)
