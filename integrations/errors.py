"""The two kinds of errors of external systems: `Unavailable` (retry) and `Rejected` (do not retry).

Raised by adapters, git and the sandbox; handled by `jobs`, which never sees HTTP status codes.
"""

from __future__ import annotations


class IntegrationError(Exception):
    """An external system failed."""


class Unavailable(IntegrationError):
    """Retryable: a network error, an overloaded provider, a rate limit.

    `retry_after` is in seconds, None where the provider gave none.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotAttempted(Unavailable):
    """No call was made: a budget is exhausted for now, or the circuit breaker is open. Not a failure."""


class Rejected(IntegrationError):
    """Not retryable: the provider refused the request, or the input is invalid."""


class Unauthorized(Rejected):
    """The provider refuses Loopline's credentials or account (unpaid, out of credit); a person has to fix that."""


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
