"""A code host for tests: real bare repositories behind `git http-backend`, and plain git commands."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com", "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com", "GIT_COMMITTER_DATE": "1700000000 +0000",
}  # fmt: skip


def git(folder: Path, *arguments: str, stdin: bytes = b"", **variables: str) -> bytes:
    """Plain git on a repository of the test."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, input=stdin, env={**ENVIRONMENT, **variables}, check=True, capture_output=True
    ).stdout


def sha_of(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    return git(folder, *arguments, stdin=stdin).decode().strip()


def commit(
    repository: Path, files: Mapping[str, bytes | str | None], branch: str = "main", message: str = "change"
) -> str:
    """Commit `files` on top of `branch` without a worktree; returns the new head. None removes a path, a sha is the
    commit of a submodule."""
    head = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "--verify", "-q", f"refs/heads/{branch}"],
        env=ENVIRONMENT, capture_output=True, check=False,
    ).stdout.decode().strip()  # fmt: skip
    text = f"commit refs/heads/{branch}\ncommitter Ann <ann@example.com> 1700000000 +0000\n".encode()
    text += b"data %d\n%s\n" % (len(message), message.encode())
    text += f"from {head}\n".encode() if head else b""
    for path, content in files.items():
        if isinstance(content, bytes):
            text += f"M 100644 inline {path}\n".encode() + b"data %d\n%s\n" % (len(content), content)
        else:
            text += f"M 160000 {content} {path}\n".encode() if content else f"D {path}\n".encode()
    git(repository, "fast-import", "--quiet", "--force", stdin=text)
    return sha_of(repository, "rev-parse", f"refs/heads/{branch}")


def write_object(repository: Path, kind: str, content: bytes) -> str:
    """Store an object without any check; returns its sha."""
    return sha_of(repository, "hash-object", "-w", "--literally", "-t", kind, "--stdin", stdin=content)


def write_tree(repository: Path, *entries: tuple[str, bytes, str | bytes]) -> str:
    """A tree of (mode, name, sha or content of a new blob) in this order, without any check."""
    rows = (
        (mode, name, write_object(repository, "blob", of) if isinstance(of, bytes) else of)
        for mode, name, of in entries
    )
    return write_object(
        repository, "tree", b"".join(b"%s %s\0%s" % (m.encode(), n, bytes.fromhex(s)) for m, n, s in rows)
    )


class GitHost:
    """Serves `root/<owner>/<name>.git`. Tests set `password`, the `delay` (seconds) of requests with `delayed` in their
    path, `status`, and `page`: status, headers and body that answer every request instead of git."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.password = ""
        self.delay, self.delayed = 0.0, ""
        self.status = 0
        self.page: tuple[int, Mapping[str, str], bytes] | None = None
        self.requests: list[str] = []
        self.sent = 0  # bytes
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> GitHost:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.delay = 0.0
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def create(self, name: str) -> Path:
        """A repository with one commit on main."""
        folder = self.root / f"{name}.git"
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--bare", "-b", "main")
        git(folder, "config", "http.receivepack", "true")
        commit(folder, {"README.md": b"hello\n", "src/app.py": b"print('hi')\n"}, message="first")
        return folder

    def _handler(host) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def _allowed(self) -> bool:
                given = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode()
                return not host.password or given.endswith(f":{host.password}")

            def _refuse(self, status: int) -> None:
                self._answer(status, {"WWW-Authenticate": 'Basic realm="git"'} if status == 401 else {}, b"")

            def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                host.sent += len(body)

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _serve(self) -> None:
                body = self._body()
                host.requests.append(f"{self.command} {self.path}")
                deadline = time.monotonic() + host.delay
                while time.monotonic() < deadline and host.delay and host.delayed in self.path:
                    time.sleep(0.02)
                if host.status or not self._allowed():
                    self._refuse(host.status or 401)
                    return
                if host.page:
                    self._answer(*host.page)
                    return
                path, _, query = self.path.partition("?")
                variables = {
                    "GIT_PROJECT_ROOT": str(host.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                    "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "loopline",
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                }  # fmt: skip
                response = git(host.root, "http-backend", stdin=body, **variables)
                head, _, content = response.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self._answer(int(headers.pop("Status", "200")[:3]), headers, content)

            do_GET = do_POST = _serve

        return Handler
