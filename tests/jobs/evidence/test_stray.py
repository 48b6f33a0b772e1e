"""Which new files look left behind."""

from __future__ import annotations

import pytest

from integrations.git.changes import Change, Side
from jobs.evidence.stray_files import LARGE_BYTES, find_stray_files


def new(path: str, text: str | None = "x\n", size: int = 2) -> Change:
    return Change(path, None, Side("100644", "a" * 40, size, text))


LEFT = [
    "scratch.py", "debug_login.py", "NOTES.md", "todo.txt", "IMPLEMENTATION_SUMMARY.md", "output.txt", "fix.patch",
    "shop/cart.py.orig", "shop/cart.py.rej", "shop/.cart.py.swp", "shop/cart.py~", "server.log", ".DS_Store", "core",
    "core.1234", "shop/__pycache__/cart.cpython-311.pyc", "node_modules/left/index.js", ".idea/workspace.xml",
    ".pytest_cache/README.md", ".coverage", "npm-debug.log",
]  # fmt: skip
MEANT = [
    "shop/cart.py", "README.md", "docs/notes.md", "tests/test_cart.py", "shop/debug.py", "shop/core/__init__.py",
    "shop/plan.md", "CHANGELOG.md", "tests/fixtures/server.log", "examples/output.txt", "Makefile", "shop/log.py",
    "docs/todo.md", "core/app.py", "tests/data/broken.orig",
]  # fmt: skip


@pytest.mark.parametrize("path", LEFT)
def test_stray_file_is_found(path: str) -> None:
    assert find_stray_files([new(path)], "Add two numbers") == (path,)


@pytest.mark.parametrize("path", MEANT)
def test_stray_file_is_not_an_intended_one(path: str) -> None:
    assert find_stray_files([new(path)], "Add two numbers") == ()


def test_stray_file_is_not_one_that_the_ticket_names() -> None:
    assert find_stray_files([new("notes.md")], "Write `NOTES.md` about it") == ()


def test_stray_file_is_not_an_existing_one() -> None:
    side = Side("100644", "b" * 40, 2, "y\n")
    assert find_stray_files([Change("scratch.py", side, side), Change("scratch.py", side, None)], "") == ()


@pytest.mark.parametrize(
    ("path", "size", "stray"),
    [("shop/empty.py", 0, True), ("shop/__init__.py", 0, False), ("shop/py.typed", 0, False),
     ("logs/.gitkeep", 0, False), ("shop/model.bin", LARGE_BYTES + 1, True), ("shop/logo.png", 9_000, False),
     ("tests/fixtures/big.bin", 2**22, False)],
)  # fmt: skip
def test_stray_file_by_size(path: str, size: int, stray: bool) -> None:
    assert bool(find_stray_files([new(path, None if size else "", size)], "")) is stray
