from __future__ import annotations

from collections.abc import Mapping

from jobs.evidence.tampering.behind import MOST_LINES, with_scripts
from jobs.loop.state import Contract, Criterion


def behind(files: Mapping[str, str], command: str) -> list[str]:
    contract = Contract(criteria=(Criterion(id="k1", text="x", command=command),))
    return [criterion.command for criterion in with_scripts(contract, files.get).criteria[1:]]


def test_a_scripts_lines_are_behind_its_command() -> None:
    assert behind({"check.sh": "#!/bin/sh\n\nset -e\nmake\n"}, "sh ./check.sh -q") == ["set -e", "make"]


def test_a_script_that_a_script_starts_is_behind_it_too() -> None:
    files = {"ci/a.sh": 'sh "$(dirname "$0")/b.sh"\n', "ci/b.sh": "pytest\n"}

    assert behind(files, "sh ci/a.sh") == ["sh ci/b.sh", "pytest"]


def test_a_makefiles_lines_are_behind_make() -> None:
    assert behind({"Makefile": "check:\n\t@sh ci/check.sh\n"}, "make -s check") == ["check:", "sh ci/check.sh"]


def test_scripts_that_start_each_other_end() -> None:
    assert behind({"a.sh": "sh ./b.sh\n", "b.sh": "sh ./a.sh\n"}, "sh a.sh") == ["sh ./b.sh", "sh ./a.sh"]


def test_a_program_is_not_read() -> None:
    assert behind({"tool.py": "import os\n"}, "python3 tool.py") == []


def test_a_very_long_script_is_read_so_far_and_no_further() -> None:
    assert len(behind({"a.sh": "x\n" * 5_000}, "sh a.sh")) == MOST_LINES
