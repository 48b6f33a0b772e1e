from __future__ import annotations

import pytest

from jobs.evidence.protected_paths import MOST, find_protected_paths


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Add SHOP_URL to `.env.example`", ()),
        ("`grep -q SHOP_URL .env` passes", (".env",)),
        ("run the tests in .github/workflows/ci.yml, too", (".github/workflows/ci.yml",)),
        ("Write AGENTS.md and CODEOWNERS.", ("AGENTS.md", "CODEOWNERS")),
        ("AGENTS.md is unchanged", ()),
        ("Do not change AGENTS.md", ()),
        ("see https://acme.test/.github/workflows/ci.yml", ()),
        ("change deploy/site.yml", ("deploy/site.yml",)),
        ("change src/site.yml and the agents", ()),
        ("deploy it", ()),
        ("", ()),
    ],
)
def test_protected_paths_are_found_in_a_text(text: str, found: tuple[str, ...]) -> None:
    assert find_protected_paths(text, ("deploy/**",)) == found


def test_protected_paths_are_bounded() -> None:
    text = "\n".join(f".github/workflows/{number}.yml" for number in range(1000))

    assert len(find_protected_paths(text, ())) == MOST
