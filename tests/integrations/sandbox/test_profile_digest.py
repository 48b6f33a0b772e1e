"""The digest of the sandbox's profile changes with each part of it, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from integrations.sandbox import seccomp
from integrations.sandbox.bubblewrap import Sandbox, find_bwrap
from integrations.sandbox.identity import DEFAULT_UID, choose_user, find_user
from integrations.sandbox.limits import DEFAULT_LIMITS
from integrations.sandbox.profile import compute_digest

FILTER = seccomp.build_host_program() or b""
KNOWN = compute_digest((), DEFAULT_LIMITS, FILTER)


def test_profile_digest_is_that_of_each_sandbox_with_the_profile() -> None:
    assert len(KNOWN) == 64
    assert Sandbox(find_bwrap()).digest == Sandbox(find_bwrap()).digest == KNOWN


@pytest.mark.parametrize("name", vars(DEFAULT_LIMITS))
def test_profile_digest_changes_with_each_limit(name: str) -> None:
    limits = replace(DEFAULT_LIMITS, **{name: getattr(DEFAULT_LIMITS, name) + 1})
    assert compute_digest((), limits, FILTER) != KNOWN


def test_profile_digest_changes_with_mounts_and_system_call_filter() -> None:
    assert compute_digest((Path("/opt"),), DEFAULT_LIMITS, FILTER) != KNOWN
    assert compute_digest((), DEFAULT_LIMITS, FILTER[:-8]) != KNOWN


def test_profile_digest_changes_with_the_user_of_root() -> None:
    if find_user() is None:  # an ordinary user's sandbox has no other user
        return
    choose_user("61001")
    try:
        assert compute_digest((), DEFAULT_LIMITS, FILTER) != KNOWN
    finally:
        choose_user(str(DEFAULT_UID))
    assert compute_digest((), DEFAULT_LIMITS, FILTER) == KNOWN


def test_profile_digest_follows_the_limit_of_output() -> None:
    sandbox = Sandbox(find_bwrap())
    assert sandbox.limit_output(DEFAULT_LIMITS.output).digest == KNOWN
    assert sandbox.limit_output(1).digest != KNOWN
