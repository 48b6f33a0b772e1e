"""Classifies git failures by their stderr. Called by `repository`; pure, and redacts credentials."""

from __future__ import annotations

import re

from integrations.errors import (
    Conflict,
    Forbidden,
    IntegrationError,
    Misconfigured,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
)


class MissingBranch(NotFound):
    """The code host has no branch of the name that the message ends with."""


class Damaged(Rejected):
    """Files of the repository on this host cannot be read."""


_CREDENTIALS = re.compile(r"(://)[^/\s@]+@")
_DAMAGE = (  # at the start of a line, because names of the repository's files can follow
    r"(?m)^(error|fatal|warning): (object file .* is empty|(corrupt )?loose object|bad object (refs|worktrees)/"
    r"|ignoring broken ref|(unterminated|unexpected) line in|inflate: |packed object [0-9a-f]+ .*is corrupt"
    r"|packfile .*(index|truncated)|(unable to|could not|cannot|failed to) read (tree|object|sha1 file|[0-9a-f]{40})"
    r"|bad shallow|bad config|failed to read .*commondir|missing (blob|tree|commit) object|.*reference broken"
    r"|failed to unpack tree object"
    r"|not a git repository|unable to (find|normalize) alternate|unable to stream|not a tree object"
    r"|header for [0-9a-f]{40}|unable to (parse|unpack) [0-9a-f]{40} header|expected git repo version"
    r"|unknown (repository extension|error occurred while reading the configuration)|exceeded maximum include depth"
    r"|ignoring dangling symref|multiple updates for 'refs/remotes/)"
)
_NOT_GRANTED = "write access to repository not granted"
_DISK = "disk quota exceeded|read-only file system|input/output error|too many open files"
# The first error type with a matching phrase applies. The phrases are from git and curl, in lower case. The checks of
# objects come first, because their messages quote the repository's content.
_PHRASES: tuple[tuple[type[IntegrationError], tuple[str, ...]], ...] = (
    (Rejected, ("error: object [0-9a-f]{40}: [a-z0-9]+: ",)),
    (Misconfigured, ("was archived so it is read-only",)),
    (Unavailable, ("unable to create '.*[.]lock': file exists",)),
    (Damaged, (_DAMAGE,)),
    (MissingBranch, ("couldn't find remote ref",)),
    (Unavailable, ("remote: .*(rate limit|abuse detection)",)),
    (Unauthorized, ("authentication failed", "could not read (username|password)", "error: 401")),
    (Forbidden, ("refusing to allow .* without `?workflow", "error: 403", "permission to .* denied", _NOT_GRANTED)),
    (Misconfigured, ("repository rule violations", "(protected branch|pre-receive) hook declined")),
    (NotFound, ("repository .*not found", "error: (404|410)", "does not appear to be a git repository")),
    (Conflict, ("stale info", "non-fast-forward", "fetch first", "cannot lock ref", "reference already exists")),
    (Unavailable, ("resolve host", "failed to connect", "couldn't connect", "connection (refused|reset)", "timed out")),
    (Unavailable, ("error: (408|429|5[0-9][0-9])", "early eof", "rpc failed", "unexpected disconnect", "hung up")),
    (Unavailable, ("empty reply", "too slow", "less than [0-9]+ bytes", "ssl_", "gnutls_", "no space left", _DISK)),
    (Unavailable, ("cannot allocate memory", "temporarily unavailable")),
)
_REMOTE = re.compile(r"remote: *(.*)")
_PROGRESS = re.compile(
    r"(enumerating|counting|compressing|resolving|total|processing|unpacking)\b.*[0-9]", re.IGNORECASE
)
_WORKFLOWS = re.compile(r"without `?(workflows?)`? (?:permission|scope)")
_CERTIFICATE = "certificate verif|certificate problem|error setting certificate|certificate file"
# Guidance for failures that a person has to fix.
_FIXES = (
    ("error: object [0-9a-f]{40}: [a-z0-9]+: ", "rewrite the branch without this object, then retry"),
    ("was archived so it is read-only", "unarchive the repository on the code host"),
    ("repository rule violations", "change the rules of the repository, or exempt Loopline's account from them"),
    ("hook declined", "change the rule of the code host, or exempt Loopline's account from it"),
    (_CERTIFICATE, "add the certificate authority of the code host to LOOPLINE_CA_FILE"),
    ("error: 407|response 407|code 407", "set user name and password in HTTPS_PROXY"),
    ("error: 30[1-8]", "the repository was moved or the address redirects: set its current name and address"),
    ("not valid: is this a git repo|invalid server response|protocol error", "the address does not answer as git does"),
    ("did not send all necessary objects", "the repository on the code host is incomplete: push the missing objects"),
    ("unable to create (file|symlink)|cannot create directory", "no checkout on this host can have it: rename it"),
    ("no valid working-tree-encoding", "correct .gitattributes"),
    ("error: (404|410)|not found", "it was deleted or renamed, or Loopline's account has no access"),
)


def redact_credentials(text: str) -> str:
    """`text` without the user information (`user:password@`) of URLs."""
    return _CREDENTIALS.sub(r"\1", text)


def find_error_line(stderr: str) -> str:
    """The first error line of `stderr`, without credentials."""
    lines = [line.strip() for line in redact_credentials(stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:", "!"))]
    return (errors or lines or ["git printed no error"])[0][:500]


def find_remote_reason(stderr: str) -> str:
    """The code host's own explanation, from the `remote:` lines, in one line; empty without one."""
    found = (match[1].strip() for match in _REMOTE.finditer(redact_credentials(stderr)))
    return "; ".join(line for line in found if line and not _PROGRESS.match(line))[:600]


def classify_failure(command: str, stderr: str) -> IntegrationError:
    """The error to raise for a failed git command. `command` is its name and place, e.g. 'git fetch in x'."""
    text, line = redact_credentials(stderr).lower(), find_error_line(stderr)
    found = (kind for kind, phrases in _PHRASES if any(re.search(phrase, text) for phrase in phrases))
    kind = next(found, Rejected)
    remote = "" if kind in (Unavailable, Damaged) else find_remote_reason(stderr)
    reason = line if not remote or remote in line else f"{line} ({remote})"
    if kind is Forbidden:
        return _build_forbidden(command, reason)
    fixes = () if kind in (Unavailable, Damaged) else _FIXES
    fix = next((f" ({fix})" for phrase, fix in fixes if re.search(phrase, text)), "")
    return kind(f"{command} failed: {reason}{fix}")


def _build_forbidden(command: str, reason: str) -> Forbidden:
    """Names the permission: that of the refusal, or the one that the command needs."""
    needed = _WORKFLOWS.search(reason)
    level = "write" if command.startswith("git push") else "read"
    permission = needed[1] if needed else f"contents: {level}"
    repository = command.rpartition(" in ")[2]
    return Forbidden(
        f"{command} is forbidden: {reason}. Grant Loopline's account the permission `{permission}` on {repository}",
        permission,
    )
