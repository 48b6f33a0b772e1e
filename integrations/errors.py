"""The two words for failure that cross the boundary of the outside world.

Raised by adapters, git and the sandbox; read by `jobs`. Nobody above this folder sees a status code.
"""

from __future__ import annotations


class IntegrationError(Exception):
    """Something outside of Loopline failed."""


class Unavailable(IntegrationError):
    """Worth a retry: the network, an overloaded provider, a rate limit.

    `retry_after` is in seconds, None where the provider did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HeldBack(Unavailable):
    """We did not even ask: a budget is used up for now, or the provider is known to be away. Nothing has failed."""


class Rejected(IntegrationError):
    """Not worth a retry: the provider understood and said no, or the input is wrong."""


class Unauthorized(Rejected):
    """The provider refuses our credentials or our account (unpaid, out of credit); a person has to mend that."""


class NotFound(Rejected):
    """The thing named does not exist, or not any more."""


class Conflict(Rejected):
    """The thing changed under us: another head, an id that exists, a branch that moved."""


class BadSignature(Rejected):
    """A webhook delivery whose signature is missing, doubled or wrong. The door answers 401."""


class Malformed(Rejected):
    """A correctly signed delivery that cannot be read. The door logs it by name and answers 200."""
