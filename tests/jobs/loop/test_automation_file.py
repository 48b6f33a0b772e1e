"""Declarations of automations: each that cannot be used has one sentence, the others are used."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.loop.automation import Automation, Destination, Schedule, SourceSpec, StartRule
from jobs.loop.automation_file import FOLDER, Declared, merge, read_entries, read_files

WHERE = "acme/shop at main"
NOW = 1_800_000_000.0


def read(text: str, name: str = "ci-triage") -> Declared:
    return read_files({f"{FOLDER}/{name}.md": text}, WHERE, NOW)


def test_declaration_in_its_short_and_long_form_is_the_same() -> None:
    short = "---\nschedule: 0 9 * * mon-fri\non: ci_red\nsources: [checks]\ninto: Inbox\nstart: ask\n---\nLook.\n"
    long = (
        "---\nschedule:\n  cron: 0 9 * * mon-fri\non: [ci_red]\nsources:\n- kind: checks\ninto:\n  column: Inbox\n"
        "start:\n  policy: ask\n---\nLook."
    )

    (automation,) = read(short).automations

    assert read(long).automations == (automation,)
    assert automation == Automation(
        name="ci-triage",
        schedule=Schedule(cron="0 9 * * mon-fri"),
        on=("ci_red",),
        sources=(SourceSpec(kind="checks"),),
        into=Destination(column="Inbox"),
        start=StartRule(policy="ask"),
        prompt="Look.",
        origin=".loopline/automations/ci-triage.md",
    )


def test_quiet_hours_belong_to_the_schedule_wherever_they_are_written() -> None:
    (automation,) = read("---\nschedule: 0 9 * * *\nquiet_hours: 22:00-07:00\n---\nx").automations

    assert automation.schedule == Schedule(cron="0 9 * * *", quiet_hours="22:00-07:00")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("---\nscedule: 0 9 * * *\n---\nx", "line 2, scedule: it is an unknown key; the nearest one is schedule."),
        ("---\nschedule: 61 * * * *\n---\nx", "line 2, schedule.cron: '61 * * * *' has an invalid minute; write"),
        ("---\nsources: [checks, nope]\n---\n", "sources.1.kind: it is a text; write 'checks',"),
        ("---\nsources:\n- kind: command\n---\n", "sources.1.run: it belongs to the kind command; write both or"),
        ("---\nsources:\n- kind: flaky\n  filter: {runs: many}\n---\n", "filter runs of the source flaky is 'many'"),
        ("---\nsources:\n- kind: tool\n---\n", "sources.1.name: it is missing; name the tool."),
        ("---\nlimits: {findings: -1}\n---\nx", "line 2, limits.findings: it is a number below 0; write 0 or more."),
        ("---\nstart: auto\n---\nx", "line 2, start.severities: the policy auto needs them; write those that"),
        ("---\ninto: agent\n---\nx", "line 2, into: the agent column starts work; name another column, and use"),
        ("---\non: label\n---\nx", "label: it belongs to the trigger label; write both or neither."),
        ("---\nname: other\n---\nx", "line 2, name: it differs from ci-triage; remove the key."),
        ("---\nprompt: x\n---\nx", "line 2, prompt: it is no key; write the prompt below the front matter."),
        ("---\nschedule: {timezone: UTC}\n---\nx", "schedule.cron: it is missing; add it, or remove schedule"),
        ("---\n: [\n---\nx", "line 2 is not YAML"),
        ("---\nschedule: 0 9 * * *\n", "line 1 begins front matter that has no end; add a line ---."),
        ("", "sources: there is nothing to do; add sources, a skill or a prompt."),
        ("x" * 200_000, "it has 200000 characters; write at most 131072."),
    ],
)
def test_declaration_that_cannot_be_used_is_reported_in_one_sentence(text: str, sentence: str) -> None:
    declared = read(text)

    assert declared.automations == () and len(declared.problems) == 1
    assert declared.problems[0].startswith(f"{FOLDER}/ci-triage.md in {WHERE} cannot be used: ")
    assert sentence in declared.problems[0] and "\n" not in declared.problems[0]


@pytest.mark.parametrize("name", ["CI", "a--b", "a_b", "-a", "a" * 65, "ä", ""])
def test_name_with_other_characters_is_reported(name: str) -> None:
    assert "rename it" in read("x", name).problems[0]


def test_broken_declaration_does_not_stop_the_others() -> None:
    files = {f"{FOLDER}/a.md": "Look.", f"{FOLDER}/b.md": "---\nx: 1\n---\n", f"{FOLDER}/c.md": "Look."}

    declared = read_files(files, WHERE, NOW)

    assert [one.name for one in declared.automations] == ["a", "c"] and len(declared.problems) == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (3, "it is a whole number; write keys with values."),
        ({"prompt": "x", "schedule": "1"}, "schedule.cron: '1' has not five fields"),
        ({"prompt": "x", "limit": 1}, "limit: it is an unknown key; the nearest one is limits."),
    ],
)
def test_entry_of_the_workflow_file_is_read_in_the_same_way(given: Any, sentence: str) -> None:
    declared = read_entries({"a": {"prompt": "Look."}, "b": given}, WHERE, NOW)

    assert [one.origin for one in declared.automations] == ["loop.automations.a of WORKFLOW.md"]
    assert declared.problems[0].startswith(f"loop.automations.b of WORKFLOW.md in {WHERE} cannot be used: ")
    assert sentence in declared.problems[0]


def test_repository_replaces_the_automation_of_the_operator() -> None:
    own = read_files({f"{FOLDER}/a.md": "---\nenabled: false\n---\nOwn."}, WHERE, NOW)
    operator = read_files({"/etc/loopline/a.md": "Theirs.", "/etc/loopline/b.md": "Theirs."}, WHERE, NOW)

    declared = merge((own, operator), WHERE)

    assert [(one.name, one.enabled, one.origin) for one in declared.automations] == [
        ("a", False, ".loopline/automations/a.md"),
        ("b", True, "/etc/loopline/b.md"),
    ]
    assert declared.problems == ()


def test_automation_that_is_declared_twice_in_the_repository_is_reported() -> None:
    files, entries = read_files({f"{FOLDER}/a.md": "x"}, WHERE, NOW), read_entries({"a": {"prompt": "y"}}, WHERE, NOW)

    declared = merge((files, entries), WHERE)

    assert [one.prompt for one in declared.automations] == ["x"]
    assert list(declared.problems) == [
        f"loop.automations.a of WORKFLOW.md in {WHERE} is not used: {FOLDER}/a.md declares a too; remove one of them."
    ]


def test_filter_of_a_source_can_have_numbers_lists_and_switches() -> None:
    text = "---\nsources:\n- kind: pull_requests\n  filter: {labels: [bug, ui], idle_days: 14, draft: false}\n---\n"
    (automation,) = read(text).automations
    assert automation.sources[0].filter == {"labels": "bug, ui", "idle_days": "14", "draft": "no"}
