"""All plays of all languages. A new one is an entry in one of these files."""

from __future__ import annotations

from tests.dishonest.languages import python_cheats, python_honest
from tests.dishonest.languages.play import Play

ALL: tuple[Play, ...] = tuple(play for file in (python_cheats, python_honest) for play in file.PLAYS)
