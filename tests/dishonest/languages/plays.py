"""All plays of all languages. A new one is an entry in one of these files."""

from __future__ import annotations

from tests.dishonest.languages import (
    go_plays,
    java_plays,
    jest_plays,
    node_plays,
    python_cheats,
    python_honest,
    ruby_plays,
    rust_plays,
)
from tests.dishonest.languages.play import Play

_FILES: tuple[tuple[Play, ...], ...] = (
    python_cheats.PLAYS,
    python_honest.PLAYS,
    node_plays.PLAYS,
    jest_plays.PLAYS,
    go_plays.PLAYS,
    rust_plays.PLAYS,
    ruby_plays.PLAYS,
    java_plays.PLAYS,
)
ALL: tuple[Play, ...] = tuple(play for file in _FILES for play in file)
