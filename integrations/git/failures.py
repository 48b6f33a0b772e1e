"""What git's words on stderr mean for us. Called by `repository`; pure, and never lets a credential through."""

from __future__ import annotations

import re

from integrations.errors import Conflict, IntegrationError, NotFound, Rejected, Unauthorized, Unavailable

_CREDENTIALS = re.compile(r"(://)[^/\s@]+@")
# The first kind of which a phrase is found is meant. Phrases are git's and curl's, in lower case.
_MEANINGS: tuple[tuple[type[IntegrationError], tuple[str, ...]], ...] = (
    (
        Unauthorized,
        ("authentication failed", "could not read (username|password)", "error: 40[13]", "permission to .* denied"),
    ),
    (NotFound, ("repository .*not found", "error: 404", "does not appear to be a git repository")),
    (Conflict, ("stale info", "non-fast-forward", "fetch first", "cannot lock ref", "reference already exists")),
    (Unavailable, ("resolve host", "failed to connect", "couldn't connect", "connection (refused|reset)", "timed out")),
    (Unavailable, ("error: (408|429|5[0-9][0-9])", "early eof", "rpc failed", "unexpected disconnect", "hung up")),
    (Unavailable, ("empty reply", "too slow", "less than [0-9]+ bytes", "ssl_", "gnutls_", "no space left")),
    (Unavailable, ("unable to create '.*[.]lock'", "cannot allocate memory", "temporarily unavailable")),
)


def scrub(text: str) -> str:
    """`text` without anything that stands before an @ in a URL."""
    return _CREDENTIALS.sub(r"\1", text)


def first_words(stderr: str) -> str:
    """The first line that says what went wrong, without credentials."""
    lines = [line.strip() for line in scrub(stderr).splitlines() if line.strip()]
    blamed = [line for line in lines if line.startswith(("fatal:", "error:", "!"))]
    return (blamed or lines or ["git ended without a word"])[0][:500]


def failure(what: str, stderr: str) -> IntegrationError:
    """The error to raise for a git command that failed. `what` is the command's name and place, as 'git fetch in x'."""
    text = scrub(stderr).lower()
    found = (kind for kind, phrases in _MEANINGS if any(re.search(phrase, text) for phrase in phrases))
    return next(found, Rejected)(f"{what} failed: {first_words(stderr)}")
