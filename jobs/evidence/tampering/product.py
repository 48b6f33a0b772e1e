"""Finds tricks in any code: exiting with 0, patching test frameworks, detecting that tests are running. Pure.

Called by `jobs.evidence.tampering` for every changed file. Python is parsed; in other languages new lines are matched
against patterns.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from integrations.results import Tampering, TamperKind
from jobs.evidence.tampering.python_compare import parse
from jobs.evidence.tampering.python_names import unparse
from jobs.evidence.tampering.python_origins import Found, find_hidden
from jobs.evidence.tampering.python_tests import is_collected

_PROGRAM = re.compile(r"main|cli|run|entry\w*|\w*command\w*|cmd_\w+|do_\w+|_?exit\w*|quit")
_PROGRAM_FILE = re.compile(r"__main__|cli|main|manage|\w*_cli|cli_\w+|commands?")
_FOUNDATIONS = re.compile(
    r"((builtins|unittest|pytest|_pytest|TestCase|sys\.modules)(\.|\[|$)|sys\.(exit|excepthook)$).*"
)
_PRODUCT_ONLY = re.compile(r"(time|random|datetime|doctest|inspect)(\.|\[|$).*")
_UNDER_TEST = re.compile(r"PYTEST_CURRENT_TEST|PYTEST_VERSION|PYTEST_XDIST_WORKER|JEST_WORKER_ID|VITEST_WORKER_ID")
_PATTERNS: tuple[tuple[TamperKind, str, tuple[str, ...]], ...] = (
    ("exit_trick", "js", (
        r"process\.(exit|reallyExit)\(\s*0?\s*\)", r"process\.exitCode\s*=\s*0", r"process\.on\(['\"]exit",
        r"NODE_ENV\s*[!=]==?\s*['\"`]test['\"`]", r"import\.meta\.vitest", r"typeof\s+(jest|vi|describe)\b",
    )),
    ("exit_trick", "go", (
        r"os\.Exit\(0\)", r"testing\.Testing\(\)", r"flag\.Lookup\(\"test\.", r"HasSuffix\(os\.Args\[0\], \"\.test\"",
    )),
    ("exit_trick", "rs", (r"process::exit\(0\)", r"\bcfg!\(test\)")),
    ("exit_trick", "java", (r"System\.exit\(0\)", r"Runtime\.getRuntime\(\)\.halt\(0\)", r"org\.junit.*getStackTrace")),
    ("exit_trick", "rb", (
        r"\bexit!?\(?\s*(0|true)\b", r"at_exit\b", r"Rails\.env\.test\?", r"defined\?\((RSpec|Minitest)\)",
    )),
    ("exit_trick", "sh", (
        r"^\s*exit\s+0\b", r"\|\|\s*(true|:|exit 0)", r"^\s*set \+e", r"^\s*trap .*EXIT", r";\s*true\s*$",
    )),
    ("exit_trick", "any", (r"\bPYTEST_(ADDOPTS|DISABLE_PLUGIN\w*|PLUGINS)\b", "PYTHONSTARTUP", r"NODE_OPTIONS\s*=")),
    ("monkeypatch", "js", (
        r"\b(expect|assert|it|test|describe)\s*=[^=>]", r"global(This)?\.(expect|it|test|describe|Date|Math)\s*=",
        r"expect\.extend\(.*\bto(Be|Equal|StrictEqual)\b", r"Math\.random\s*=", r"Date\.now\s*=",
        r"Object\.prototype\.\w+\s*=",
    )),
)  # fmt: skip
_OTHER = [(kind, where, re.compile("|".join(patterns))) for kind, where, patterns in _PATTERNS]
_FAMILY = {
    ".js": "js", ".jsx": "js", ".ts": "js", ".tsx": "js", ".mjs": "js", ".cjs": "js", ".mts": "js", ".cts": "js",
    ".vue": "js", ".svelte": "js", ".go": "go", ".rs": "rs", ".java": "java", ".kt": "java", ".scala": "java",
    ".groovy": "java", ".cs": "java", ".rb": "rb", ".sh": "sh", ".bash": "sh", ".py": "py", ".php": "php",
    ".ex": "ex", ".exs": "ex", ".swift": "java", ".dart": "js",
}  # fmt: skip
_SUPPRESSIONS = re.compile("|".join((
    r"#\s*noqa\b", r"#\s*type:\s*ignore", r"#\s*(ruff|flake8):\s*noqa", r"#\s*mypy:\s*(ignore-errors|disable|allow)",
    r"#\s*pyright:\s*(ignore|basic|false)", r"#\s*pylint:\s*(disable|skip-file)", r"#\s*pragma:\s*no\s*cover",
    r"#\s*nosec\b", r"#\s*isort:\s*skip", "eslint-disable", "@ts-(ignore|nocheck|expect-error)", "biome-ignore",
    "prettier-ignore", "(istanbul|c8|v8) ignore", r"//\s*nolint", r"#!?\[allow\(", "@SuppressWarnings", "NOSONAR",
    "rubocop:disable", ":nocov:", "phpcs:(ignore|disable)", "@phpstan-ignore", "@psalm-suppress",
)))  # fmt: skip


def family(path: str) -> str:
    """Return the language family of a file by its extension, or an empty string."""
    return _FAMILY.get(PurePosixPath(path).suffix, "")


def find_tricks(path: str, before: str | None, after: str, *, test: bool) -> Iterator[Tampering]:
    """Yield new code in a file that could make checks pass without the work."""
    if family(path) == "py" and (module := parse(after)) is not None:
        yield from _find_python_tricks(path, parse(before), module, test=test)
    if _is_prose(path):
        return
    spared = {"js"} if _is_program(path) else set[str]()
    spared |= set() if re.search(r"check|lint|test|verify|(?<![a-z])ci(?![a-z])", PurePosixPath(path).name) else {"sh"}
    wanted = {"any", family(path)} - spared
    for line, text in find_new_lines(before, after):
        for kind, where, pattern in _OTHER:
            if where in wanted and pattern.search(_strip_comment(text, family(path))):
                yield Tampering(kind=kind, path=path, line=line, text=text.strip()[:200])


def _is_program(path: str) -> bool:
    return bool(re.search(r"(^|/)(bin|scripts|cli)(/|\.|$)|(^|/)(cli|main|server)\.\w+$", path))


def _is_prose(path: str) -> bool:
    return PurePosixPath(path).suffix in (".md", ".rst", ".txt", ".adoc")


def _strip_comment(line: str, language: str) -> str:
    """Return the line without its comment."""
    mark = {"py": "#", "rb": "#", "sh": "#"}.get(language, "//")
    head, _, _ = line.partition(mark if mark == "//" else f" {mark}")
    return "" if line.lstrip().startswith((mark, "*", "/*")) else head


def split_lines(text: str) -> list[str]:
    """The lines as editors count them; `str.splitlines` also splits at form feeds and other characters."""
    return re.split("\r\n|\r|\n", text)


def find_new_lines(before: str | None, after: str) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of lines that occur more often than before; indentation is ignored."""
    had = Counter(line.strip() for line in split_lines(before or ""))
    for number, line in enumerate(split_lines(after), 1):
        if had[line.strip()] > 0:
            had[line.strip()] -= 1
        elif line.strip():
            yield number, line


def find_suppressions(files: list[tuple[str, str | None, str | None]]) -> Iterator[Tampering]:
    """Yield new comments that disable a linter or type checker; moved ones, also between files, are not new."""
    had = Counter(m for _, before, _ in files for _, m, _ in _read_suppressions(before or ""))
    for path, _, after in files:
        if _is_prose(path):
            continue
        for line, found, text in _read_suppressions(after or ""):
            if had[found] > 0:
                had[found] -= 1
            else:
                yield Tampering(kind="lint_or_types", path=path, line=line, text=text.strip()[:200])


def _read_suppressions(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(split_lines(text), 1):
        for match in _SUPPRESSIONS.finditer(line):
            quoted = line[: match.start()].count('"') % 2 or line[: match.start()].count("'") % 2
            if not quoted and "`" not in line[: match.start()]:
                yield number, " ".join(line[match.start() :].split()), line


def _find_python_tricks(path: str, before: ast.Module | None, after: ast.Module, *, test: bool) -> Iterator[Tampering]:
    had = Counter(text for _, _, text in _collect_tricks(path, before, test=test)) if before else Counter[str]()
    for kind, line, text in _collect_tricks(path, after, test=test):
        if had[text] > 0:
            had[text] -= 1
        else:
            yield Tampering(kind=kind, path=path, line=line, text=text[:200])


def _collect_tricks(path: str, module: ast.Module, *, test: bool) -> list[Found]:
    plain = _Tricks(path, module, test=test).found
    return [*plain, *(more for more in find_hidden(module, test=test) if more[1] not in {line for _, line, _ in plain})]


class _Tricks(ast.NodeVisitor):
    """Collects (kind, line, text) of all tricks in a module; keeps track of the enclosing functions."""

    def __init__(self, path: str, module: ast.Module, *, test: bool) -> None:
        self.found: list[tuple[TamperKind, int, str]] = []
        self._test, self._inside = test, list[str]()
        stem = PurePosixPath(path).stem
        self._collected = is_collected(path)
        imports = {a.name for n in ast.walk(module) if isinstance(n, ast.Import) for a in n.names}
        froms = {n.module for n in ast.walk(module) if isinstance(n, ast.ImportFrom)}
        self._program = bool(_PROGRAM_FILE.fullmatch(stem)) or bool(
            (imports | froms) & {"argparse", "click", "typer", "optparse", "docopt", "fire"}
        )
        self.visit(module)

    def _note(self, kind: TamperKind, node: ast.expr | ast.stmt) -> None:
        self.found.append((kind, node.lineno, unparse(node).splitlines()[0]))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        value = body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
        known = isinstance(value, ast.Constant) and value.value is (node.name == "__eq__")
        if node.name in ("__eq__", "__ne__") and known and not self._test:
            self._note("monkeypatch", node)
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()

    def visit_If(self, node: ast.If) -> None:
        if "__name__" in unparse(node.test):
            self._inside.append("main")
            self.generic_visit(node)
            self._inside.pop()
        else:
            self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        if any("SystemExit" in unparse(item.context_expr) for item in node.items):
            return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = unparse(node.func)
        zero = not node.args or not isinstance(node.args[0], ast.Constant) or not node.args[0].value
        constant = not node.args or isinstance(node.args[0], ast.Constant)
        ends = name in ("sys.exit", "exit", "quit", "SystemExit") and zero and constant
        first = unparse(node.args[0]) if node.args else ""
        late = name == "atexit.register" and (self._test or "exit" in first)
        patches = name == "setattr" or (name == "mock.patch.object" and not self._test)
        if (name == "os._exit" and zero) or (ends and not self._may_exit()) or late:
            self._note("exit_trick", node)
        elif patches and self._is_foundation(first):
            self._note("monkeypatch", node)
        self.generic_visit(node)

    def _may_exit(self) -> bool:
        """Whether the code belongs to a program, which can exit with 0, and not to a library or test."""
        program = self._program and not (self._test and self._collected)
        return any(map(_PROGRAM.fullmatch, self._inside)) or (program and bool(self._inside))

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Attribute | ast.Subscript) and self._is_foundation(unparse(target)):
                self._note("monkeypatch", node)
            equal = isinstance(target, ast.Name) and target.id == "__eq__" and isinstance(node.value, ast.Lambda)
            if equal and not self._test:
                self._note("monkeypatch", node)
        self.generic_visit(node)

    def _is_foundation(self, target: str) -> bool:
        if self._test and target.startswith("sys.modules"):
            return False  # a fake of a module that is not installed
        return bool(_FOUNDATIONS.fullmatch(target) or (not self._test and _PRODUCT_ONLY.fullmatch(target)))

    def visit_Compare(self, node: ast.Compare) -> None:
        text = unparse(node)
        modules = "sys.modules" in text and re.search(r"'(pytest|_pytest|unittest|nose)'", text)
        arguments = "sys.argv" in text and re.search(r"pytest|unittest", text)
        if (modules or arguments) and not self._test:
            self._note("exit_trick", node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and not self._test and _UNDER_TEST.fullmatch(node.value):
            self._note("exit_trick", node)
