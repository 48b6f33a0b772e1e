"""Keys and signatures of evidence: equal for the same problem on another morning, different for another problem."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.signatures import KEY_CHARACTERS, build_key, build_name_key, normalize_line, sign_log

PYTEST = """\
{at} collected {count} items
{at} [gw{worker}] [ {share}%] PASSED tests/test_cart.py::test_empty
{at} \x1b[31m[gw{worker}] [ {share}%] FAILED tests/test_cart.py::test_total\x1b[0m
{at} tests/test_cart.py:{line}: in test_total
{at} E   AssertionError: assert 3 == 4
{at} E   FileNotFoundError: [Errno 2] No such file: '/tmp/pytest-of-runner/pytest-{number}/out/cart.json'
{at} E   ConnectionError: request {uuid} to localhost:5432 refused (pid {number}) after {seconds}s
{at} FAILED tests/test_cart.py::test_total - AssertionError: assert 3 == 4
{at} npm ERR! A complete log of this run can be found in: /root/.npm/_logs/{day}T06_45_48_{number}Z-debug-0.log
{at} Error: connect ECONNREFUSED 10.1.{worker}.{share}:5432 on fv-az{number}-12, see {day}_06-4{worker}-11.xml
{at} ===== 1 failed, {count} passed in {seconds}s =====
{at} ##[error]Process completed with exit code 1."""
OTHERS = {
    "another test": PYTEST.replace("test_total", "test_tax"),
    "another assertion": PYTEST.replace("assert 3 == 4", "assert 3 == 5"),
    "another exception": PYTEST.replace("AssertionError", "TypeError"),
    "another port": PYTEST.replace("5432", "6379"),
    "another exit code": PYTEST.replace("exit code 1.", "exit code 137."),
    "another file": PYTEST.replace("cart.json", "tax.json"),
    "a further test": PYTEST + "\n{at} FAILED tests/test_tax.py::test_rate - ZeroDivisionError: division by zero",
}


def write_log(template: str, seed: int) -> str:
    """The log of one morning: its times, ids, counts and folders, and the lines in another order."""
    chance = random.Random(seed)
    morning = f"2026-11-{chance.randint(10, 28)}T0{chance.randint(1, 9)}:{chance.randint(10, 59)}:00.{seed % 1000:03}Z"
    facts = {
        "at": chance.choice([morning, morning[:19].replace("T", " "), f"[{morning}]", morning[11:19]]),
        "day": morning[:10],
        "count": chance.randint(2, 900),
        "worker": chance.randint(0, 9),
        "share": chance.randint(1, 99),
        "line": chance.randint(1, 500),
        "number": chance.randint(100, 99_999),
        "uuid": f"{chance.getrandbits(32):08x}-0000-4000-8000-{chance.getrandbits(48):012x}",
        "seconds": f"{chance.uniform(1, 99):.2f}",
    }
    lines = template.format(**facts).splitlines()
    chance.shuffle(lines)
    return "\n".join(lines)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_signature_of_the_same_failure_is_the_same_every_morning(one: int, other: int) -> None:
    assert sign_log(write_log(PYTEST, one)) == sign_log(write_log(PYTEST, other))


@pytest.mark.parametrize("name", OTHERS)
def test_signature_of_another_failure_of_the_job_differs(name: str) -> None:
    assert sign_log(write_log(OTHERS[name], 1)) != sign_log(write_log(PYTEST, 1))


def test_signature_depends_on_the_step_and_on_logs_without_failing_lines() -> None:
    assert sign_log("x is bad", "Lint") != sign_log("x is bad", "Test")
    links = "Checking {n} pages\ndocs/a.md -> https://acme.test/{page}\n##[error]Process completed with exit code 1."
    assert sign_log(links.format(n=3, page="old")) == sign_log(links.format(n=900, page="old"))
    assert sign_log(links.format(n=3, page="old")) != sign_log(links.format(n=3, page="new"))


LINES = {
    "12:33:01 AM error in Fri Nov 27 06:45:48 UTC 2026": ("error in <time>", "2026"),
    "/home/runner/work/shop/shop/src/a.ts(12,34): error TS2322: wrong": ("src/a.ts: error TS2322: wrong", ""),
    "thread 'main' panicked at src/main.rs:12:34 after 1m 3s": ("src/main.rs after", "12"),
    "error: could not compile `x` due to 2 previous errors": ("could not compile `x` due to previous errors", "2"),
    "--- FAIL: TestTotal (0.03s)": ("--- FAIL: TestTotal", "0.03"),
    "requires Python >=3.12, HTTP 404, exit code 137": ("Python >=3.12, HTTP 404, exit code 137", "<"),
    "at 0x7f1c0a2b in /var/folders/xy/T/tmpab12cd34/db": ("in <tmp>", "folders"),
    "\x1b[31mfailed\x1b[0m in 3f2a91c4d5": ("failed in <id>", "\x1b"),
}


@pytest.mark.parametrize("line", LINES)
def test_signature_line_loses_what_changes_and_keeps_the_rest(line: str) -> None:
    kept, dropped = LINES[line]
    assert kept in normalize_line(line)
    assert not dropped or dropped not in normalize_line(line).replace(kept, "")


@given(st.text(max_size=300), st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_key_is_bounded_and_on_one_line(one: str, other: str) -> None:
    for build in (build_key, build_name_key):
        key = build("check", one, other)
        assert len(key) <= KEY_CHARACTERS and len(key.splitlines()) == 1
        assert key == build("check", one, other)


def test_key_of_a_name_drops_numbers_of_runs_and_keeps_versions() -> None:
    assert build_name_key("check", "CI", "build #41", "Test") == build_name_key("check", "CI", "build #42", "Test")
    assert build_name_key("check", "CI", "test (3.11)") != build_name_key("check", "CI", "test (3.12)")
    assert build_name_key("check", "x" * 300) == build_name_key("check", "x" * 300)


def test_key_of_an_id_keeps_all_of_it() -> None:
    assert build_key("issue", "123456") == "issue:123456"
    assert build_key("release", "20261127") != build_key("release", "20261128")
    assert build_key("x", "y" * 300) != build_key("x", "y" * 301)


@pytest.mark.parametrize("piece", ["a", "0", "/tmp/", "a0", "1:", "error ", "A0b", ".x:1", " Mon Jan 1 ", "1 failed "])
def test_signature_of_a_hostile_log_is_computed_in_time(piece: str) -> None:
    began = time.process_time()
    sign_log("\n".join([piece * 2_000] * 50))
    assert time.process_time() - began < 2
