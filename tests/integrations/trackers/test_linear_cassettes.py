"""The cassettes: each belongs to a test, states its origin and contains no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CASSETTES = Path(__file__).with_name("cassettes")
CONTRACT = Path(__file__).parent.with_name("test_tracker_contract.py")
RECORDED = sorted(CASSETTES.glob("*.yaml"))


def test_cassettes_match_the_contract_tests() -> None:
    tests = re.findall(r"^def (test_\w+)", CONTRACT.read_text(), re.MULTILINE)
    assert [path.stem for path in RECORDED] == sorted(tests)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_cassette_has_no_credential_and_no_mail_address(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"lin_(api|oauth|wh)_|bearer|authorization|set-cookie", text, re.IGNORECASE)
    assert set(re.findall(r"[\w.+-]+@[\w.-]+", text)) <= {"somebody@example.com"}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_cassette_requests_have_no_header_except_content_type(path: Path) -> None:
    requests = [entry["request"] for entry in yaml.safe_load(path.read_text())["interactions"]]
    assert {(request["uri"], *request["headers"]) for request in requests} == {
        ("https://api.linear.app/graphql", "Content-Type")
    }


def test_cassettes_have_an_origin_file() -> None:
    assert "recorded against" in (CASSETTES / "ORIGIN.md").read_text()
