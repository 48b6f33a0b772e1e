"""Errors with GitHub's messages and shapes. Raised below the edges, caught at the edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


class Problem(Exception):
    """An error answer. `errors` are GitHub's: sentences, or objects with resource, code, field and message."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[str | Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that GitHub sends."""
        errors = {"errors": list(self.errors)} if self.errors else {}
        return {"message": str(self), **errors, "documentation_url": DOCUMENTATION, "status": str(self.status)}

    @property
    def sentence(self) -> str:
        """The most specific message, for a page."""
        messages = [one if isinstance(one, str) else one.get("message", "") for one in self.errors]
        return " ".join(filter(None, messages)) or str(self)


def not_found() -> Problem:
    """404, also for a resource that is hidden from the caller."""
    return Problem(404, "Not Found")


def invalid(resource: str, field: str, message: str = "", code: str = "invalid") -> Problem:
    """422 for one field."""
    error = {"resource": resource, "code": code, "field": field}
    return Problem(422, "Validation Failed", [{**error, "message": message} if message else error])


def check_link(resource: str, field: str, url: str | None) -> None:
    """Raise a 422 `Problem` for an address that is not http(s)."""
    if url and not url.startswith(("http://", "https://")):
        raise invalid(resource, field, f"{field} must use http(s) scheme", "custom")


def refused(resource: str, message: str) -> Problem:
    """422 for the whole resource."""
    return Problem(422, "Validation Failed", [{"resource": resource, "code": "custom", "message": message}])
