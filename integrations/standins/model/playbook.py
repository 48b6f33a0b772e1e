"""A playbook: a name, a condition, and a pure function from request to answer.

The playbooks are in `playbooks/`, one file each. A playbook is written as a script; the next answer is the first one
whose calls have no results yet, so a repeated, interrupted or steered request always gets a valid one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from integrations.standins.model.request import Call, Request

RUN_ALL = "python3 -m unittest discover -q"
PEOPLE = "Guidance"
_FENCE = re.compile(r"</?guidance-[^>]*>")
FILES = Path(__file__).with_name("playbooks") / "files"


@dataclass(frozen=True)
class Answer:
    """One reply: text, then tool calls. Without calls the turn ends."""

    text: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Playbook:
    """`answer` is called only when `matches`."""

    name: str
    matches: Callable[[Request], bool]
    answer: Callable[[Request], Answer]


def play(script: Sequence[Answer], request: Request) -> Answer:
    """The first answer of the script that is not completed; the last one has no calls."""
    for answer in script:
        open_calls = tuple(call for call in answer.calls if not request.answered(call))
        if open_calls or not answer.calls:
            return replace(answer, calls=open_calls)
    return Answer("Done.")


def bash(command: str) -> Call:
    """A call of the `bash` tool."""
    return Call("bash", {"command": command})


def run_python(program: str) -> Call:
    """A call that runs a Python program."""
    return bash(f"python3 - <<'END_OF_EDIT'\n{program}END_OF_EDIT")


def read_file(name: str, **values: str) -> str:
    """A text of `playbooks/files`, with each of these names replaced by its value."""
    text = (FILES / f"{name}.txt").read_text(encoding="utf-8")
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def view(path: str) -> Call:
    """The text editor's `view`, of a file or a folder."""
    return Call("str_replace_based_edit_tool", {"command": "view", "path": path})


def create(path: str, text: str) -> Call:
    """The text editor's `create`, which overwrites."""
    return Call("str_replace_based_edit_tool", {"command": "create", "path": path, "file_text": text})


def replace_in(path: str, old: str, new: str) -> Call:
    """The text editor's `str_replace`."""
    edit = {"command": "str_replace", "path": path, "old_str": old, "new_str": new}
    return Call("str_replace_based_edit_tool", edit)


def review_script(request: Request) -> tuple[Answer, ...]:
    """The maker's answer to a review: write the request to CHANGES.md, so that there is a commit, and run the suite."""
    words = "\n".join((request.section(PEOPLE), *request.steering)).strip() or "nothing was said"
    quoted = "\n".join(f"> {line}".rstrip() for line in words.splitlines()[:20] if not _FENCE.fullmatch(line))
    note = f"cat >> CHANGES.md <<'END_OF_NOTE'\n\n## Asked for in review\n\n{quoted}\nEND_OF_NOTE"
    return (
        Answer("The code does what the ticket asks. I write down what the review asked for.", (bash(note),)),
        Answer("And the whole suite once more.", (bash(RUN_ALL),)),
        Answer(
            "I noted the review's words in `CHANGES.md` and ran the suite. I am a stand-in for a model: a real one "
            "would have changed the code as asked."
        ),
    )
