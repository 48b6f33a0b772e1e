"""The variations of a change: which files each experiment takes from where."""

from __future__ import annotations

import pytest

from integrations.git.changes import Side
from integrations.proof import ExperimentKind
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import (
    Variation,
    classify_changes,
    find_test_files,
    plan_existing_expectations,
    plan_variations,
)
from tests.jobs.evidence.changes import Files, make_changes, make_side

OLD = {"shop.py": "def f():\n    return 1\n", "tests/test_shop.py": "def test_f():\n    assert f() == 1\n"}
NEW = {"shop.py": "def f():\n    return 2\n", "tests/test_shop.py": "def test_f():\n    assert f() == 2\n"}


def plan(before: Files, after: Files, kind: ExperimentKind) -> Variation:
    return plan_variations(classify_changes(make_changes(before, after), Layout()))[kind]


def texts(variation: Variation) -> dict[str, str | None]:
    return {path: side.text if isinstance(side, Side) else None for path, side in variation.contents.items()}


def test_old_tests_run_with_the_product_source_of_the_change_only() -> None:
    found = plan(OLD, NEW, "old_tests")

    assert (found.onto, texts(found), found.paths) == ("base", {"shop.py": NEW["shop.py"]}, ("tests/test_shop.py",))


def test_old_tests_are_those_of_the_candidate_without_a_changed_test() -> None:
    assert plan(OLD, OLD | {"shop.py": NEW["shop.py"]}, "old_tests").reason == "the change edits no tests"


def test_new_tests_run_with_the_old_product_source_and_the_new_manifest() -> None:
    found = plan(OLD, NEW | {"package.json": "{}"}, "new_tests")

    assert (found.onto, texts(found)) == (
        "base", {"tests/test_shop.py": NEW["tests/test_shop.py"], "package.json": "{}"}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (OLD | {"shop.py": NEW["shop.py"]}, "the change adds no tests"),
        (OLD | {"tests/test_more.py": "def test(): assert True\n"}, "the change has no product source"),
    ],
)
def test_new_tests_have_a_reason_not_to_run(after: Files, reason: str) -> None:
    assert plan(OLD, after, "new_tests").reason == reason


def test_broken_code_is_each_changed_product_file() -> None:
    found = plan(OLD, NEW | {"more.py": "x = 1\n", "README.md": "more\n"}, "broken_code")

    assert found.onto == "candidate" and set(found.contents) == {"shop.py", "more.py"}
    for text in texts(found).values():
        with pytest.raises(SyntaxError):
            compile(text or "", "file", "exec")


def test_false_expectations_are_in_changed_tests_only() -> None:
    found = plan(OLD | {"tests/test_other.py": "assert 1 == 1\n"}, NEW | {"tests/test_other.py": "assert 1 == 1\n"},
                 "false_expectations")  # fmt: skip

    assert set(found.contents) == {"tests/test_shop.py"}
    assert "assert f() == 2\n" not in (texts(found)["tests/test_shop.py"] or "")


def test_extras_are_configuration_and_manifests_that_configure_checks() -> None:
    before = {"package.json": '{"jest": {}}', "pyproject.toml": "", "Makefile": "check:\n"}
    after = {
        "package.json": '{"jest": {"bail": true}}', "pyproject.toml": "[project]\ndependencies = ['a']\n",
        "Makefile": "check:\n\ttrue\n", ".mocharc.json": "{}", "src/a.js": "",
    }  # fmt: skip
    found = plan(before, after, "without_extras")

    assert texts(found) == {"package.json": '{"jest": {}}', "Makefile": "check:\n", ".mocharc.json": None}


def test_rust_tests_inside_of_a_product_file_are_tests() -> None:
    old = {"src/lib.rs": "fn f() -> i32 { 1 }\n#[cfg(test)]\nmod tests { fn t() { assert_eq!(f(), 1); } }\n"}
    new = {"src/lib.rs": "fn f() -> i32 { 2 }\n#[cfg(test)]\nmod tests { fn t() { assert_eq!(f(), 2); } }\n"}

    mixed = texts(plan(old, new, "old_tests"))["src/lib.rs"] or ""
    assert "{ 2 }" in mixed and "f(), 1" in mixed
    mixed = texts(plan(old, new, "new_tests"))["src/lib.rs"] or ""
    assert "{ 1 }" in mixed and "f(), 2" in mixed
    falsified = texts(plan(old, new, "false_expectations"))["src/lib.rs"] or ""
    assert "{ 2 }" in falsified and "f(), 2)" not in falsified


def test_moved_tests_add_none() -> None:
    text = "from shop import f\n\n\ndef test_f():\n    assert f() == 1\n"
    moved = classify_changes(
        make_changes({"tests/test_a.py": text}, {"tests/b/test_a.py": text.replace("from shop", "from ..shop")}),
        Layout(),
    )

    assert not moved.adds_tests
    assert classify_changes(make_changes(OLD, NEW), Layout()).adds_tests


@pytest.mark.parametrize(
    ("test", "path"),
    [
        ("tests/test_shop.py::test_f[1]", "tests/test_shop.py"),
        ("tests.test_shop.Prices.test_f", "tests/test_shop.py"),
        ("src/cart.test.ts > cart > adds", "src/cart.test.ts"),
        ("shop.PriceTest.adds", "src/test/java/shop/PriceTest.java"),
        ("./spec/cart_spec.rb cart adds", "spec/cart_spec.rb"),
    ],
)
def test_test_files_are_found_by_the_ids_of_their_tests(test: str, path: str) -> None:
    others = ["shop/price.py", "tests/test_other.py", "src/cart.ts", "spec/other_spec.rb"]

    assert find_test_files([test], [*others, path], Layout()) == [path]


def test_expectations_of_existing_tests_are_altered_in_all_of_their_lines() -> None:
    found = plan_existing_expectations({"tests/test_shop.py": make_side(OLD["tests/test_shop.py"])})  # type: ignore[dict-item]

    assert found.is_of_existing and "== 1\n" not in (texts(found)["tests/test_shop.py"] or "")
