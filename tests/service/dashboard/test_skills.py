"""Skills and lessons on the dashboard and on the command line."""

from __future__ import annotations

import json
from io import StringIO

from flask.testing import FlaskClient
from redis import Redis

from jobs.config.settings import Settings
from jobs.loop.lesson_state import Lesson, Sighting
from jobs.loop.skill_state import CountSkills
from jobs.store.lessons import Lessons
from jobs.store.skill_outcomes import record_skills
from service.operator import show_lessons
from tests.service.dashboard.story import Story

SHOP = "acme/shop"
SEEN = tuple(
    Sighting(ticket=f"t{n}", identifier=f"ENG-{n}", cause="guidance", by="Ana", text="no", at=float(n)) for n in (1, 2)
)
LESSON = Lesson(
    id="abc", topic="money", rule="Use <b>Decimal</b>\x1b[2J.", status="proposed", sightings=SEEN, number=7,
    url="https://github.com/acme/shop/pull/7", changed_at=5.0,
)  # fmt: skip


def fill(redis: Redis) -> None:
    Lessons(redis).change(SHOP, lambda book: (*book, LESSON))
    for number, ending in enumerate(("accepted", "accepted", "rejected", "escalated")):
        count = CountSkills(repository=SHOP, skills=("rounding",), ending=ending, at=float(number))  # type: ignore[arg-type]
        record_skills(redis, f"t1/{number}", count)


def test_skills_page_shows_outcomes_and_lessons(client: FlaskClient, story: Story) -> None:
    fill(story.redis)

    page = client.get("/skills").text
    assert '<th scope="row">rounding</th><td>2</td>' in page
    assert "proposed, waits for a review; ENG-1, ENG-2" in page
    assert 'href="https://github.com/acme/shop/pull/7"' in page
    assert "Use &lt;b&gt;Decimal&lt;/b&gt;" in page


def test_skills_page_without_any_explains_itself(client: FlaskClient, story: Story) -> None:
    assert "No skills and lessons yet" in client.get("/skills").text
    assert client.get("/api/skills").get_json() == {"repositories": []}


def test_skills_json_equals_that_of_the_command_line(client: FlaskClient, story: Story, settings: Settings) -> None:
    fill(story.redis)
    out = StringIO()

    assert show_lessons(settings, story.redis, out, as_json=True) == 0
    [shown] = client.get("/api/skills").get_json()["repositories"]
    assert json.loads(out.getvalue()) == [shown]
    assert shown["skills"] == [{"skill": "rounding", "accepted": 2, "rejected": 1, "escalated": 1}]


def test_lessons_command_prints_one_line_each_without_control_characters(settings: Settings, redis: Redis) -> None:
    fill(redis)
    out = StringIO()
    show_lessons(settings, redis, out, as_json=False)

    line, total = out.getvalue().splitlines()
    assert line.startswith("acme/shop  money: Use ") and "\x1b" not in line
    assert line.endswith("[proposed, waits for a review; ENG-1, ENG-2, https://github.com/acme/shop/pull/7]")
    assert total == "1 lessons."
