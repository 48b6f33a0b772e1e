"""Everything that a push would send is searched, also content of earlier commits, file names and messages."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from integrations.leaks.own import OwnSecrets
from integrations.values import NO_COMMIT, CommitSha
from jobs.effects.leaks import find_leaks, refuse_own_secrets, refuse_unapproved
from tests.integrations.git.hosting import commit, git

SECRET = "lin_api_" + "Zk39jdaQw81mNx2T"
OWN = OwnSecrets({SECRET})


def candidate(mirror: Mirror, upstream: Path, *steps: dict[str, bytes | None], message: str = "change") -> CommitSha:
    """Commits on the base, one for each step."""
    git(upstream, "update-ref", "refs/heads/candidate", "refs/heads/main")
    for files in steps:
        commit(upstream, files, "candidate", message)
    mirror.fetch("candidate")
    return mirror.head("candidate")


@pytest.mark.parametrize(
    "content",
    [SECRET.encode(), b"\0binary " + SECRET.encode(), base64.b64encode(b"x" + SECRET.encode()), SECRET[::-1].encode(),
     b"x" * 2_000_000 + SECRET.encode()],
    ids=["plain", "binary", "base64", "reversed", "large"],
)  # fmt: skip
def test_push_with_an_own_secret_is_refused_and_the_file_is_named(
    mirror: Mirror, upstream: Path, content: bytes
) -> None:
    base = mirror.head("main")
    sha = candidate(mirror, upstream, {"docs/a.bin": content})

    with pytest.raises(Rejected, match=r"the file docs/a\.bin holds a secret") as refused:
        refuse_own_secrets(mirror, OWN, sha, [base, NO_COMMIT])
    assert SECRET not in str(refused.value)


def test_push_with_an_own_secret_in_an_earlier_commit_is_refused(mirror: Mirror, upstream: Path) -> None:
    base = mirror.head("main")
    sha = candidate(mirror, upstream, {"a.txt": SECRET.encode()}, {"a.txt": b"clean"})

    with pytest.raises(Rejected, match=r"a\.txt holds a secret"):
        refuse_own_secrets(mirror, OWN, sha, [base])


def test_push_with_an_own_secret_in_a_name_or_a_message_is_refused(mirror: Mirror, upstream: Path) -> None:
    base = mirror.head("main")
    for sha in (
        candidate(mirror, upstream, {f"src/{SECRET}.txt": b"x"}),
        candidate(mirror, upstream, {"a.txt": b"x"}, message=f"fix {SECRET}"),
    ):
        with pytest.raises(Rejected, match="holds a secret"):
            refuse_own_secrets(mirror, OWN, sha, [base])


def test_push_without_own_secrets_passes_also_when_the_code_host_has_one_already(
    mirror: Mirror, upstream: Path
) -> None:
    base = CommitSha(commit(upstream, {"old.txt": SECRET.encode()}))
    mirror.fetch("main")
    refuse_own_secrets(mirror, OWN, candidate(mirror, upstream, {"a.txt": b"clean"}), [base])


def test_takeover_of_an_unchecked_candidate_is_refused_with_each_place(mirror: Mirror, upstream: Path) -> None:
    base, key = mirror.head("main"), "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"
    sha = candidate(mirror, upstream, {".github/workflows/ci.yml": b"on: push", "pay.py": f"K = '{key}'\n".encode()})

    with pytest.raises(Rejected) as refused:
        refuse_unapproved(mirror, base, sha, ())
    assert "`.github/workflows/ci.yml` runs in continuous integration" in str(refused.value)
    assert "`pay.py` looks like a secret: Stripe Access Key" in str(refused.value)
    assert key not in str(refused.value)


def test_takeover_of_ordinary_changes_passes(mirror: Mirror, upstream: Path) -> None:
    base = mirror.head("main")
    refuse_unapproved(mirror, base, candidate(mirror, upstream, {"src/b.py": b"x = 1\n"}), ())


def test_leaks_are_searched_in_added_lines_only(mirror: Mirror, upstream: Path) -> None:
    key = "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc"
    base = CommitSha(commit(upstream, {"pay.py": f"K = '{key}'\n".encode()}))
    mirror.fetch("main")
    sha = candidate(mirror, upstream, {"pay.py": f"import os\nK = '{key}'\n".encode()})

    assert find_leaks(mirror.changes(base, sha)) == []
