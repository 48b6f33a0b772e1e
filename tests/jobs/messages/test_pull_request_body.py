"""The description of a pull request: template, hidden marks, text of people, bounds. Cases 41 and 42."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from integrations.results import CriterionResult, Finding
from jobs.loop.state import Contract, Criterion
from jobs.messages.pull_request import list_proofs, pull_request_body
from jobs.messages.pull_request_body import (
    CODE_HOST_LIMIT,
    MOST_CHARACTERS,
    choose_title,
    compose_description,
    update_description,
)
from jobs.messages.pull_request_template import find_template
from jobs.messages.sanitize import sanitize_markdown
from tests.jobs.messages.test_messages import DONE, PASSED, VERDICT
from tests.jobs.messages.test_sanitize import OWN, find_effects
from tests.loops import changed

PAGE, TITLE = "https://linear.test/acme/tickets/ENG-1", "ENG-1: Limit logins"
BODY = (
    "Fixes ENG-1\n\n## What and why\n\nCounts logins.\n\n## Risk\n\nLow.\n\nFacts: 2 files.\n\n## Not checked\n\n- load"
    "\n\n## Evidence\n\n- `pytest -q` → exit 0\n\n## Provenance\n\n- base `bbb`"
)
TEMPLATE = """\
<!-- Thank you! -->
## Description

## Risk

<!-- Who is affected? -->

### How was it tested?

- [ ] I have added tests that prove the fix
- [ ] All tests pass
- [ ] Tests pass on staging

## Rollback plan

**Screenshots**

```md
## Why
```
"""
PROOFS = {"tests": "`pytest -q` ended with exit 0"}


def compose(template: str = "") -> str:
    return compose_description(TITLE, BODY, PAGE, template, PROOFS)


def test_template_is_filled_where_loopline_knows_the_heading_and_kept_elsewhere() -> None:
    text = compose(TEMPLATE)
    at = {
        name: text.index(name) for name in ("## Description", "Counts logins.", "## Risk", "Low.", "Who is affected?")
    }

    assert list(at.values()) == sorted(at.values())
    assert text.index("### How was it tested?") < text.index("→ exit 0") < text.index("## Rollback plan")
    assert "```md\n## Why\n```" in text and text.count("Counts logins.") == text.count("→ exit 0") == 1
    assert text.index("**Screenshots**") < text.index("Fixes ENG-1") < text.index("## Not checked")


def test_template_boxes_are_ticked_with_evidence_only() -> None:
    lines = compose(TEMPLATE).splitlines()

    assert [line for line in lines if line.startswith("- [")] == [
        "- [ ] I have added tests that prove the fix",
        "- [x] All tests pass (`pytest -q` ended with exit 0)",
        "- [ ] Tests pass on staging",
    ]


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("## Summary", "what-and-why"), ("# What does this PR do?", "what-and-why"),
        ("Motivation\n---", "what-and-why"),
        ("**Risk**", "risk"), ("## 🔥 Risks & Mitigation", "risk"), ("## Testing", "evidence"),
        ("## How has this been tested?", "evidence"), ("### Related issues", "ticket"),
        ("## Linear ticket", "ticket"),
        ("## Out of scope", "not-checked"),
    ],
)  # fmt: skip
def test_template_heading_is_matched(heading: str, name: str) -> None:
    text = compose(f"{heading}\n\nfill in")

    assert f"<!-- loopline:begin {name} " in text.split("fill in")[0]


@pytest.mark.parametrize(
    "heading", ["## Checklist", "## Screenshots", "## Type of change", "## Breaking changes", "## x"]
)
def test_template_heading_for_people_is_left_alone(heading: str) -> None:
    assert compose(f"{heading}\n\n- [ ] a").startswith(f"{heading}\n\n- [ ] a\n\n<!-- loopline:title")


@pytest.mark.parametrize("template", ["", TEMPLATE, "\r\n".join(TEMPLATE.splitlines())])
@pytest.mark.parametrize("body", [BODY, BODY.replace("Low.", "High.").replace("## Not checked\n\n- load\n\n", "")])
def test_description_is_idempotent(template: str, body: str) -> None:
    updated = update_description(compose(template), TITLE, body, PAGE)

    assert update_description(updated, TITLE, body, PAGE) == updated
    assert update_description(updated.replace("\n", "\r\n"), TITLE, body, PAGE) == updated
    assert compose(template) == update_description(compose(template), TITLE, BODY, PAGE)


RISK_END = "<!-- loopline:end risk -->"
ROLLBACK = "## Rollback\n\n```\nmake undo\n\nmake check\n```"
ADDED = {
    "above": lambda text: f"Please look at the rollback plan.\n\n{text}",
    "below": lambda text: f"{text}\n## Rollback\n\n1. revert\n",
    "between sections": lambda text: text.replace(
        "<!-- loopline:end risk -->", "<!-- loopline:end risk -->\nMy *note*"
    ),
    "inside a section": lambda text: text.replace(
        "Low.\n", "Low.\n\n## Rollback\n\n```\nmake undo\n\nmake check\n```\n"
    ),
    "in place of a line": lambda text: text.replace("Low.", "Low, but on Fridays high."),
    "with Windows line ends": lambda text: text.replace("Low.\n", "Low.\nmine\n").replace("\n", "\r\n"),
}


@pytest.mark.parametrize("template", ["", TEMPLATE], ids=["plain", "template"])
@pytest.mark.parametrize("place", ADDED)
def test_text_of_a_person_stays_at_every_update(place: str, template: str) -> None:
    before = compose(template)
    edited = ADDED[place](before)
    added = [line for line in edited.splitlines() if line.strip() and line not in before.splitlines()]

    for risk in ("High.", "Medium.", "Low."):
        edited = update_description(edited, TITLE, BODY.replace("Low.", risk), PAGE)

    lines = edited.splitlines()
    assert added and [line for line in lines if line in added] == added
    assert lines.count("Low.") == 1 and "High." not in lines and lines.count("- load") == 1
    if "inside" in place:
        assert ROLLBACK in edited


def test_text_of_a_person_wins_over_loopline_where_both_have_no_room() -> None:
    own = "mine " * 13_000
    edited = f"{own}\n\n{compose()}"

    assert update_description(edited, TITLE, BODY, PAGE) == edited
    smaller = update_description(f"{own[:58_000]}\n\n{compose()}", TITLE, BODY, PAGE)
    assert own[:58_000].strip() in smaller and len(smaller) <= CODE_HOST_LIMIT


def test_section_that_a_person_deleted_comes_back_once() -> None:
    text = compose()
    start, end = text.index("<!-- loopline:begin risk"), text.index("<!-- loopline:end risk -->") + 26
    updated = update_description(text[:start] + text[end:], TITLE, BODY, PAGE)

    assert updated.count("Low.") == 1


def test_title_of_a_person_stays() -> None:
    first = compose()

    assert choose_title(TITLE, first, "ENG-1: Limit sign-ins") == "ENG-1: Limit sign-ins"
    assert choose_title("feat(shop): gamma", first, TITLE) == "feat(shop): gamma"
    assert choose_title("Mine", "no marks", TITLE) == "Mine"
    kept = update_description(first, "", BODY, PAGE)
    assert choose_title("feat(shop): gamma", kept, TITLE) == "feat(shop): gamma"


def talkative(size: int) -> str:
    """The text about a verdict with as much as the checker's schema allows, and more."""
    words = "`code` @team fixes #1 <details> ```js ![x](http://e) " * 40
    names = [f"c{number}" for number in range(100)]
    verdict = replace(
        VERDICT,
        results=tuple(CriterionResult(criterion=name, result="pass", evidence=words[:size]) for name in names),
        not_checked=(words[:size],) * 200,
        findings=(Finding(text=words[:1000], path="a.py", line=3),) * 30,
    )
    loop = changed(
        DONE,
        verdict=verdict,
        contract=Contract(criteria=tuple(Criterion(id=name, text=words[:size]) for name in names)),
        evidence=(replace(PASSED, command=words[:size]),) * 100,
        dependencies=tuple(f"{name}-{words[:200]} (package.json)" for name in names),
        summary=words * 100,
    )
    return pull_request_body(loop, "https://linear.test/acme")


@pytest.mark.parametrize("size", [50, 600, 2_000])
@pytest.mark.parametrize("template", ["", TEMPLATE, "## Risk\n" + "text " * 5_000], ids=["plain", "short", "long"])
def test_description_is_bounded_and_valid_whatever_the_checker_wrote(size: int, template: str) -> None:
    body = sanitize_markdown(talkative(size), OWN)
    text = compose_description(TITLE, body, PAGE, template, {})

    assert len(text) <= MOST_CHARACTERS
    tokens = MarkdownIt("commonmark").parse(text)
    html = [token.content.strip() for token in tokens if token.type == "html_block"]
    own = ("<!-- loopline:", "<details><summary>", "</details>")
    assert all(one.startswith(own) or one in template for one in html)
    assert sum("<details>" in one for one in html) == sum("</details>" in one for one in html) > 1
    assert sum(token.type == "fence" for token in tokens) == template.count("```") / 2
    begun = [line.split()[2] for line in text.splitlines() if line.startswith("<!-- loopline:begin")]
    ended = [line.split()[2] for line in text.splitlines() if line.startswith("<!-- loopline:end")]
    assert begun == ended and len(set(begun)) == len(begun)
    bare = re.sub(r"<!-- .*? -->|</?details>|<summary>\w+</summary>", "", text)
    assert find_effects(bare) == []
    assert f"({PAGE})" in text


def test_maker_summary_is_shown_only_without_notes_and_without_raw_data() -> None:
    assert "> Counts logins" in pull_request_body(DONE, "")
    assert "{" not in pull_request_body(changed(DONE, summary='{"done": true, "files": ["a"]}'), "")
    chatty = changed(DONE, summary="Approach: count\nQuestion: none\nCounts them.")
    assert "> Counts them." in pull_request_body(chatty, "") and "Approach" not in pull_request_body(chatty, "")


def test_proofs_come_from_commands_that_passed() -> None:
    assert list_proofs(changed(DONE, evidence=(PASSED,))) == {"tests": "`pytest -q` ended with exit 0"}
    assert list_proofs(changed(DONE, evidence=(replace(PASSED, exit_code=1),))) == {}


@pytest.mark.parametrize(
    ("paths", "wanted", "found"),
    [
        (["PULL_REQUEST_TEMPLATE.md", ".github/pull_request_template.md"], "", ".github/pull_request_template.md"),
        (["docs/Pull_Request_Template.TXT", "README.md"], "", "docs/Pull_Request_Template.TXT"),
        ([".github/PULL_REQUEST_TEMPLATE/fix.md"], "", ".github/PULL_REQUEST_TEMPLATE/fix.md"),
        (["pull_request_template/a.md", "pull_request_template/default.md"], "", "pull_request_template/default.md"),
        ([".github/PULL_REQUEST_TEMPLATE/a.md", ".github/PULL_REQUEST_TEMPLATE/b.md"], "B", "b.md"),
        ([".github/PULL_REQUEST_TEMPLATE/a.md", "pull_request_template.md"], "a.md", "a.md"),
        (["src/pull_request_template.md", "README.md"], "", ""),
    ],
)
def test_template_is_found_in_every_place_of_the_code_host(paths: list[str], wanted: str, found: str) -> None:
    path, problem = find_template(paths, wanted)

    assert path.endswith(found) and bool(path) == bool(found) and not problem


def test_template_that_is_not_clear_is_a_problem() -> None:
    several = [".github/PULL_REQUEST_TEMPLATE/a.md", ".github/PULL_REQUEST_TEMPLATE/b.md"]

    assert find_template(several) == ("", find_template(several)[1]) and "several" in find_template(several)[1]
    assert "'c'" in find_template(several, "c")[1]
