"""Finds the changed paths that a ticket asks to change, by its text or by the contract. Pure; called by
`jobs.roles.gate`, so that a person is not asked about what the ticket says itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from integrations.git.tree_policy import find_protecting_pattern

MOST_CHARACTERS = 50_000
"""Of the text that are read."""
_ASKS = re.compile(
    r"\b(updat|chang|edit|adapt|adjust|extend|modif|rewrit|renam|delet|remov|mov(?:e|ing)|replac|regenerat|bump|add(?:s|ing|ed)?\b"
    r"|fix(?:es|ing|ed)?\b|correct|drop|renew|refresh|creat|writ)\w*",
    re.IGNORECASE,
)
_KEEPS = re.compile(
    r"\b(?:unchanged|untouched|unmodified|not|never|without|don[’']t|mustn[’']t|shouldn[’']t|avoid|keep|leave)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.;:!?](?=\s|$)|\b(?:so|until|when|because|if|while|that|which|since|as|but)\b", re.IGNORECASE)
"""Where the object of a request ends: 'change a.py so that test_a.py passes' names `a.py` only."""
_PASSES = re.compile(
    r"\s*`?\s*(?:\([^)]*\)\s*)?(?:still |now |must |should |to )*(?:pass|succe|fail|run|exit|work)", re.IGNORECASE
)
_MUST_CHANGE = re.compile(
    r"[`'\"]*\s+(?:needs?|has|have|must|should|may|can)(?: to)? be "
    r"(?:updat|chang|edit|adapt|adjust|extend|modif|rewrit|renam|delet|remov|mov|replac)",
    re.IGNORECASE,
)
"""After a path: 'tests/test_fees.py has to be updated'."""
_COMMAND = re.compile(r"`[^`\n]{0,300}\s[^`\n]{0,300}`")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|^(?P<fence>```|~~~).*?(?:^(?P=fence)|\Z)|\b\w{1,20}://\S+", re.DOTALL | re.MULTILINE
)
_PATH = re.compile(r"(?<![\w/.@-])[\w.@+*-]+(?:/[\w.@+*-]+)*")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s")


def find_named_paths(text: str, paths: Iterable[str], repository: Iterable[str] = ()) -> tuple[str, ...]:
    """Those of `paths` that the text asks to change: by the full path, or by a file name that is unique in `repository`
    and `paths`.

    Named is what a request has as its object ('update tests/test_fees.py', or the items after 'Change:'), not what a
    sentence only mentions, as a command, a traceback, a quotation, a URL or 'so that tests/test_fees.py passes'. A
    sentence with 'not', 'without', 'keep' or 'unchanged' names none."""
    changed = tuple(dict.fromkeys(paths))
    counts = Counter(path.rpartition("/")[2] for path in {*changed, *repository})
    named = set(_list_named(text))
    return tuple(
        path
        for path in changed
        if path in named or (counts[name := path.rpartition("/")[2]] == 1 and "." in name and name in named)
    )


def find_allowed_paths(
    paths: Iterable[str], may_change: Sequence[str], text: str, repository: Iterable[str] = (), *, exactly: bool = False
) -> tuple[str, ...]:
    """Those of `paths` that match a pattern of the contract's `may_change` or that the ticket's `text` names.
    `exactly`: patterns with wildcards do not count, as for protected paths."""
    changed = tuple(dict.fromkeys(paths))
    named = set(find_named_paths(text, changed, repository))
    patterns = [pattern for pattern in may_change if not exactly or not set("*?[") & set(pattern)]
    return tuple(path for path in changed if path in named or find_protecting_pattern(path, patterns))


def _list_named(text: str) -> Iterator[str]:
    """The objects of the text's requests."""
    listing = False  # the items after a line such as 'Update these files:'
    for line in _HIDDEN.sub(" ", text[:MOST_CHARACTERS]).splitlines():
        plain, is_item = _COMMAND.sub(" ", line), bool(_ITEM.match(line))
        if not plain.strip() or plain.lstrip().startswith(">") or (plain.startswith(("    ", "\t")) and not is_item):
            continue
        for sentence in re.split(r"(?<=[.;!?])\s+", plain):
            if not _KEEPS.search(sentence):
                yield from _list_objects(sentence, asked=listing and is_item)
        asks_below = plain.rstrip(" *_").endswith(":") and _ASKS.search(plain) and not _KEEPS.search(plain)
        listing = bool(asks_below) or (listing and is_item)


def _list_objects(sentence: str, asked: bool) -> Iterator[str]:
    """The paths after a word that asks for a change, up to the end of its clause; `asked`: of the first clause all."""
    for clause in _ENDS.split(sentence):
        request = None if asked else _ASKS.search(clause)
        start = 0 if asked else request.end() if request else len(clause)
        for found in _PATH.finditer(clause):
            is_object = found.start() >= start and not _PASSES.match(clause, found.end())
            if is_object or _MUST_CHANGE.match(clause, found.end()):
                yield found[0].rstrip(".").removeprefix("./")
        asked = False
