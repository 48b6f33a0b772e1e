from __future__ import annotations

from collections.abc import Mapping

from jobs.evidence.tampering.behind import MOST_LINES, add_script_lines
from jobs.loop.state import Contract, Criterion


def read_lines(files: Mapping[str, str], command: str) -> list[str]:
    contract = Contract(criteria=(Criterion(id="k1", text="x", command=command),))
    return [criterion.command for criterion in add_script_lines(contract, files.get).criteria[1:]]


def test_script_lines_include_the_lines_of_a_script() -> None:
    assert read_lines({"check.sh": "#!/bin/sh\n\nset -e\nmake\n"}, "sh ./check.sh -q") == ["set -e", "make"]


def test_script_lines_include_the_lines_of_a_nested_script() -> None:
    files = {"ci/a.sh": 'sh "$(dirname "$0")/b.sh"\n', "ci/b.sh": "pytest\n"}

    assert read_lines(files, "sh ci/a.sh") == ["sh ci/b.sh", "pytest"]


def test_script_lines_include_the_lines_of_a_makefile() -> None:
    assert read_lines({"Makefile": "check:\n\t@sh ci/check.sh\n"}, "make -s check") == ["check:", "sh ci/check.sh"]


def test_script_lines_terminate_for_recursive_scripts() -> None:
    assert read_lines({"a.sh": "sh ./b.sh\n", "b.sh": "sh ./a.sh\n"}, "sh a.sh") == ["sh ./b.sh", "sh ./a.sh"]


def test_script_lines_ignore_a_program() -> None:
    assert read_lines({"tool.py": "import os\n"}, "python3 tool.py") == []


def test_script_lines_are_limited() -> None:
    assert len(read_lines({"a.sh": "x\n" * 5_000}, "sh a.sh")) == MOST_LINES
