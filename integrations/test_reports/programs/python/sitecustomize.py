"""Reports the tests of pytest and unittest. Python imports it at its start, because its folder is in PYTHONPATH.

One JSON line per result, written at once, so that a crash keeps what ran: `{"source", "id", "result"}`. Works with
Python 3.7 and later. Child processes of a test run write nothing: their tests are not those of the command.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib would slow every start of Python
RESULTS = os.path.join(FOLDER, "..", "..", "results")  # noqa: PTH118
OWNER = "TEST_REPORTS_OWNER"
LONGEST = 1000


class Writer:
    """The report of one process; the file is created with the first result."""

    def __init__(self) -> None:
        self.file = -1

    def write(self, source: str, test: str, result: str) -> None:
        pid = str(os.getpid())
        if os.environ.setdefault(OWNER, pid) != pid:
            return
        import json

        try:
            if self.file < 0:
                import time

                name = f"{time.time_ns()}-{pid}.jsonl"
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self.file = os.open(os.path.join(RESULTS, name), flags)  # noqa: PTH118
            line = json.dumps({"source": source, "id": test[:LONGEST], "result": result}) + "\n"
            os.write(self.file, line.encode())
        except OSError:
            pass


WRITER = Writer()


class PytestPlugin:
    """A plugin of pytest. Failed subtests count for their test."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "setup":
            self.failed.discard(report.nodeid)
        if report.outcome == "failed":
            self.failed.add(report.nodeid)
            WRITER.write("pytest", report.nodeid, "failed")
        elif hasattr(report, "context") or report.nodeid in self.failed:
            return
        elif report.outcome == "skipped":
            WRITER.write("pytest", report.nodeid, "skipped")
        elif report.outcome == "passed" and report.when == "call":
            WRITER.write("pytest", report.nodeid, "passed")

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome in ("failed", "skipped"):
            WRITER.write("pytest", report.nodeid, report.outcome)


def extend_pytest(module: Any) -> None:
    create = module.PytestPluginManager.__init__

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        create(self, *args, **options)
        self.register(PytestPlugin(), "test_reports")

    module.PytestPluginManager.__init__ = __init__


def find_unittest_id(test: Any) -> str:
    """The test's id, with the file instead of `__main__`."""
    name = str(test.id())
    if name.startswith("__main__."):
        return os.path.relpath(sys.argv[0] or "-") + name[len("__main__") :]
    return name


def extend_unittest(module: Any) -> None:
    results = {
        "addSuccess": "passed", "addError": "failed", "addFailure": "failed", "addUnexpectedSuccess": "failed",
        "addSkip": "skipped", "addExpectedFailure": "skipped", "addSubTest": "failed",
    }  # fmt: skip
    for name, result in results.items():
        setattr(module.TestResult, name, extend_method(getattr(module.TestResult, name), result))


def extend_method(method: Any, result: str) -> Any:
    def add(self: Any, test: Any, *args: Any) -> Any:
        if method.__name__ != "addSubTest" or args[-1] is not None:
            WRITER.write("unittest", find_unittest_id(test), result)
        return method(self, test, *args)

    add.__name__ = method.__name__
    return add


EXTENSIONS = {"_pytest.config": extend_pytest, "unittest.result": extend_unittest}


class Finder:
    """Extends the modules when they are imported. In front of `sys.meta_path`."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in EXTENSIONS:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                try:
                    EXTENSIONS[name](module)
                except Exception:  # noqa: BLE001 - another version of the runner: no report, but the tests run
                    return

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def run_hidden_module() -> None:
    """Run the environment's own `sitecustomize`, which this one hides."""
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        spec.loader.exec_module(module_from_spec(spec))


sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != FOLDER]  # noqa: PTH100
if os.path.isdir(RESULTS):  # noqa: PTH112
    sys.meta_path.insert(0, Finder())
run_hidden_module()
