"""Pages and JSON of the dashboard, with loops in a real Redis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from integrations.errors import Unauthorized
from integrations.ports.agent_runner import Entry
from integrations.proof import CounterExample, OwnTestFile
from integrations.results import EVIDENCE as EVIDENCE_CODEC
from integrations.results import Provenance
from integrations.values import Usage
from jobs.config.settings import Settings
from jobs.loop.state import Stage
from jobs.runtime import keys
from jobs.store.breaker import Breaker
from service.dashboard.app import create_app
from tests.crash.disk import replay_in_namespace, small_disk
from tests.loops import changed
from tests.service.dashboard.conftest import HEADERS, PASSWORD
from tests.service.dashboard.story import EVIDENCE, VERDICT, Story, a_loop, calls, fill, result, says, turn


def test_list_without_loops_explains_the_first_step(settings: Settings, story: Story) -> None:
    teams = Settings(home=settings.home, redis_url=settings.redis_url, teams={"ENG": {"repository": "acme/shop"}})
    page = create_app(teams, PASSWORD).test_client().get("/", headers=HEADERS).text
    assert "team <strong>ENG</strong> to the column <strong>Agent</strong>" in page


def test_list_shows_a_notice_while_the_model_is_unavailable(client: FlaskClient, story: Story) -> None:
    assert client.get("/api/loops").get_json()["notices"] == []
    Breaker(story.redis).record_failure("r1", Unauthorized("<b>invalid</b> x-api-key"))
    (sentence,) = client.get("/api/loops").get_json()["notices"]
    assert sentence.startswith("The model provider has been unavailable since ") and "none has failed" in sentence
    assert "&lt;b&gt;invalid&lt;/b&gt; x-api-key" in client.get("/").text


def test_list_shows_each_loop_with_its_links(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    page = client.get("/").text
    assert page.count('data-testid="loop-row"') == 6
    for link in ("https://linear.app/acme/issue/ENG-7", "https://github.com/acme/shop/pull/41", "/tickets/ENG-7"):
        assert f'href="{link}"' in page


def test_list_json_has_the_order_of_the_page(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    rows = client.get("/api/loops").get_json()["loops"]
    assert [row["identifier"] for row in rows] == ["ENG-15", "ENG-7", "ENG-9", "ENG-12", "ENG-5", "ENG-3"]
    assert rows[1]["money"] == "31 model calls, $0.84" and rows[1]["stage_text"] == "Ready for review"


def test_list_shows_the_activity_of_a_working_agent(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker"))
    story.tell(story.begin(loop), calls("bash", {"command": "make test"}), turn())
    (row,) = client.get("/api/loops").get_json()["loops"]
    assert row["now"] == "Maker: bash: make test" and row["active_at"] > loop.started_at + 60


def test_row_counts_the_run_that_is_still_on(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker", usage=Usage(model_calls=2, cost_usd=1.0)))
    story.begin(loop)
    story.redis.hset(keys.run_ledger(loop.run_id), mapping={"model_calls": 3, "usd": 500_000})
    assert client.get("/api/loops").get_json()["loops"][0]["money"] == "5 model calls, $1.50"
    story.redis.srem(keys.RUNS, loop.run_id)
    assert client.get("/api/loops").get_json()["loops"][0]["money"] == "2 model calls, $1.00"


def test_rows_show_the_role_and_the_step_and_no_prompt(client: FlaskClient, story: Story) -> None:
    run = story.begin(story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker")))
    story.tell(run, Entry("brief", {"text": "Ticket ENG-12: you are the maker, and so on"}))
    page = client.get("/").text
    assert "Maker: reading the brief" in page and "and so on" not in page
    story.tell(run, calls("bash", {"command": "make test"}), turn(), result("18 passed"))
    assert "Maker: bash: make test" in client.get("/").text


def test_ticket_page_has_criteria_evidence_verdict_and_guidance(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    page = client.get("/tickets/ENG-12").text
    assert page.count('data-testid="criterion"') == 3
    assert 'data-mark="unsure"' in page and "18 passed in 2.71s" in page
    assert "no test covers a voucher above 100 %" in page and "Mira Okafor" in page


def test_ticket_json_has_its_runs_in_order_with_their_cost(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    ticket = client.get("/api/tickets/ENG-12").get_json()
    assert [(run["role"], run["iteration"], run["unfinished"]) for run in ticket["runs"]] == [
        ("maker", 1, False), ("gate", 1, False), ("maker", 2, True),
    ]  # fmt: skip
    assert ticket["runs"][0]["usage"]["cost_usd"] == 0.28
    assert ticket["run_id"] == "ENG-12-g1-r0-i2-maker"
    for shown, one in zip(ticket["evidence"], EVIDENCE, strict=True):
        assert shown.items() >= EVIDENCE_CODEC.to_builtins(replace(one, exit_codes=(one.exit_code,))).items()


def test_ticket_page_of_an_escalation_shows_attempts_and_reasons(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    page = " ".join(client.get("/tickets/ENG-9").text.split())
    for text in (
        "No progress", "raised twice", "not seen yet", "attempt 3 of 3", ">flaky<",
        "moved the rules as they are", "$1.20", "Rejected: rounding differs in yen", "write tests for the six",
        "checkout/view.py", "test skipped", "tests/cart/test_yen.py:14", "needs acceptance", " v2<",
        "of $23.00 ($3.00 added)",
        "run 3 times: exit 1, 0, 1", "Yen is still rounded twice.", "c2: no test for yen",
    ):  # fmt: skip
        assert text in page, text


def test_ticket_page_shows_the_experiments_with_outputs(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    page = client.get("/tickets/ENG-9").text
    for text in (
        "5 experiments · 41 s", "needs approval",
        "old tests with the new code: 3 existing tests no longer pass: <code>",
        "<code>tests/test_cart.py::test_two_vouchers</code> and 2 more; this change edits them",
        "<pre>214 passed</pre>", "new tests fail without the change: 3 of 3", "not run",
        "<h2>Needs a person's approval",
        "May change: <code>tests/test_cart.py</code>",
    ):  # fmt: skip
        assert text in page, text


def test_ticket_page_shows_the_failing_tests_of_the_checker(client: FlaskClient, story: Story) -> None:
    file = OwnTestFile(path="own_test.py", text="assert total(7) < 9")
    example = CounterExample(
        criterion="c2", command="python3 own_test.py", shows="fails for 7", files=(file,), output="AssertionError: 9"
    )
    story.remember(changed(a_loop(), verdict=replace(VERDICT, examples=(example,))))
    page = client.get("/tickets/ENG-12").text
    for text in (
        "fails for 7: <code>python3 own_test.py</code> exits with 1",
        "<code>own_test.py</code>", "<pre>assert total(7) &lt; 9</pre>", "<pre>AssertionError: 9</pre>",
    ):  # fmt: skip
        assert text in page, text


def test_ticket_page_shows_a_proposal_with_its_questions(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    page = client.get("/tickets/ENG-15").text
    for text in ("low confidence", "python -m pytest tests/speed", "evidence: a screenshot", "Which page is meant?"):
        assert text in page


def test_ticket_json_has_the_values_of_the_page(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    ticket = client.get("/api/tickets/ENG-9").get_json()
    assert [one["number"] for one in ticket["attempts"]] == [1, 2]
    assert [one["mark"] for one in ticket["evidence"]] == ["flaky", "passed"]
    assert ticket["tampering"][0]["what"] == "test skipped" and ticket["tampering_accepted"] is False
    assert (ticket["contract_version"], ticket["judgement"]["done"], ticket["plan"]["paths"][0]) == (
        2, False, "checkout/view.py",
    )  # fmt: skip
    assert [one["result"] for one in ticket["experiments"]] == ["asked", "held", "refuted", "held", "skipped"]
    assert ticket["proof"][-1] == "proof: 41 s" and ticket["may_change"][0] == "tests/test_cart.py"
    assert (ticket["row"]["cap_usd"], ticket["row"]["escalation"]["raised"]) == (23.0, 2)


def test_ticket_page_shows_the_cache_share_of_each_run(client: FlaskClient, story: Story) -> None:
    spec = story.begin(story.remember(a_loop(12)))
    missed = {"cache_misses": 1, "cache_miss_reason": "messages_changed"}
    story.tell(spec, usage=Usage(model_calls=9, input_tokens=1000, cached_tokens=930, **missed))
    assert "cache 93 %, 1 miss (messages_changed)" in client.get("/tickets/ENG-12").text


def test_ticket_page_shows_the_chosen_run(client: FlaskClient, story: Story) -> None:
    fill(story.redis)
    page = client.get("/tickets/ENG-12?run=ENG-12-g1-r0-i1-gate").text
    assert 'data-run="ENG-12-g1-r0-i1-gate"' in page and "Follow the current run" in page


@pytest.mark.parametrize("path", ["/tickets/ENG-99", "/api/tickets/ENG-99", "/tickets/ENG-12?run=ENG-1-g1-r0-i1-gate"])
def test_page_of_an_unknown_ticket_or_run_is_404(client: FlaskClient, story: Story, path: str) -> None:
    fill(story.redis)
    assert client.get(path).status_code == 404


def test_ticket_json_shows_a_changed_loop(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop())
    assert client.get("/api/tickets/ENG-12").get_json()["row"]["stage"] == "making"
    story.remember(replace(loop, stage=Stage.REVIEW))
    assert client.get("/api/tickets/ENG-12").get_json()["row"]["stage"] == "review"


def test_ticket_moved_to_another_team_has_only_its_new_identifier(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop())
    assert client.get("/tickets/ENG-12").status_code == 200
    moved = replace(loop.ticket, identifier="OPS-3")
    story.remember(replace(loop, ticket=moved))
    assert client.get("/tickets/OPS-3").status_code == 200
    assert client.get("/tickets/ENG-12").status_code == 404


def test_page_is_304_until_it_changes(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop())
    known = {"If-None-Match": client.get("/").headers["ETag"]}
    assert client.get("/", headers=known).status_code == 304
    story.remember(changed(loop, usage=Usage(model_calls=1)))
    assert client.get("/", headers=known).status_code == 200


def test_ticket_json_omits_a_run_without_spec(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop())
    spec = story.begin(loop)
    story.tell(spec, says("x"))
    story.redis.delete(f"run:{spec.run_id}")
    assert client.get("/api/tickets/ENG-12").get_json()["runs"] == []


def test_pages_and_json_are_503_while_redis_is_unavailable(tmp_path: Path) -> None:
    client = create_app(Settings(home=tmp_path, redis_url=f"unix://{tmp_path}/none"), PASSWORD).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = HEADERS["Authorization"]
    for path in ("/", "/tickets/ENG-1", "/api/loops", "/api/runs/x/events", "/api/runs/x/entries"):
        answer = client.get(path)
        assert answer.status_code == 503 and "Redis does not respond" in answer.text
    assert client.get("/healthz").get_json()["ok"] is True


def test_pages_name_a_full_disk_with_and_without_redis(
    settings: Settings, story: Story, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=5) as disk:
        disk.fill()
        for redis_url in (settings.redis_url, f"unix://{tmp_path}/none"):
            client = create_app(Settings(home=disk.folder, redis_url=redis_url), PASSWORD).test_client()
            client.environ_base["HTTP_AUTHORIZATION"] = HEADERS["Authorization"]
            for path in ("/", "/api/loops"):
                assert f"The disk of {disk.folder} is 100 % full" in client.get(path).text


def test_page_shows_the_provenance_of_the_chosen_run_once_it_has_finished(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop())
    first, second = story.begin(loop), story.begin(loop, "gate")
    provenance = Provenance(
        run_id=first.run_id, role="maker", outcome="done", prompt="5" * 64, environment="e" * 32, cost_usd=0.25,
        reported_models=("<b>large</b>",), verdicts=("gate: 1 passed",),
    )  # fmt: skip
    story.end(first, provenance=provenance)

    page = client.get(f"/tickets/ENG-12?run={first.run_id}").text
    assert page.count('data-testid="provenance"') == 1
    for text in ("5" * 64, "e" * 32, "$0.2500", "&lt;b&gt;large&lt;/b&gt;", "gate: 1 passed"):
        assert text in page
    assert 'data-testid="provenance"' not in client.get(f"/tickets/ENG-12?run={second.run_id}").text
    shown = {run["run_id"]: run["provenance"] for run in client.get("/api/tickets/ENG-12").get_json()["runs"]}
    assert shown[first.run_id]["prompt"] == "5" * 64 and shown[second.run_id] is None


def test_page_of_a_run_of_an_older_release_has_no_provenance(client: FlaskClient, story: Story) -> None:
    loop = story.remember(a_loop())
    spec = story.begin(loop)
    story.end(spec)
    page = client.get(f"/tickets/ENG-12?run={spec.run_id}")
    assert page.status_code == 200 and 'data-testid="provenance"' not in page.text
