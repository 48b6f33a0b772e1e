"""The repository's own pull request template: where it is, which of its headings Loopline can fill, which boxes it can
tick. Pure.

Places and names: https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from markdown_it import MarkdownIt

FOLDERS = (".github", "", "docs")
"""Where a code host looks for templates, the first place that has one counts."""
_FILE = re.compile(r"pull_request_template(?:\.(?:md|markdown|txt))?", re.IGNORECASE)
_FOLDER = "pull_request_template"
_DEFAULTS = ("default", "pull_request_template")
_MARKDOWN = MarkdownIt("commonmark")
_BOLD = re.compile(r"\*\*(?P<heading>[^*]+)\*\*:?|__(?P<other>[^_]+)__:?")
_TEST = r"tests?|testing|tested|verif(?:y|ied|ication)|qa"
_PLACES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), sections)
    for pattern, sections in (
        (r"(?:how (?:to|can (?:i|we|you)) (?:try|test|verify|review|reproduce)|(?:testing|review|test|qa) "
         r"(?:instructions|steps)|steps to (?:test|verify|review|reproduce|try)).*", ("how-to-try-it",)),
        (rf"(?:how .*\b(?:{_TEST})\b.*|(?:{_TEST})(?: (?:plan|done|evidence|notes|performed|strategy))?|evidence)",
         ("evidence", "how-to-try-it")),
        (r"(?:risks?|impact|risks? (?:and|&) .*|risk assessment|possible (?:risks|drawbacks|side effects)|side effects)",
         ("risk",)),
        (r"(?:not (?:tested|checked|covered)|limitations?|known (?:issues|limitations)|out of scope|caveats)",
         ("not-checked",)),
        (r"(?:(?:new |changed )?dependenc(?:y|ies)(?: changes)?)", ("new-dependencies",)),
        (r"(?:(?:notes?|guide|guidance|hints?) (?:for|to) (?:the )?reviewers?|review(?:er)? (?:notes?|guide|focus)|"
         r"where (?:to|should .*) (?:start|begin).*)", ("read-first",)),
        (r"(?:acceptance criteria|definition of done|done when|requirements?)", ("acceptance-criteria",)),
        (r"(?:(?:related |linked |linear |jira |github )?(?:issues?|tickets?|tasks?)(?:\(s\))?(?: links?| number)?|"
         r"fixes|closes|resolves|references?|(?:related )?links?)", ("ticket",)),
        (r"(?:summary|(?:short |brief )?description|overview|purpose|what|what and why|what (?:changed|has changed)|"
         r"changes?(?: made)?|proposed changes?|what (?:does|is|are|was) .*|details)", ("what-and-why",)),
        (r"(?:why|motivation|context|background|reason|rationale)(?: (?:and|&) (?:context|motivation))?",
         ("what-and-why", "ticket")),
    )
)  # fmt: skip
_BOX = re.compile(r"^(?P<before>[ \t]*[-*+] \[) (?P<after>\][ \t]+(?P<text>\S.*?))[ \t]*$", re.MULTILINE)
_PROVEN: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (topic, re.compile(pattern, re.IGNORECASE))
    for topic, pattern in (
        ("added tests", r"\b(?:add(?:ed)?|wr(?:ote|itten)|includ\w+|updated?|cover\w*)\b.{0,60}\btests?\b"
         r"|\btests?\b.{0,40}\b(?:added|written|included|updated)\b"),
        ("tests", r"\btests?\b.{0,40}\b(?:pass(?:es|ed|ing)?|green|succeed\w*)\b"
         r"|\b(?:pass(?:es|ed|ing)?|green)\b.{0,20}\btests?\b|\bran\b.{0,20}\btests?\b"),
        ("lint", r"\b(?:lint(?:er|ing|s)?|formatt(?:ed|er|ing))\b"),
        ("types", r"\btype[- ]?check(?:s|ed|ing)?\b"),
        ("documentation", r"\b(?:add|updat)\w*\b.{0,40}\b(?:docs?|documentation|readme)\b"
         r"|\b(?:docs?|documentation|readme)\b.{0,40}\b(?:added|updated)\b"),
    )
)  # fmt: skip
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
        return "", f"The repository has several pull request templates ({shown}): name one in `loop.pull_request.template`"
    return (several[0] if several else ""), ""


def _is_in_template_folder(path: str, folder: str) -> bool:
    parts = path.lower().split("/")
    above = [folder] if folder else []
    return parts[:-1] == [*above, _FOLDER] and parts[-1].endswith((".md", ".markdown", ".txt"))


def find_places(template: str, names: Collection[str]) -> list[tuple[int, str]]:
    """The headings that Loopline can fill, as (number of the line behind it, section); each section once."""
    found: list[tuple[int, str]] = []
    used: set[str] = set()
    for line, heading in _find_headings(template):
        text = re.sub(r"[^a-z0-9()&/ ]+", " ", heading.lower())
        text = " ".join(text.split())
        wanted = next((sections for pattern, sections in _PLACES if pattern.fullmatch(text)), ())
        if section := next((name for name in wanted if name in names and name not in used), ""):
            used.add(section)
            found.append((line, section))
    return found


def _find_headings(text: str) -> list[tuple[int, str]]:
    """The number of the line behind each heading, and its text. A paragraph in bold counts as a heading."""
    tokens, found = _MARKDOWN.parse(text), []
    for opening, content in zip(tokens, tokens[1:], strict=False):
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
        topic = next((topic for topic, pattern in _PROVEN if pattern.search(text)), "")
        proof = proofs.get(topic, "") if not _NOT_PROVEN.search(text) else ""
        return f"{box['before']}x{box['after']} ({proof})" if proof else box[0]

    return _BOX.sub(tick, template)
