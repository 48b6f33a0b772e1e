"""The two kinds of errors of external systems: `Unavailable` (retry) and `Rejected` (do not retry).

Raised by adapters, git and the sandbox; handled by `jobs`, which never sees HTTP status codes.
"""

from __future__ import annotations

from integrations.waits import clamp_wait


class IntegrationError(Exception):
    """An external system failed."""


class Unavailable(IntegrationError):
    """Retryable: a network error, an overloaded provider, a rate limit.

    `retry_after` is in seconds and bounded, None where the provider gave none; `requested` is the provider's own value.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.requested = retry_after
        self.retry_after = None if retry_after is None else clamp_wait(retry_after)


class NotAttempted(Unavailable):
    """No call was made: a budget is exhausted for now, or the circuit breaker is open. Not a failure.

    Its `retry_after` is Loopline's own, up to the end of the day."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after


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
    """A correctly signed delivery that cannot be parsed. The web process logs its event and responds with 200."""
