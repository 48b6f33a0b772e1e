"""The dashboard in a real browser: live rows and transcripts, untrusted markup, small screens, a lost server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from integrations.ports.agent_runner import Entry
from jobs.loop.comments import Guidance
from jobs.loop.state import Stage
from tests.loops import changed
from tests.service.dashboard.conftest import HEADERS, serving
from tests.service.dashboard.markup import PAYLOADS
from tests.service.dashboard.story import Story, a_loop, calls, fill, note, result, says, thinks, turn


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails its test on a script error, a violation of the content policy, or a dialog."""
    context = browser.new_context(base_url=address, extra_http_headers=HEADERS, viewport={"width": 1280, "height": 900})
    made, problems = context.new_page(), list[str]()

    def dismiss(dialog: Dialog) -> None:
        problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    made.on("dialog", dismiss)
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda line: problems.append(line.text) if "Content Security" in line.text else None)
    yield made
    context.close()
    assert problems == []


def test_row_updates_live(page: Page, story: Story) -> None:
    page.goto("/")
    expect(page.get_by_test_id("empty")).to_be_visible()
    loop = story.remember(a_loop())
    expect(page.get_by_test_id("loop-row").get_by_test_id("stage")).to_have_text("Working")
    story.remember(replace(loop, stage=Stage.REVIEW))
    expect(page.get_by_test_id("stage")).to_have_text("Ready for review")


def test_row_opens_its_ticket(page: Page, story: Story) -> None:
    story.remember(a_loop())
    page.goto("/")
    page.get_by_test_id("loop-row").click(position={"x": 500, "y": 8})
    expect(page).to_have_url("/tickets/ENG-12")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cart total is wrong when two vouchers apply")


def test_transcript_page_shows_entries_live_until_the_end(page: Page, story: Story) -> None:
    run = story.begin(story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker")))
    page.goto("/tickets/ENG-12")
    expect(page.locator("#live")).to_have_text("live")
    story.tell(run, says("I look first."), calls("bash", {"command": "ls"}), turn(), result("a.py"))
    expect(page.get_by_test_id("entry")).to_have_count(4)
    expect(page.locator(".kind-tool_call .kind-tool_result pre")).to_have_text("a.py")
    story.end(run, summary="It works.")
    expect(page.get_by_test_id("entry").last).to_contain_text("It works.")
    expect(page.locator("#live")).to_have_text("run finished")


def test_transcript_page_follows_the_next_run(page: Page, story: Story) -> None:
    loop = story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker"))
    run = story.begin(loop)
    story.tell(run, says("made"))
    page.goto("/tickets/ENG-12")
    expect(page.get_by_test_id("entry")).to_have_text(["Agentmade"])
    story.end(run)
    gate = story.begin(loop, "gate", started_at=loop.started_at + 50)
    story.tell(gate, note("$ make test"))
    story.remember(replace(loop, stage=Stage.GATING, run_id=gate.run_id))
    expect(page.get_by_test_id("entry").last).to_contain_text("$ make test")
    expect(page.locator(".divider")).to_have_text([run.run_id, gate.run_id])


def test_transcript_page_opened_before_the_first_run_shows_it(page: Page, story: Story) -> None:
    loop = story.remember(a_loop(stage=Stage.PREPARING))
    page.goto("/tickets/ENG-12")
    expect(page.get_by_text("No run has started.")).to_be_visible()
    run = story.begin(loop)
    story.tell(run, says("hello"))
    story.remember(replace(loop, run_id=run.run_id))
    expect(page.get_by_test_id("entry")).to_have_text(["Agenthello"])
    expect(page.get_by_text("No run has started.")).to_have_count(0)


def test_long_results_and_thinking_open_on_a_click(page: Page, story: Story) -> None:
    run = story.begin(story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker")))
    story.tell(run, thinks("hm, so"), result("line\n" * 20 + "the last"))
    page.goto("/tickets/ENG-12")
    expect(page.get_by_text("the last")).to_be_hidden()
    page.get_by_text("Result, 21 lines").click()
    expect(page.get_by_text("the last")).to_be_visible()
    expect(page.get_by_text("hm, so")).to_be_hidden()


def test_evidence_stays_open_when_the_state_changes(page: Page, story: Story) -> None:
    loop = fill(story.redis)
    page.goto("/tickets/ENG-12")
    page.get_by_test_id("evidence").first.click()
    story.remember(changed(loop, tried=(*loop.attempt.tried, "something else")))
    expect(page.get_by_text("something else")).to_be_visible()
    expect(page.get_by_text("18 passed in 2.71s")).to_be_visible()


def test_earlier_attempt_shows_its_rejection_on_a_click(page: Page, story: Story) -> None:
    fill(story.redis)
    page.goto("/tickets/ENG-9")
    expect(page.get_by_text("rounding differs in yen")).to_be_hidden()
    page.get_by_test_id("attempt").last.get_by_text("moved the rules").click()
    expect(page.get_by_text("rounding differs in yen")).to_be_visible()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_untrusted_markup_is_shown_as_text(page: Page, story: Story, payload: str) -> None:
    loop = a_loop(title=payload, run_id="ENG-12-g1-r0-i1-maker", guidance=(Guidance(author="M", text=payload),))
    run = story.begin(story.remember(loop))
    everything = (
        Entry("brief", {"text": payload}),
        says(payload),
        thinks(payload),
        calls(payload, {"command": payload, "path": payload, "old_str": payload}, payload),
        result(payload, payload),
        Entry("steering", {"text": payload}),
    )
    story.tell(run, *everything, note(payload))
    story.end(run, summary=payload)
    page.goto("/tickets/ENG-12")
    expect(page.get_by_test_id("entry")).to_have_count(8)
    expect(page.get_by_role("heading", level=1)).to_have_text(payload)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.locator("#transcript :is(script, img, svg, iframe, a, b)").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_their_screen(browser: Browser, address: str, story: Story, scheme: str, width: int) -> None:
    loop = fill(story.redis)
    story.remember(changed(loop, branch="b" * 200, reason=f"`{'r' * 200}`"))
    size = {"width": width, "height": 844}
    context = browser.new_context(base_url=address, extra_http_headers=HEADERS, viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for path in ("/", "/tickets/ENG-12", "/tickets/ENG-9", "/tickets/ENG-15", "/tickets/ENG-404"):
        page.goto(path)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_page_reports_a_lost_server_and_reconnects(
    browser: Browser, story: Story, redis_server: str, tmp_path: Path
) -> None:
    story.remember(a_loop())
    context = browser.new_context(extra_http_headers=HEADERS)
    with serving(tmp_path, redis_server) as address:
        page = context.new_page()
        page.goto(address)
        expect(page.get_by_test_id("connection")).to_be_empty()
    expect(page.get_by_test_id("connection")).to_contain_text("does not respond")
    expect(page.get_by_test_id("loop-row")).to_be_visible()
    context.close()


def test_transcript_page_polls_when_streams_are_refused(page: Page, story: Story) -> None:
    run = story.begin(story.remember(a_loop(run_id="ENG-12-g1-r0-i1-maker")))
    page.route("**/events?*", lambda route: route.fulfill(status=503, headers={"Retry-After": "5"}))
    page.goto("/tickets/ENG-12")
    story.tell(run, says("by polling"))
    expect(page.get_by_test_id("entry")).to_have_text(["Agentby polling"])
    story.tell(run, says("and again"))
    expect(page.get_by_test_id("entry")).to_have_count(2)
    story.end(run)
    expect(page.locator("#live")).to_have_text("run finished")
