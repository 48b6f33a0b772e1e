from __future__ import annotations

import pytest

from jobs.loop.limit_bounds import LimitBounds, check_limits
from jobs.loop.policy import PolicyError, read_policy

BOUNDS = LimitBounds(command_minutes=60, output_megabytes=256, change_files=5_000, change_megabytes=200)


@pytest.mark.parametrize(
    ("section", "key", "setting"),
    [
        ("limits: {command_minutes: 61}", "loop.limits.command_minutes to 61", "LOOPLINE_MAX_COMMAND_MINUTES"),
        ("limits: {check_minutes: 60.5}", "loop.limits.check_minutes to 60.5", "LOOPLINE_MAX_COMMAND_MINUTES"),
        ("checks: [{name: a, run: b, minutes: 99}]", "loop.checks.0.minutes to 99", "LOOPLINE_MAX_COMMAND_MINUTES"),
        ("limits: {output_megabytes: 257}", "loop.limits.output_megabytes", "LOOPLINE_MAX_OUTPUT_MEGABYTES"),
        ("limits: {files: 5001}", "loop.limits.files", "LOOPLINE_MAX_CHANGE_FILES"),
        ("limits: {file_megabytes: 201}", "loop.limits.file_megabytes", "LOOPLINE_MAX_CHANGE_MEGABYTES"),
        ("limits: {total_megabytes: 201}", "loop.limits.total_megabytes", "LOOPLINE_MAX_CHANGE_MEGABYTES"),
    ],
)
def test_limit_beyond_its_bound_names_key_place_and_setting(section: str, key: str, setting: str) -> None:
    policy = read_policy(f"---\nloop:\n  {section}\n---\n", "acme/shop at main")

    with pytest.raises(PolicyError) as error:
        check_limits(policy, BOUNDS, "acme/shop at main")

    assert all(part in str(error.value) for part in (key, setting, "acme/shop at main"))


def test_limits_at_their_bounds_are_accepted() -> None:
    limits = "{command_minutes: 60, check_minutes: 60, output_megabytes: 256, files: 5000, file_megabytes: 200}"

    check_limits(read_policy(f"---\nloop: {{limits: {limits}}}\n---\n", "acme/shop"), BOUNDS, "acme/shop")


@pytest.mark.parametrize("section", ["{files: 0}", "{output_megabytes: 0}", "{check_minutes: -1}", "{file: 5}"])
def test_limit_out_of_range_is_refused(section: str) -> None:
    with pytest.raises(PolicyError, match=r"loop\.limits"):
        read_policy(f"---\nloop: {{limits: {section}}}\n---\n", "acme/shop")
