from __future__ import annotations

import pytest

from integrations.git.changes import Change, Side
from integrations.results import ChangedFolder
from jobs.evidence.change_size import MOST_FIRST, measure_change
from jobs.evidence.generated_files import find_generated


def change(path: str, after: str | None = "x\n", before: str | None = None) -> Change:
    return Change(path, _side(before), _side(after))


def _side(text: str | None) -> Side | None:
    return Side("100644", "a" * 40, len(text), text) if text is not None else None


def lines(number: int) -> str:
    return "".join(f"line {n}\n" for n in range(number))


def test_change_size_counts_lines_of_hand_written_files() -> None:
    found = measure_change(
        [
            change("app/cart.py", lines(12), lines(10)),
            change("package-lock.json", lines(9_000)),
            change("api/client.ts", lines(400)),
            Change("logo.png", None, Side("100644", "a" * 40, 900, None)),
            change("old.py", None, lines(5)),
        ],
        attributes="api/*.ts linguist-generated\n",
    )

    assert (found.files, found.lines, found.skipped) == (2, 7, 3)


def test_change_files_are_ordered_by_risk() -> None:
    found = measure_change(
        [
            change("README.md", lines(900)),
            change("app/auth/session.py", lines(2)),
            change("app/cart.py", lines(50)),
            change("app/tax.py", lines(70)),
            change("ci.sh", lines(1)),
            change("package.json", lines(3)),
            change("tests/test_auth.py", lines(100)),
            change("tox.ini", lines(5)),
        ],
        flagged={"ci.sh"},
    )

    assert [one.path for one in found.first] == [
        "ci.sh", "app/auth/session.py", "app/tax.py", "app/cart.py", "package.json", "tox.ini", "tests/test_auth.py",
        "README.md",
    ]  # fmt: skip
    assert found.first[1].sensitive == "auth"


def test_change_folders_are_those_into_which_it_could_be_split() -> None:
    paths = ["src/shop/cart/a.py", "src/shop/cart/b.py", "src/shop/tax/c.py", "src/shop/d.py"]
    found = measure_change([change(path) for path in paths])

    assert found.folders == (
        ChangedFolder(path="src/shop/cart", files=2, lines=2),
        ChangedFolder(path="src/shop", files=1, lines=1),
        ChangedFolder(path="src/shop/tax", files=1, lines=1),
    )
    assert measure_change([]).folders == ()


def test_change_lists_are_bounded() -> None:
    found = measure_change([change(f"d{n}/f{n}.py") for n in range(3_000)])

    assert len(found.first) == MOST_FIRST and len(found.folders) == 12 and found.files == 3_000


@pytest.mark.parametrize(
    ("path", "attributes", "is_generated"),
    [
        ("web/yarn.lock", "", True),
        ("go.sum", "", True),
        ("lock.json", "", False),
        ("gen/a.go", "gen/** linguist-generated=true", True),
        ("gen/a.go", "gen/** linguist-generated\ngen/a.go -linguist-generated", False),
        ("gen/a.go", "gen/** linguist-generated\ngen/a.go linguist-generated=false", False),
        ("gen/a b.go", '"gen/a b.go" text linguist-generated', True),
        ("gen/a.go", "# gen/** linguist-generated", False),
        ("gen/a.go", "gen/** binary", False),
    ],
)
def test_generated_files_are_recognized(path: str, attributes: str, is_generated: bool) -> None:
    assert (path in find_generated([path], attributes)) is is_generated
