from __future__ import annotations

import pytest

from jobs.evidence.named_paths import find_allowed_paths, find_named_paths

CHANGED = ("fees.py", "tests/test_fees.py", "tests/unit/conftest.py", ".github/workflows/ci.yml", "Makefile")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Update tests/test_fees.py for the new fees.", ("tests/test_fees.py",)),
        ("Please update the expected values in `tests/test_fees.py`.", ("tests/test_fees.py",)),
        (
            "change .github/workflows/ci.yml and ./tests/test_fees.py",
            ("tests/test_fees.py", ".github/workflows/ci.yml"),
        ),
        ("The values in test_fees.py have to be changed", ("tests/test_fees.py",)),
        ("Adapt test_fees.py", ("tests/test_fees.py",)),
        ("Adapt conftest.py", ("tests/unit/conftest.py",)),
        ("Fix:\n\n- tests/test_fees.py\n- `.github/workflows/ci.yml`\n\nThen Makefile.", CHANGED[1:2] + CHANGED[3:4]),
        ("Change fees.py so that tests/test_fees.py passes", ("fees.py",)),
        ("Change fees.py until tests/test_fees.py passes", ("fees.py",)),
        ("Fix fees.py, tests/test_fees.py fails", ("fees.py",)),
        ("- `pytest tests/test_fees.py` passes", ()),
        ("Fix `python3 -m pytest tests/test_fees.py`", ()),
        ("Do not change tests/test_fees.py", ()),
        ("Fix the fees without changing tests/test_fees.py", ()),
        ("Fix it. Keep tests/test_fees.py unchanged.", ()),
        ("Fix it, see https://git.test/change/tests/test_fees.py", ()),
        ("> update tests/test_fees.py", ()),
        ("Fix this:\n```\nFile tests/test_fees.py, update\n```", ()),
        ("<!-- update tests/test_fees.py -->", ()),
        ("Update Makefile", ("Makefile",)),
        ("`tests/test_fees.py` needs to be updated", ("tests/test_fees.py",)),
        ("tests/test_fees.py must not be changed", ()),
        ("tests/test_fees.py has to pass", ()),
        ("Add a case to tests/test_fees.py.", ("tests/test_fees.py",)),
        ("Update other/tests/test_fees.py", ()),
        ("", ()),
    ],
)
def test_named_paths_are_the_objects_of_requests(text: str, named: tuple[str, ...]) -> None:
    assert find_named_paths(text, CHANGED) == named


def test_a_file_name_names_a_path_only_if_it_is_unique() -> None:
    assert find_named_paths("Update test_fees.py", CHANGED, ["old/test_fees.py"]) == ()
    assert find_named_paths("Update tests/test_fees.py", CHANGED, ["old/test_fees.py"]) == ("tests/test_fees.py",)


def test_allowed_paths_match_the_contract_or_the_text() -> None:
    found = find_allowed_paths(CHANGED, ("tests/**", "*.toml"), "change .github/workflows/ci.yml")

    assert found == ("tests/test_fees.py", "tests/unit/conftest.py", ".github/workflows/ci.yml")


def test_named_paths_of_a_long_text_are_found_in_linear_time() -> None:
    text = "update " * 3_000 + "tests/test_fees.py"

    assert find_named_paths(text, CHANGED) == ("tests/test_fees.py",)
