"""Classifies git failures by their stderr. Called by `repository`; pure, and redacts credentials."""

from __future__ import annotations

import re

from integrations.errors import Conflict, IntegrationError, NotFound, Rejected, Unauthorized, Unavailable

_CREDENTIALS = re.compile(r"(://)[^/\s@]+@")
# The first error type with a matching phrase applies. The phrases are from git and curl, in lower case.
_PHRASES: tuple[tuple[type[IntegrationError], tuple[str, ...]], ...] = (
    (
        Unauthorized,
        ("authentication failed", "could not read (username|password)", "error: 40[13]", "permission to .* denied"),
    ),
    (NotFound, ("repository .*not found", "error: 404", "does not appear to be a git repository")),
    (Conflict, ("stale info", "non-fast-forward", "fetch first", "cannot lock ref", "reference already exists")),
    (Unavailable, ("resolve host", "failed to connect", "couldn't connect", "connection (refused|reset)", "timed out")),
    (Unavailable, ("error: (408|429|5[0-9][0-9])", "early eof", "rpc failed", "unexpected disconnect", "hung up")),
    (Unavailable, ("empty reply", "too slow", "less than [0-9]+ bytes", "ssl_", "gnutls_", "no space left")),
    (Unavailable, ("disk quota exceeded", "read-only file system", "input/output error", "too many open files")),
    (Unavailable, ("unable to create '.*[.]lock'", "cannot allocate memory", "temporarily unavailable")),
)


def redact_credentials(text: str) -> str:
    """`text` without the user information (`user:password@`) of URLs."""
    return _CREDENTIALS.sub(r"\1", text)


def find_error_line(stderr: str) -> str:
    """The first error line of `stderr`, without credentials."""
    lines = [line.strip() for line in redact_credentials(stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:", "!"))]
    return (errors or lines or ["git printed no error"])[0][:500]


def classify_failure(command: str, stderr: str) -> IntegrationError:
    """The error to raise for a failed git command. `command` is its name and place, e.g. 'git fetch in x'."""
    text = redact_credentials(stderr).lower()
    found = (kind for kind, phrases in _PHRASES if any(re.search(phrase, text) for phrase in phrases))
    return next(found, Rejected)(f"{command} failed: {find_error_line(stderr)}")
