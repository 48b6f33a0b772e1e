"""The two kinds of errors of external systems: `Unavailable` (retry) and `Rejected` (do not retry).

Raised by adapters, git and the sandbox; handled by `jobs`, which never sees HTTP status codes.
"""

from __future__ import annotations

from typing import Literal, TypeVar

from integrations.values import clean_text
from integrations.waits import clamp_wait

ErrorT = TypeVar("ErrorT", bound="IntegrationError")


class IntegrationError(Exception):
    """An external system failed. The message can contain that system's own, so it is made storable."""

    def __init__(self, message: str = "") -> None:
        super().__init__(clean_text(message))


def hide_secret(error: ErrorT, secret: str) -> ErrorT:
    """The error without `secret`, which a provider or gateway can repeat in its message."""
    if secret:
        error.args = tuple(str(part).replace(secret, "[secret]") for part in error.args)
    return error


class Unavailable(IntegrationError):
    """Retryable: a network error, an overloaded provider, a rate limit.

    `retry_after` is in seconds and bounded, None where the provider gave none; `requested` is the provider's own value.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.requested = retry_after
        self.retry_after = None if retry_after is None else clamp_wait(retry_after)


class RateLimited(Unavailable):
    """The provider refused a request because of its rate limit."""


class NotAttempted(Unavailable):
    """No call was made: a budget is exhausted for now, or the circuit breaker is open. Not a failure.

    Its `retry_after` is Loopline's own, up to the end of the day."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


class OverBudget(NotAttempted):
    """The provider's request allowance is used up for requests of this priority."""


class Paused(NotAttempted):
    """Work waits until this machine has space, inodes or files again; `retry_after` is the poll interval."""


class Frozen(Paused):
    """The service is frozen: no outward effect and no model call before a person thaws it."""


class Rejected(IntegrationError):
    """Not retryable: the provider refused the request, or the input is invalid."""


class Unauthorized(Rejected):
    """The provider refuses Loopline's credentials or account (401, unpaid, out of credit): everything that needs them
    waits until a person has fixed that. A missing permission for one thing is `Forbidden`."""


class NotConnected(Unauthorized):
    """Loopline's app has access to no workspace yet, or not any more: an operator has to connect it. No reason to
    refuse the start, because the running service connects it."""


class WrongEndpoint(Unauthorized):
    """The configured URL does not answer as the provider's API: HTML, a redirect, another service. Like refused
    credentials, everything that needs it waits until a person has fixed the setting."""


class Misconfigured(Rejected):
    """A setting is wrong, and a person has to change it: one escalation, without a retry and without using an attempt.

    The message names the setting, its place and the fix; `kind` is the class of the escalation."""

    def __init__(self, message: str, kind: Literal["credentials", "infrastructure"] = "infrastructure") -> None:
        super().__init__(message)
        self.kind = kind


class Forbidden(Misconfigured):
    """The credentials are valid and lack a permission for one thing (403): that ticket's escalation, never a wait.

    The message names the thing and the fix; `permission` is the provider's name of it, empty where it gives none."""

    def __init__(self, message: str, permission: str = "") -> None:
        super().__init__(message, "credentials")
        self.permission = permission


class Unusable(Rejected):
    """A complete reply that cannot be used, or a conversation that cannot be sent. It concerns one run, never the
    provider; the run retries a few times."""


ExceededLimit = Literal["files", "file", "total", "pack"]
"""A limit of one change: its number of files, the size of a file, of all files, of its pack."""


class OverLimit(Rejected):
    """A change that breaks no rule but a limit, which the repository can raise: one escalation that names it."""

    def __init__(self, message: str, limit: ExceededLimit) -> None:
        super().__init__(message)
        self.limit: ExceededLimit = limit


class Unchangeable(Rejected):
    """A change of a submodule or of a file of Git LFS, which no comment can allow: one escalation that names it."""


class NotFound(Rejected):
    """The object does not exist, or was deleted."""


class Conflict(Rejected):
    """A conflict with the current state: another head, an id that exists, a branch that moved."""


class BadSignature(Rejected):
    """A webhook delivery with a missing, doubled or wrong signature. The web process responds with 401."""


class Malformed(Rejected):
    """A correctly signed delivery that cannot be parsed. The web process logs the reason and responds with 422."""


class UnsupportedContentType(Malformed):
    """A correctly signed delivery in another format than JSON. The web process responds with 415."""
