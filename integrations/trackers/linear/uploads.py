"""Downloads files that were uploaded to Linear. They need the credential, which is sent to Linear's own host only.

Source: https://linear.app/developers/file-storage-authentication
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import requests
from requests.auth import AuthBase

from integrations.errors import IntegrationError, NotFound, Rejected, Unauthorized, Unavailable
from integrations.transport import OversizedResponse, find_setup_problem, mount_bounds

MAX_REDIRECTS = 3


def download(url: str, uploads_url: str, credential: AuthBase, most: int, timeout: int) -> bytes:
    """The content of an uploaded file. Raises `Rejected` for another host and for more than `most` bytes."""
    wanted, own = urlsplit(url), urlsplit(uploads_url)
    below = wanted.path.startswith(f"{own.path.rstrip('/')}/") and ".." not in unquote(wanted.path).split("/")
    if (wanted.scheme, wanted.netloc) != (own.scheme, own.netloc) or not below:
        raise Rejected(f"it is not on Linear's host for uploads but on {wanted.netloc[:100]}")
    with mount_bounds(requests.Session()) as session:
        session.max_redirects = MAX_REDIRECTS
        try:
            response = session.get(url, auth=credential, timeout=timeout)
        except requests.RequestException as error:
            raise _translate(error) from error
    if response.status_code != requests.codes.ok:
        raise _refuse(response.status_code)
    if len(response.content) > most:
        raise Rejected(f"it has {len(response.content):,} bytes, more than the {most:,} allowed")
    return response.content


def _translate(error: requests.RequestException) -> IntegrationError:
    if isinstance(error, OversizedResponse):
        return Rejected(str(error))
    if problem := find_setup_problem(error, "LINEAR_UPLOADS_URL"):
        return Rejected(problem)
    return Unavailable(f"Linear's uploads cannot be reached ({type(error).__name__}): check LINEAR_UPLOADS_URL")


def _refuse(status: int) -> IntegrationError:
    if status in (401, 403):
        return Unauthorized(f"Linear refuses to send it with Loopline's credential (HTTP {status})")
    if status == 404:
        return NotFound("Linear no longer has it")
    return Unavailable(f"Linear did not send it (HTTP {status})") if status >= 500 else Rejected(f"HTTP {status}")
