"""The reporter programs into a sandbox, and the report files out of it. Called by `jobs.roles.reported_check`.

Both are one `tar` in the sandbox; the host reads the archive and never extracts it.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence

from pathspec import GitIgnoreSpec

from integrations.sandbox.limits import MIB
from integrations.sandbox.session import Session
from integrations.test_reports.instrument import FOLDER, PROGRAMS, REPORTS, list_programs

MAX_BYTES = 20 * MIB
TREE_REPORTS = (
    "**/target/surefire-reports/*.xml",
    "**/target/failsafe-reports/*.xml",
    "**/build/test-results/**/*.xml",
    "**/TestResults/**/*.trx",
)
"""Where Maven, Gradle and dotnet write reports in the tree."""
_SECONDS = 60.0
_STAMP = f"{FOLDER}/stamp"
_WRITE = f"rm -rf {FOLDER} && mkdir -p {PROGRAMS} {REPORTS} && tar -xf - -C {PROGRAMS} && touch {_STAMP}"


def write_programs(session: Session, stopped: Callable[[], bool]) -> None:
    """Put the reporters into the sandbox and remove the reports of earlier commands. An image without tar has none."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, program in list_programs().items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(program), 0o755
            archive.addfile(member, io.BytesIO(program))
    session.capture(["sh", "-c", _WRITE], stdin=content.getvalue(), max_bytes=MIB, timeout=_SECONDS, stopped=stopped)


def fetch_reports(session: Session, patterns: Sequence[str], stopped: Callable[[], bool]) -> Mapping[str, bytes]:
    """Path and content of each report file since `write_programs`, sorted by path; at most `MAX_BYTES`.

    `patterns` are those of the policy for files in the tree, in the form of .gitignore."""
    if not session.is_running:  # killed for a limit, and its files with it
        return {}
    wanted = (*TREE_REPORTS, *patterns)
    paths = " -o ".join(f"-path {shlex.quote(pattern)}" for pattern in _build_find_patterns(wanted))
    others = "-type d \\( -name .git -o -name node_modules \\) -prune"
    found = f"find . {others} -o -type f -newer {_STAMP} \\( {paths} \\) -print"
    script = f"{{ {found}; find {REPORTS} -type f; }} 2>/dev/null | tar -cf - -T - 2>/dev/null"
    archive = session.capture(["sh", "-c", script], max_bytes=MAX_BYTES, timeout=_SECONDS, stopped=stopped).output
    spec = GitIgnoreSpec.from_lines(wanted)
    results = f"{REPORTS.removeprefix('/')}/"
    return {
        path: content
        for path, content in sorted(_read_archive(archive))
        if path.startswith(results) or spec.match_file(path)
    }


def _build_find_patterns(patterns: Sequence[str]) -> Iterator[str]:
    """Patterns of `find -path` for at least the files of the patterns in the form of .gitignore."""
    for pattern in patterns:
        inner = pattern.strip().lstrip("/")
        yield f"./{inner}" if "/" in inner else f"*/{inner}"
        if "**/" in inner:
            yield "./" + inner.replace("**/", "*")


def _read_archive(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of the regular files, up to the first broken one."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name.removeprefix("./").lstrip("/"), file.read()
    except (tarfile.TarError, OSError, ValueError):
        return
