"""Logs of Actions jobs: streamed from the host that has them, and shortened to the end of the failing step.

The log of a job has the output of all steps, each line with its time, and can have hundreds of megabytes. Only a few
hundred kilobytes are in memory. Source: https://docs.github.com/en/rest/actions/workflow-jobs
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import requests

from integrations.errors import Rejected, Unavailable
from integrations.texts import cut

LINES, CHARACTERS, LINE_CHARACTERS = 120, 6_000, 400
ERRORS = 20
KEPT_BYTES = 256 * 1024
MOST_BYTES = 1024 * 1024 * 1024
SECONDS = 120.0
"""Until a log has been read; a longer one is cut there."""
_CHUNK = 256 * 1024
_TIMEOUTS = (5.0, 20.0)
_TIME = re.compile(rb"\xef?\xbb?\xbf?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[.\d]*Z ")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_DROPPED = re.compile(r"##\[(?:endgroup|add-mask|debug)\]|::add-mask::|::debug::")
_GROUP = "##[group]"
_NEXT = (b"##[group]", b"Post job cleanup.", b"Cleaning up orphan processes")
"""Beginnings of the next step's first line, which can have the second in which the step ended."""


@dataclass(frozen=True)
class Step:
    """A step's name, and its times as in the lines of the log, to the second; empty if unknown."""

    name: str = ""
    began: str = ""
    ended: str = ""


def fetch_log_tail(url: str, step: Step) -> str:
    """The cleaned end of the step's output, with the errors before it. `url` is a redirect of the API: its host gets no
    credentials. Raises `Rejected` and `Unavailable`."""
    try:
        with requests.Session() as session:
            session.auth = _send_no_credentials
            with session.get(url, stream=True, timeout=_TIMEOUTS, headers={"User-Agent": "loopline"}) as response:
                if response.status_code != 200:
                    raise Rejected(f"the host of the logs answered with status {response.status_code}")
                return shorten_log(_split_lines(response.iter_content(_CHUNK)), step)
    except requests.RequestException as error:
        raise Unavailable(f"The log could not be read ({type(error).__name__})") from None


def _send_no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from taking a password for the host from ~/.netrc."""
    request.headers.pop("Authorization", None)
    return request


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of the body, within the bounds; of an endless line the beginning of each chunk."""
    deadline, size, rest = time.monotonic() + SECONDS, 0, b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        rest = rest[:KEPT_BYTES]
        size += len(chunk)
        if size > MOST_BYTES or time.monotonic() > deadline:
            return
    if rest:
        yield rest


def shorten_log(lines: Iterable[bytes], step: Step) -> str:
    """The end of the step's lines, at most `LINES` and `CHARACTERS`, and at most `ERRORS` errors before it. Without
    lines in the step's time, the end of the whole log."""
    own, whole, errors = _Tail(), _Tail(), list[str]()
    is_own = not step.began
    for line in lines:
        found = _TIME.match(line)
        text = line[found.end() :] if found else line
        if found and step.began:
            moment = found[1].decode()
            is_next = moment > step.ended or (moment == step.ended and text.startswith(_NEXT))
            if step.ended and is_next and own.lines:
                break
            is_own = moment >= step.began and not is_next
        whole.add(text)
        if is_own:
            own.add(text)
            if b"##[error]" in text and len(errors) < ERRORS:
                errors += _clean(text)
    tail = [text for line in (own if own.lines else whole).lines for text in _clean(line)][-LINES:]
    earlier = [text for text in errors if text not in tail]
    shown = "\n".join(tail)
    while len(shown) > CHARACTERS and "\n" in shown:
        shown = shown.partition("\n")[2]
    head = cut("\n".join(earlier), CHARACTERS // 3)
    return f"{head}\n[…]\n{shown}" if head else shown


class _Tail:
    """The last lines of at most `KEPT_BYTES`."""

    def __init__(self) -> None:
        self.lines: deque[bytes] = deque(maxlen=4 * LINES)
        self._size = 0

    def add(self, line: bytes) -> None:
        line = line[-4 * LINE_CHARACTERS :]
        if len(self.lines) == self.lines.maxlen:
            self._size -= len(self.lines[0])
        self.lines.append(line)
        self._size += len(line)
        while self._size > KEPT_BYTES:
            self._size -= len(self.lines.popleft())


def _clean(line: bytes) -> list[str]:
    """The line as people see it: without escapes, progress that was overwritten, and commands to the runner."""
    text = _ESCAPES.sub("", line.decode(errors="replace")).rstrip("\r").rpartition("\r")[2].rstrip()
    if not text or _DROPPED.search(text):
        return []
    return [cut(text.removeprefix(_GROUP), LINE_CHARACTERS)]
