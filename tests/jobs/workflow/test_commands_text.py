"""Commands in comments: every way in which people write them, and the places where they are not meant."""

from __future__ import annotations

import time

import pytest

from jobs.workflow.commands_text import CommentCommand, find_conflict, find_nearest_command, parse_comment

NAMES = ("Loopline Agent", "u-loop", "loopline-app")
LOG = "\n".join(f"line {n}" for n in range(60))

COMMANDS = {
    "alone": ("/stop", [("stop", "")]),
    "upper case": (" /STOP", [("stop", "")]),
    "with a full stop": ("/stop.", [("stop", "")]),
    "with a text": ("/retry: look at the fixture", [("retry", "look at the fixture")]),
    "with an explanation": ("/stop please", [("stop", "please")]),
    "with a text of several lines": ("/changes do this:\n- a\n- b", [("changes", "do this:\n- a\n- b")]),
    "with code in its text": ("/changes use\n```\n/stop\n```\n> /stop", [("changes", "use\n```\n/stop\n```\n> /stop")]),
    "after a handle": ("@loopline /stop", [("stop", "")]),
    "after a handle with a capital": ("@Loopline: /stop", [("stop", "")]),
    "after a handle and please": ("@Loopline please /retry", [("retry", "")]),
    "after a name": ("Loopline, /stop", [("stop", "")]),
    "after a display name": ("Loopline Agent /stop", [("stop", "")]),
    "after a profile URL": ("https://linear.app/acme/profiles/loopline-app /stop", [("stop", "")]),
    "after a profile URL in brackets": ("<https://linear.app/acme/profiles/loopline-app> /stop", [("stop", "")]),
    "after a mention as a link": ("[@Loopline Agent](https://linear.app/acme/profiles/x) /stop", [("stop", "")]),
    "after a mention by id": ("[@L](user:u-loop) /stop", [("stop", "")]),
    "after a bot's handle": ("@loopline[bot] /stop", [("stop", "")]),
    "after a greeting": ("Hi Loopline, please /retry with cents", [("retry", "with cents")]),
    "after thanks": ("Thanks! /approve", [("approve", "")]),
    "below a greeting": ("Hello,\n/retry", [("retry", "")]),
    "on the last line": ("I have seen enough, thanks.\n/stop", [("stop", "")]),
    "on the last line after a blank one": ("I have seen enough, thanks.\n\n/stop", [("stop", "")]),
    "on the last line of a long comment": (f"{LOG}\n/stop", [("stop", "")]),
    "on the first line of a long comment": (f"/changes fix this\n{LOG}", [("changes", f"fix this\n{LOG}")]),
    "in a list": ("- /approve\n- /merge", [("approve", ""), ("merge", "")]),
    "in bold": ("**/stop**", [("stop", "")]),
    "above a signature": ("/stop\n--\nAna", [("stop", "")]),
    "below a quote": ("> why?\n\n/stop", [("stop", "")]),
    "right below a quote": ("> why?\n/stop", [("stop", "")]),
    "with Windows line ends": ("enough\r\n/stop\r\n", [("stop", "")]),
    "two": ("/approve\n/merge", [("approve", ""), ("merge", "")]),
    "two with a text between them": ("/budget +3\nthen\n/retry go on", [("budget", "+3"), ("retry", "go on")]),
    "misspelt": ("/aprove", [("aprove", "")]),
    "misspelt on a later line": ("fine\n/mrege", [("mrege", "")]),
    "unknown": ("/dance", [("dance", "")]),
}
PROSE = {
    "a quote": "> /stop",
    "a quote in a quote": "> > /stop",
    "an answer with a quote": "> /stop\n\nwhy did you write that?",
    "a code block": "```\n/stop\n```",
    "a code block with tildes": "~~~\n/stop\n~~~",
    "an indented code block": "look:\n\n    /stop",
    "inline code": "`/stop` ends it",
    "inline code over two lines": "use `a\n/stop\nb` there",
    "inside a sentence": "please do not /stop",
    "after another person": "@bob /stop",
    "after another person's profile": "https://linear.app/acme/profiles/bob /stop",
    "after another person's name": "Bob, /stop",
    "below another person": "@bob\n/stop",
    "after a similar name": "@loopline-fan /stop",
    "a path": "/usr/bin/python is missing",
    "a path on a later line": "see\n/tmp is full",
    "a path with a dash": "/stop-sign.png is broken",
    "a file": "/help.md is outdated",
    "a command in a long log": f"{LOG}\n/stop\n{LOG}",
    "a URL": "https://acme.test/stop",
    "two slashes": "//stop",
    "an unknown command on a later line": "it says\n/frobnicate",
    "nothing": "",
}


@pytest.mark.parametrize("case", COMMANDS)
def test_command_is_found(case: str) -> None:
    body, expected = COMMANDS[case]

    found = parse_comment(body, NAMES).commands

    assert [(command.name, command.text) for command in found] == expected


@pytest.mark.parametrize("part", ["/stop\n", "a\n\n", "`a ", "@b ", "hi ", "> ", "[@a"])
def test_command_is_searched_in_a_huge_comment_within_a_second(part: str) -> None:
    began = time.process_time()

    parsed = parse_comment("/stop\n" + part * (200_000 // len(part)) + "\n/stop")

    assert [command.name for command in parsed.commands] == ["stop"]
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("case", PROSE)
def test_command_is_not_read_from(case: str) -> None:
    parsed = parse_comment(PROSE[case], NAMES)

    assert parsed.commands == ()
    assert parsed.prose == PROSE[case].strip()


@pytest.mark.parametrize(
    ("body", "prose"),
    [
        ("I have seen enough.\n/stop\nSee you.", "I have seen enough.\nSee you."),
        ("Looks good\n/approve", "Looks good"),
        ("/stop please", ""),
        ("one\n/changes two\nthree", "one"),
    ],
)
def test_command_leaves_the_other_lines_as_text(body: str, prose: str) -> None:
    assert parse_comment(body).prose == prose


@pytest.mark.parametrize(
    ("body", "is_for_another"),
    [
        ("@bob can you look?", True),
        ("Hi @bob, can you look?", True),
        ("[@Bob](https://linear.app/acme/profiles/bob) please", True),
        ("https://linear.app/acme/profiles/bob please", True),
        ("@bob and @loopline: which one?", False),
        ("@loopline can you look?", False),
        ("as @bob said", False),
        ("[the log](https://acme.test/log) shows it", False),
        ("plain", False),
    ],
)
def test_comment_that_begins_with_another_person_is_for_that_person(body: str, is_for_another: bool) -> None:
    assert parse_comment(body, NAMES).is_for_another is is_for_another


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("aprove", "approve"), ("stp", "stop"), ("mrege", "merge"), ("halt", "stop"), ("change", "changes"),
     ("reatry", "retry"), ("dance", ""), ("usr", ""), ("tmp", ""), ("frobnicate", "")],
)  # fmt: skip
def test_command_hint_is_the_nearest_one(name: str, nearest: str) -> None:
    assert find_nearest_command(name) == nearest


@pytest.mark.parametrize(
    ("names", "conflict"),
    [
        ("approve merge", ""),
        ("stop retry", ""),
        ("status why help", ""),
        ("budget retry", ""),
        ("freeze thaw", ""),
        ("retry stop", "retry stop"),
        ("approve changes", "approve changes"),
        ("merge stop", "merge stop"),
        ("status close retry", "close retry"),
        ("takeover retry", "takeover retry"),
    ],
)
def test_commands_that_contradict_each_other_are_named(names: str, conflict: str) -> None:
    assert find_conflict([CommentCommand(name) for name in names.split()]) == tuple(conflict.split())
