"""Finds conflicts of a merge that a change leaves unresolved. Called by the gate. Pure.

Names of the sides are commits after a merge by Loopline, and mostly branches after one by the agent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.git.changes import Change, read_added_lines
from jobs.evidence.stray_files import is_data

MOST_PLACES = 20
_BY_LOOPLINE = re.compile(r"(<{7}|>{7}) [0-9a-f]{40}")
_MARKERS = (re.compile(r"<{7} \S.*"), re.compile(r"={7}"), re.compile(r">{7} \S.*"))
_SECOND_NAME = re.compile(r".*~[0-9a-f]{40}", re.DOTALL)


def find_unresolved(changes: Sequence[Change]) -> tuple[str, ...]:
    """The places, as 'path:line', with git's conflict markers, and the files under the second name of a conflict.

    Markers of git's own kind in examples for tests are content."""
    places: list[str] = []
    for change in changes:
        if change.after is None:
            continue
        if _SECOND_NAME.fullmatch(change.path):
            places.append(change.path)
        added = read_added_lines(change)
        ours = [number for number, line in added if _BY_LOOPLINE.fullmatch(line)]
        if not ours and not is_data(change.path):
            found = [[number for number, line in added if marker.fullmatch(line)] for marker in _MARKERS]
            ours = found[0] if all(found) else []
        places += [f"{change.path}:{number}" for number in ours[:1]]
    return tuple(places[:MOST_PLACES])
