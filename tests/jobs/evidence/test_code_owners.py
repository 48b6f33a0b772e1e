"""CODEOWNERS as GitHub reads it; the examples are those of its documentation."""

from __future__ import annotations

import pytest

from jobs.evidence.code_owners import MOST_OWNERS, Owners, find_owners

EXAMPLE = r"""
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats @Other/team
/build/logs/ @doctocat
docs/* docs2@example.com @docs-owner
apps/ @octocat
/docs/ @doctocat2
/scripts/ @doctocat3 @octocat
**/logs @octocat4
/apps/ @octocat5
/apps/github
/apps/github2 @doctocat6
!negated @never
[a-z].md @never2
\#strange @hash
"""


@pytest.mark.parametrize(
    ("path", "people", "teams", "unknown"),
    [
        ("README.md", ("global-owner1", "global-owner2"), (), ()),
        ("src/app.js", ("js-owner",), (), ()),
        ("main.go", (), (), ("docs@example.com",)),
        ("notes/a.txt", (), ("octocats",), ("@Other/team",)),
        ("build/logs/a/b", ("octocat4",), (), ()),
        ("docs/getting-started.md", ("doctocat2",), (), ()),
        ("lib/docs/x/y.md", ("global-owner1", "global-owner2"), (), ()),
        ("lib/apps/deep/a.py", ("octocat",), (), ()),
        ("apps/a/b.py", ("octocat5",), (), ()),
        ("apps/github", (), (), ()),
        ("apps/github/x", (), (), ()),
        ("apps/github2", ("doctocat6",), (), ()),
        ("scripts/a", ("doctocat3", "octocat"), (), ()),
        ("deeply/nested/logs/x", ("octocat4",), (), ()),
        ("#strange", ("hash",), (), ()),
        ("negated", ("global-owner1", "global-owner2"), (), ()),
    ],
)
def test_owners_are_those_of_the_last_matching_pattern(
    path: str, people: tuple[str, ...], teams: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    assert find_owners(EXAMPLE, [path], "octo-org") == Owners(people, teams, unknown)


def test_owners_of_most_files_come_first_and_are_bounded() -> None:
    text = "*.a @one\n*.b @two\n" + "".join(f"/c{n} @p{n}\n" for n in range(40))
    found = find_owners(text, ["x.a", "x.b", "y.b", *(f"c{n}" for n in range(40))], "acme")

    assert found.people[:2] == ("two", "one") and len(found.people) == MOST_OWNERS


def test_owners_respect_case_and_survive_odd_lines() -> None:
    assert find_owners("Docs/ @a\n", ["docs/x"], "acme") == Owners()
    assert find_owners("\0 \n@ \n/ @a\n** @b\n" + "*/" * 50 + "x @c", ["d/x"], "acme").people == ("b",)
