"""The repository's own pull request template: where it is, which of its headings Loopline can fill, which boxes it can
tick. Pure.

Places and names: https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import PurePosixPath

from markdown_it import MarkdownIt

FOLDERS = (".github", "", "docs")
"""Where a code host looks for templates, the first place that has one counts."""
_FILE = re.compile(r"pull_request_template(?:\.(?:md|markdown|txt))?", re.IGNORECASE)
TEMPLATE = "pull_request_template"
"""Name of the file without its ending, and of a folder with several, in any case."""
_DEFAULTS = ("default", TEMPLATE)
_MARKDOWN = MarkdownIt("commonmark")
_BOLD = re.compile(r"\*\*(?P<heading>[^*]+)\*\*:?|__(?P<other>[^_]+)__:?")
_PLACES = """\
how-to-try-it: how to test* | how to try* | how to verify* | how to review* | how to reproduce* | how can * test*
how-to-try-it: how do * test* | test* instructions | test* steps | steps to *
evidence, how-to-try-it: how *tested* | how *verified* | test* | verification* | qa | qa notes | evidence
risk: risk* | impact | side effects | possible side effects | drawbacks | possible drawbacks
not-checked: not tested | not checked | not covered | limitation* | known issues | known limitations | out of scope
new-dependencies: dependencies | new dependencies | dependency changes
read-first: note* for reviewer* | notes for the reviewer* | note* to reviewer* | reviewer notes | reviewer guid*
read-first: review notes | review guide | review focus | where to start* | where should *
acceptance-criteria: acceptance criteria | definition of done | done when | requirements
ticket: issue* | ticket* | * issue | * issues | * ticket | * tickets | task | tasks | related task*
ticket: fixes | closes | resolves | reference* | links | related links
what-and-why: summary | description | short description | brief description | overview | purpose | what | what and why
what-and-why: what changed | what has changed | what does * | what is * | what are * | change | changes | changes made
what-and-why: proposed change* | details
what-and-why, ticket: why | motivation* | context | background | reason* | rationale
"""
"""Sections, of which the first that is left is placed, and the headings that they fit."""
_BOX = re.compile(r"^(?P<before>[ \t]*[-*+] \[) (?P<after>\][ \t]+(?P<text>\S.*?))[ \t]*$", re.MULTILINE)
_PROVEN = """\
added tests: *add* test* | *wrote* test* | *written* test* | *includ* test* | *cover* test* | *test* added*
added tests: *test* written* | *test* included* | *updated* test* | *test* updated*
tests: *test* pass* | *test* green* | *test* succeed* | *pass* test* | *ran * test*
lint: *lint* | *formatted* | *formatter*
types: *type check* | *type-check* | *typecheck*
documentation: *doc* added* | *doc* updated* | *updated* doc* | *added* doc* | *readme* updated* | *updated* readme*
"""
"""Topics of evidence, and the texts beside the boxes that it ticks."""
_NOT_PROVEN = re.compile(
    r"\b(?:no|not|none|without|n/?a|unless|manual\w*|staging|production|screenshots?|browsers?|devices?|e2e|approved?)\b",
    re.IGNORECASE,
)


def find_template(paths: Collection[str], wanted: str = "") -> tuple[str, str]:
    """The path of the template among a repository's files, and a sentence about a problem; both can be empty.

    `wanted` names one of several, with or without its folder and ending."""
    several: list[str] = []
    for folder in FOLDERS:
        inside = sorted(path for path in paths if str(PurePosixPath(path).parent) == (folder or "."))
        if not wanted and (single := [path for path in inside if _FILE.fullmatch(PurePosixPath(path).name)]):
            return single[0], ""
        several += [path for path in sorted(paths) if _is_in_template_folder(path, folder)]
    stems = {path: PurePosixPath(path).name.lower() for path in several}
    names = [wanted.lower()] if wanted else list(_DEFAULTS)
    for name in names:
        for path, file in stems.items():
            if name in (file, file.partition(".")[0], path.lower()):
                return path, ""
    if wanted:
        return "", f"There is no pull request template {wanted!r}: correct `loop.pull_request.template` in WORKFLOW.md"
    if len(several) > 1:
        shown = ", ".join(PurePosixPath(path).name for path in several[:6])
        return (
            "",
            f"The repository has several pull request templates ({shown}): name one in `loop.pull_request.template`",
        )
    return (several[0] if several else ""), ""


def _is_in_template_folder(path: str, folder: str) -> bool:
    parts = path.lower().split("/")
    above = [folder] if folder else []
    return parts[:-1] == [*above, TEMPLATE] and parts[-1].endswith((".md", ".markdown", ".txt"))


def find_places(template: str, names: Collection[str]) -> list[tuple[int, str]]:
    """The headings that Loopline can fill, as (number of the line behind it, section); each section once."""
    found: list[tuple[int, str]] = []
    used: set[str] = set()
    for line, heading in _find_headings(template):
        text = re.sub(r"[^a-z0-9()&/ ]+", " ", heading.lower())
        text = " ".join(text.split())
        wanted = _look_up(text, _PLACES).split(", ")
        if section := next((name for name in wanted if name in names and name not in used), ""):
            used.add(section)
            found.append((line, section))
    return found


def _look_up(text: str, table: str) -> str:
    """The name of the table's first line with a pattern for the text."""
    rows = (row.partition(": ") for row in table.splitlines())
    return next((name for name, _, patterns in rows if any(fnmatchcase(text, p) for p in patterns.split(" | "))), "")


def _find_headings(text: str) -> list[tuple[int, str]]:
    """The number of the line behind each heading, and its text. A paragraph in bold counts as a heading."""
    tokens, found = _MARKDOWN.parse(text), []
    for opening, content in pairwise(tokens):
        if content.type != "inline" or not opening.map:
            continue
        bold = _BOLD.fullmatch(content.content.strip()) if opening.type == "paragraph_open" else None
        if opening.type == "heading_open" or bold:
            heading = (bold["heading"] or bold["other"]) if bold else content.content
            found.append((opening.map[1], heading))
    return found


def tick_boxes(template: str, proofs: Mapping[str, str]) -> str:
    """The template with the boxes ticked for which there is evidence, which is added to the line."""

    def tick(box: re.Match[str]) -> str:
        text = box["text"]
        proof = proofs.get(_look_up(text.lower(), _PROVEN), "") if not _NOT_PROVEN.search(text) else ""
        return f"{box['before']}x{box['after']} ({proof})" if proof else box[0]

    return _BOX.sub(tick, template)
