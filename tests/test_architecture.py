"""House rules that a command can check: what import-linter and ruff do not see."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from integrations.registry import providers
from jobs.config.reference import render_table
from jobs.runtime.queues import _QUEUE_OF

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("service", "jobs", "integrations")
DATA = {ROOT / "integrations/standins" / name for name in ("demo_repository", "demo_projects")}
SOURCES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py") if not DATA & {*p.parents})
PRODUCT = [p for p in SOURCES if "standins" not in p.parts]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function: last line − def line + 1 − docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            doc = isinstance(first, ast.Expr) and isinstance(getattr(first, "value", None), ast.Constant)
            skipped = (first.end_lineno or 0) - first.lineno + 1 if doc else 0
            yield f"{path.relative_to(ROOT)}::{node.name}", (node.end_lineno or 0) - node.lineno + 1 - skipped


def test_files_keep_their_size() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in SOURCES}

    assert [name for name, n in lengths.items() if n > 400] == []
    assert statistics.median(lengths.values()) <= 120


def test_functions_keep_their_size() -> None:
    lengths = dict(one for path in SOURCES for one in functions(path))
    ordered = sorted(lengths.values())

    assert [name for name, n in lengths.items() if n > 60] == []
    assert statistics.median(ordered) <= 8
    assert ordered[int(len(ordered) * 0.9)] <= 25


@pytest.mark.parametrize("banned", ["util", "helper", "common", "manager", "misc"])
def test_files_have_no_generic_names(banned: str) -> None:
    assert [str(p) for p in SOURCES if banned in p.name.lower()] == []


@pytest.mark.parametrize("name", FOLDERS)
def test_top_level_packages_are_known(name: str) -> None:
    """No dependency installs a package under one of our three names."""
    assert set(packages_distributions().get(name, ["loopline"])) == {"loopline"}
    assert Path(import_module(name).__file__ or "").is_relative_to(ROOT)


def _rows(heading: str) -> list[str]:
    section = (ROOT / "README.md").read_text().split(f"## {heading}")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")]


def test_readme_what_happens_when_names_existing_code() -> None:
    places = re.findall(r"`([\w/]+\.py)::(\w+)`", "\n".join(_rows("What happens when …")))

    assert len(places) >= 15
    for file, name in places:
        defined = {
            node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
        }
        assert name in defined, f"README names {file}::{name}"


def test_readme_lists_every_setting() -> None:
    table = (ROOT / "README.md").read_text().split("<!-- settings -->")[1].split("<!-- /settings -->")[0]

    assert table.strip().splitlines()[2:] == render_table().splitlines()


def test_environment_is_read_by_the_settings_only() -> None:
    reads = re.compile(r"\bos\.(environ|getenv)\b")
    allowed = {"jobs/config/environment.py", "service/__main__.py", "service/supervisor/processes.py"}
    allowed.add("integrations/test_reports/programs/python/sitecustomize.py")  # runs in the sandbox
    found = {str(p.relative_to(ROOT)) for p in PRODUCT if reads.search(p.read_text())}

    assert found <= allowed


def test_product_does_not_import_the_demo() -> None:
    words = re.compile(r"\b(demo|standins?|fake)\b", re.IGNORECASE)
    found = [str(p) for p in PRODUCT if words.search(re.sub(r'""".*?"""|#.*', "", p.read_text(), flags=re.DOTALL))]

    assert found == []


def test_status_codes_and_provider_terms_stay_at_the_boundary() -> None:
    words = re.compile(r"status_code|updatedFrom|stateId|x-github|X-GitHub")
    core = [p for p in PRODUCT if p.is_relative_to(ROOT / "jobs")]

    assert [str(p) for p in core if words.search(p.read_text())] == []


PROVIDER_NAMES = re.compile("|".join(provider.name for provider in providers()), re.IGNORECASE)
NAMED_ALL_THE_SAME = {
    "jobs/config/settings.py: loopline@users.noreply.github.com",  # the author of commits: no mail is sent to it
    "jobs/evidence/code_owners.py: .github/CODEOWNERS",  # a file of the repository that is worked on
    "jobs/messages/pull_request_template.py: .github",
}


def _code_texts(path: Path) -> Iterator[str]:
    """Identifiers, modules and texts of a Python file, without comments and docstrings, which may give a reason."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        for field in ("id", "attr", "arg", "name", "module", "value"):
            text = getattr(node, field, None)
            if isinstance(text, str) and id(node) not in documents:
                yield text


def test_providers_are_named_in_their_folders_only() -> None:
    files = subprocess.run(["git", "ls-files", "service", "jobs"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in files.stdout.split() if (ROOT / name).is_file()]
    texts = {path: list(_code_texts(path)) if path.suffix == ".py" else [path.read_text()] for path in paths}
    found = {
        f"{path.relative_to(ROOT)}: {text}" for path, of in texts.items() for text in of if PROVIDER_NAMES.search(text)
    }

    assert found == NAMED_ALL_THE_SAME


def test_tests_never_patch_the_code_of_the_product() -> None:
    patches = re.compile(r"""(?:patch(?:\.object)?|setattr)\(\s*["']?(?:service|jobs|integrations)\b""")

    assert [str(p) for p in (ROOT / "tests").rglob("*.py") if patches.search(p.read_text())] == []


@pytest.mark.parametrize("path", sorted(_QUEUE_OF))
def test_wake_ups_name_existing_functions(path: str) -> None:
    """These dotted paths are stored in Redis: moving one is a migration."""
    module, name = path.rsplit(".", 1)

    assert callable(getattr(import_module(module), name))


def test_commands_have_a_performer_of_the_same_name() -> None:
    from jobs.effects import perform

    for command, performer in perform._PERFORMERS.items():
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", command.__name__).lower()
        assert performer.__name__ == snake


def test_imports_have_no_side_effects() -> None:
    """Importing the entry points opens no socket, reads no setting, writes no file."""
    code = "import service.web.app, service.dashboard.app, jobs.drive, jobs.advance_run, jobs.clock, jobs.sweep"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "LOOPLINE_HOME": "/nonexistent/x"}, capture_output=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
