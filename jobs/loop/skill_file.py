"""Lessons in the text of a SKILL.md: one line each, below one heading. Pure."""

from __future__ import annotations

import re

from integrations.texts import show_hidden

FOLDER = ".agents/skills"
"""Where a new skill is written."""
HEADING = "## Lessons"
LONGEST_RULE = 300
_TOPIC = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MARKUP = re.compile(r"\w://|[<>\[\]]|(?<!\S)[@#/]\w|```|---")
_NEXT_HEADING = re.compile(r"#{1,2}\s")


def find_topic_problem(topic: str) -> str:
    """Why this is no name of a skill; empty if it is one."""
    valid = len(topic) <= 64 and _TOPIC.fullmatch(topic)
    return "" if valid else "use lower-case letters, digits and single hyphens"


def find_rule_problem(rule: str) -> str:
    """Why this is no plain sentence; empty if it is one. Links, markup and mentions could act on people or agents."""
    if "\n" in rule or show_hidden(rule) != rule or len(rule) > LONGEST_RULE:
        return f"write one line of at most {LONGEST_RULE} visible characters"
    found = _MARKUP.search(rule)
    return f"write a plain sentence without links, markup and mentions, not {found[0]!r}" if found else ""


def add_rule(text: str | None, topic: str, rule: str) -> str:
    """The SKILL.md with the rule; a new one for None. The same text if it has the rule already."""
    if text is None:
        description = f"Lessons about {topic}, from corrections by people. Read it before work that touches {topic}."
        return f"---\nname: {topic}\ndescription: {description}\n---\n\n{HEADING}\n\n- {rule}\n"
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if _find_rule(lines, rule) is not None:
        return text
    if HEADING not in lines:
        lines += ["", HEADING]
    start = lines.index(HEADING) + 1
    end = next((n for n in range(start, len(lines)) if _NEXT_HEADING.match(lines[n])), len(lines))
    while end > start and not lines[end - 1].strip():
        end -= 1
    return ending.join([*lines[:end], *([""] if end == start else []), f"- {rule}", *lines[end:], ""])


def remove_rule(text: str, rule: str) -> str:
    """The SKILL.md without the rule; the same text if it does not have it."""
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    place = _find_rule(lines, rule)
    if place is None:
        return text
    return ending.join([*lines[:place], *lines[place + 1 :]])


def _find_rule(lines: list[str], rule: str) -> int | None:
    """The line of the rule, also if a person changed its case or white space, or added to it."""
    wanted = f"- {rule}".casefold().split()
    return next((n for n, line in enumerate(lines) if line.casefold().split()[: len(wanted)] == wanted), None)
