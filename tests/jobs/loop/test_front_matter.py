from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies
from pydantic import TypeAdapter

from jobs.loop.front_matter import LARGEST, FrontMatterError, read_front_matter
from jobs.loop.policy import POLICY, PolicyError, RepositoryPolicy, read_policy

WHERE = "acme/shop at main"


@pytest.mark.parametrize(
    ("text", "values", "body"),
    [
        ("", {}, ""),
        ("Just text\n---\n", {}, "Just text\n---\n"),
        ("---\n---\n", {}, ""),
        ("---\n# nothing\n---\nx", {}, "x"),
        ("\n\n---\na: 1\n---\n---\nx", {"a": 1}, "---\nx"),
        ("\ufeff---\r\na: 1\r\n---  \r\nx\r\ny", {"a": 1}, "x\ny"),
        ("---\ra: 1\r---\rx", {"a": 1}, "x"),
        ("---\na: |\n  x\n  ---\n---\n", {"a": "x\n---\n"}, ""),
        ("---\na: [1, -2, 0.5, true, False, null, ~, '', text]\n---\n",
         {"a": [1, -2, 0.5, True, False, None, None, "", "text"]}, ""),
        ("---\na: &x 1\nb: !!str 5\n---\n", {"a": 1, "b": "5"}, ""),
    ],
)  # fmt: skip
def test_front_matter_is_split_and_parsed(text: str, values: dict[str, Any], body: str) -> None:
    found = read_front_matter(text)

    assert (found.values, found.body) == (values, body)


@pytest.mark.parametrize(
    "written",
    [
        *("yes", "no", "on", "off", "y", "n", "010", "0o10", "0x10", "0b1", "1_000", "+1", "1:30", "190:20:30", "1e3"),
        *(".inf", "-.inf", ".nan", "1.", ".5", "2026-01-01", "2026-01-01T10:00:00Z", "=", "<<", "9" * 16, "9" * 5_000),
    ],
)
def test_front_matter_has_no_surprises_of_yaml_1_1(written: str) -> None:
    assert read_front_matter(f"---\na: {written}\n---\n").values == {"a": written}
    assert read_front_matter(f"---\n{written}: a\n---\n" if len(written) < 99 else "").values in ({written: "a"}, {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("---\na: 1\n", "line 1 begins front matter that has no end; add a line ---"),
        ("---\na: 1\nb:\n  c: 1\n  c: 2\n---\n", "line 5 has the key 'c' again, after line 4; remove one of them"),
        ("---\na: 1\n\n'a': 2\n---\n", "line 4 has the key 'a' again, after line 2; remove one of them"),
        ("---\n{a: {b: 1, b: 2}}\n---\n", "line 2 has the key 'b' again"),
        ("---\na: &x [1]\nb: *x\n---\n", "line 3 uses an alias; write the value again"),
        ("---\na: &x {<<: *x}\n---\n", "line 2 uses an alias"),
        (
            "---\n" + "\n".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9 if n else 'x'}]" for n in range(9)) + "\n---\n",
            "line 3 uses",
        ),
        ("---\na: !!python/object/apply:os.system [id]\n---\n", "line 2 has the tag"),
        ("---\na: !!binary aGk=\n---\n", "line 2 has the tag"),
        ("---\na: !own x\n---\n", "line 2 has the tag !own"),
        ("---\na: !!int x\n---\n", "line 2 has the tag"),
        ("---\na: !!bool maybe\n---\n", "line 2 has the tag"),
        ("---\nb: 1\n1: a\n---\n", "line 3 has a key that is not a text; write it in quotes"),
        ("---\ntrue: a\n---\n", "line 2 has a key that is not a text"),
        ("---\n? [a, b]\n: c\n---\n", "line 2 has a key that is not a text"),
        ("---\na:\n\tb: 1\n---\n", "line 3 is not YAML"),
        ("---\na: 'x\n---\n", "is not YAML"),
        ("---\na: [\n---\n", "is not YAML"),
        ("---\na: 1\n...\nb: 2\n---\n", "is not YAML"),
        ("---\n%YAML 9.9\n---\n", "is not YAML"),
        ("---\n- a\n---\n", "line 2 begins with a list of 1; write keys with values"),
        ("---\n\ntext\n---\n", "line 3 begins with a text; write keys with values"),
        ("---\na: \x07\n---\n", "line 2 has a control character"),
        ("---\na: 1\n---\nb\n\0", "line 5 has a NUL character"),
        ('---\na: "\\ud800"\n---\n', "line 2 has half of a UTF-16 pair"),
        ("---\na: " + "[" * 9_000 + "\n---\n", "line 2 is nested more than 20 levels deep"),
        ("---\n" + "".join(" " * n + "a:\n" for n in range(99)) + "---\n", "is nested more than 20 levels deep"),
        ("---\na: " + "x" * LARGEST + "\n---\n", f"write at most {LARGEST}"),
    ],
    ids=range(28),
)
def test_front_matter_that_is_refused_names_the_line(text: str, problem: str) -> None:
    with pytest.raises(FrontMatterError) as error:
        read_front_matter(text)

    assert problem in str(error.value)
    assert str(error.value).isprintable() and len(str(error.value)) < 200


@settings(max_examples=300, deadline=None)
@given(strategies.text(alphabet="-\n ab:[]{}'\"|>&*!?#%@`,0.1\t\\~<", max_size=40))
def test_front_matter_of_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        json.dumps(read_front_matter(f"---\n{text}\n---\n").values, allow_nan=False)
    except FrontMatterError as error:
        assert str(error).startswith("line ")


def keys_of(
    schema: dict[str, Any], models: dict[str, Any], *path: str
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The path and the JSON schema of each key of the policy; `[]` is an entry of a list."""
    schema = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    if "$ref" in schema:
        schema = models[schema["$ref"].rpartition("/")[2]]
    for name, field in schema.get("properties", {}).items():
        yield from keys_of(field, models, *path, name)
    if "items" in schema:
        yield from keys_of(schema["items"], models, *path, "[]")
    if "properties" not in schema and path[0] in ("agent", "hooks", "loop"):
        yield path, schema


SCHEMA = TypeAdapter(RepositoryPolicy).json_schema()
KEYS = dict(keys_of(SCHEMA, SCHEMA["$defs"]))
NUMBERS = {path: schema for path, schema in KEYS.items() if schema.get("type") in ("integer", "number")}
ODD = [
    *("0", "-0", "-1", "1", "1.5", "010", "0x10", "1_000", "1e309", ".inf", ".nan", "9" * 15, "9" * 5_000, "0.000001"),
    *(
        "~",
        "null",
        "''",
        "' '",
        "yes",
        "on",
        "true",
        "'3'",
        "'a b'",
        '"a\\0b"',
        '"a\\nb"',
        '"\\x1b[31m"',
        '"\\ud800"',
        "[]",
    ),
    *(
        "[[]]",
        "['']",
        "[1]",
        "{}",
        "{a: 1}",
        "{a: 1, a: 2}",
        "2026-01-01",
        "1:30",
        "!!set {a}",
        "*a",
        "&a 1",
        "x" * 300,
    ),
    *("x" * 20_000, "[" + "x, " * 300 + "x]", "[", '"', "|", "- a", "é", '"\\u202e"', "'../..'", "-x", "'${HOME}'"),
]


def nest(path: tuple[str, ...], written: str) -> str:
    """The flow mapping that sets this key alone, and what its neighbours need."""
    for name in reversed(path):
        written = f"[{written}]" if name == "[]" else f"{{{name}: {written}}}"
    return written.replace("{name: ", "{run: make, name: ").replace(
        "{run: ", "{name: t, run: ", 1 if "name" not in path else 0
    )


@pytest.mark.parametrize("path", list(KEYS), ids=".".join)
def test_policy_with_an_odd_value_works_or_is_refused_with_line_and_reason(path: tuple[str, ...]) -> None:
    for written in ODD:
        try:
            policy = read_policy(f"---\n{nest(path, written)}\n---\n", WHERE)
        except PolicyError as error:
            assert str(error).startswith(f"WORKFLOW.md in {WHERE} cannot be used: line ")
            assert str(error).isprintable() and len(str(error)) < 400
            continue
        assert POLICY.decode(POLICY.encode(policy)) == policy
        found: Any = POLICY.to_builtins(policy)
        for name in path if path in NUMBERS else ():
            found = found[name]
        if isinstance(found, int | float):
            assert NUMBERS[path]["minimum"] <= found <= NUMBERS[path]["maximum"]


@pytest.mark.parametrize("path", list(NUMBERS), ids=".".join)
def test_policy_number_has_both_bounds(path: tuple[str, ...]) -> None:
    assert 0 <= NUMBERS[path]["minimum"] < NUMBERS[path]["maximum"] <= 1_000_000


@pytest.mark.parametrize(
    "path", [path for path, schema in KEYS.items() if schema.get("type") == "string"], ids=".".join
)
def test_policy_text_has_a_longest_length_or_a_list_of_values(path: tuple[str, ...]) -> None:
    assert "enum" in KEYS[path] or KEYS[path]["maxLength"] <= 10_000


def test_policy_commands_can_have_several_lines() -> None:
    text = "---\nloop:\n  setup:\n    - |\n      one\n      \ttwo\nhooks:\n  after_create: |\n    a\n    b\n---\n"

    assert read_policy(text, WHERE).setup_commands() == ("one\n\ttwo\n", "a\nb")


def test_policy_error_names_line_key_class_and_fix_of_each_problem() -> None:
    text = "---\nloop:\n  iterations: 21\n  scout: yes\n  checks:\n    - name: t\n      run: ''\n  cheks: []\n---\n"

    with pytest.raises(PolicyError) as error:
        read_policy(text, WHERE)

    assert str(error.value) == (
        "WORKFLOW.md in acme/shop at main cannot be used: "
        "line 7, loop.checks.0.run: it is an empty text; write at least 1 characters. "
        "Also line 3, loop.iterations: it is a number above 20; write 20 or less. "
        "Also line 4, loop.scout: it is a text; write true or false. "
        "Also line 8, loop.cheks: it is an unknown key; the nearest one is checks."
    )


def test_policy_refuses_instructions_as_a_key() -> None:
    with pytest.raises(PolicyError, match="line 2, instructions"):
        read_policy("---\ninstructions: x\n---\nBe brief.\n", WHERE)
