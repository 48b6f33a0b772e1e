"""Fetches objects of Git LFS through the batch API of the code host, into the cache of a mirror. Called by `mirror`.

Only the endpoint of the repository itself gets Loopline's credentials; the objects can be on another server, as the
response says. Redirects are not followed, and every object has the size and the SHA-256 of its pointer.

Source: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import structlog
from pydantic_core import from_json

from integrations.errors import Rejected, Unavailable
from integrations.git.lfs import find_object, list_large_files
from integrations.git.lfs_pointer import Pointer
from integrations.git.repository import HostRepository, Remote
from integrations.outbound import get_outbound

MOST_FILES = 20_000
_BATCH = 100
_MEDIA_TYPE = "application/vnd.git-lfs+json"
_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two reads
_OBJECT_SECONDS = 1800.0
_LARGEST_RESPONSE, _CHUNK = 4 * 2**20, 2**20
_REASONS = {
    401: "the code host refuses Loopline's credentials for Git LFS",
    403: "Loopline's account has no access to it",
    404: "the code host does not have it",
    410: "it was deleted from the code host",
    507: "the code host has no space left for Git LFS",
    509: "the bandwidth limit for Git LFS is used up",
}
_log = structlog.get_logger(__name__)


def fetch_large_files(repository: HostRepository, remote: Remote, shas: Iterable[str]) -> None:
    """Fetch the objects of these commits unless the cache has them. The caller holds the repository's lock.

    Raises `Unavailable`, or `Rejected` with the file's path and the fix."""
    wanted: dict[Pointer, str] = {}
    for sha in shas:
        files = list_large_files(repository, sha)
        if files and (url := _read_configured_url(repository, sha)) and url != _find_endpoint(remote):
            raise _refuse(next(iter(files)), "its .lfsconfig names another server, which Loopline does not contact")
        wanted |= {pointer: path for path, pointer in files.items()}
    missing = {one: path for one, path in wanted.items() if not find_object(repository, one.oid).is_file()}
    if not missing:
        return
    size, first = sum(one.size for one in missing), next(iter(missing.values()))
    if len(missing) > MOST_FILES:
        raise _refuse(first, f"there are more than {MOST_FILES} such files")
    if remote.room and size > remote.room:
        raise _refuse(
            first,
            f"all such files need {size / 1e6:.0f} MB, and the disk and LOOPLINE_DISK_GIGABYTES leave "
            f"{remote.room / 1e6:.0f} MB",
        )
    with _open_session() as session:
        pointers = list(missing)
        for start in range(0, len(pointers), _BATCH):
            batch = {one.oid: one for one in pointers[start : start + _BATCH]}
            for oid, action in _request_batch(session, remote, batch, missing):
                _download(session, remote, action, batch[oid], missing[batch[oid]], find_object(repository, oid))
    _log.info("files of Git LFS fetched", repository=repository.name, files=len(missing), bytes=size)


def _find_endpoint(remote: Remote) -> str:
    """The default endpoint of a repository: docs/api/server-discovery.md of Git LFS."""
    return f"{remote.url.removesuffix('/').removesuffix('.git')}.git/info/lfs"


def _read_configured_url(repository: HostRepository, sha: str) -> str:
    if not repository.git("ls-tree", sha, "--", ".lfsconfig"):
        return ""
    # A repository without `note_damage`: an error in .lfsconfig is no damage of the mirror.
    found = HostRepository(repository.folder).query("config", "--blob", f"{sha}:.lfsconfig", "--get", "lfs.url")
    return (found or b"").decode(errors="replace").strip().removesuffix("/")


@contextmanager
def _open_session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no .netrc; proxies and authorities are those of `integrations.outbound`
        outbound = get_outbound()
        bundle = outbound.ca_file or outbound.ca_folder or outbound.find_bundle()
        session.verify = str(bundle) if bundle else True
        yield session


def _find_proxies(url: str) -> dict[str, str]:
    proxy = get_outbound().find_proxy(url)
    if proxy is None:
        return {}
    user = f"{quote(proxy.username, safe='')}:{quote(proxy.password, safe='')}@" if proxy.username else ""
    return {urlsplit(url).scheme: proxy.url.replace("://", f"://{user}", 1)}


def _request_batch(
    session: requests.Session, remote: Remote, batch: Mapping[str, Pointer], paths: Mapping[Pointer, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The download action of each object by its id."""
    url, first = f"{_find_endpoint(remote)}/objects/batch", paths[next(iter(batch.values()))]
    objects = [{"oid": one.oid, "size": one.size} for one in batch.values()]
    body = {"operation": "download", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"}
    headers = {"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
    auth = (remote.credentials.username, remote.credentials.password) if remote.credentials else None
    with _send(session, "POST", url, first, json=body, headers=headers, auth=auth) as response:
        content = b"".join(_read(response, _LARGEST_RESPONSE, first))
    try:
        found = {one["oid"]: one for one in from_json(content)["objects"]}
        actions = {oid: (one.get("error"), one.get("actions", {}).get("download")) for oid, one in found.items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _refuse(first, "the code host does not answer as Git LFS does") from error
    for oid, pointer in batch.items():
        problem, action = actions.get(oid, (None, None))
        if problem or not isinstance(action, dict) or not isinstance(action.get("href"), str):
            code = str(problem.get("code")) if isinstance(problem, dict) else "404"
            known = {str(number): reason for number, reason in _REASONS.items()}
            raise _refuse(paths[pointer], known.get(code, f"the code host reports the error {code[:20]!r} for it"))
        yield oid, action


def _download(
    session: requests.Session, remote: Remote, action: Mapping[str, Any], pointer: Pointer, path: str, place: Path
) -> None:
    """Download one object, durably and at once."""
    url, given = action["href"], action.get("header") or {}
    if not _is_permitted(url, remote) or not isinstance(given, dict):
        raise _refuse(path, "its address is not an https URL")
    headers = {str(name): str(value) for name, value in given.items()} | {"Accept-Encoding": "identity"}
    digest, size, draft = hashlib.sha256(), 0, place.with_name(f".new-{place.name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _send(session, "GET", url, path, headers=headers, stream=True) as response, draft.open("wb") as file:
            for chunk in _read(response, pointer.size, path):
                digest.update(chunk)
                size += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if size != pointer.size or digest.hexdigest() != pointer.oid:
            raise _refuse(path, f"the code host sent {size} bytes that are not the object of its pointer")
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def _is_permitted(url: str, remote: Remote) -> bool:
    """https, or the scheme of a code host on loopback on that same host."""
    try:
        parts, own = urlsplit(url), urlsplit(remote.url)
        is_own = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
    except ValueError:
        return False
    return bool(parts.hostname) and not parts.username and (parts.scheme == "https" or is_own)


@contextmanager
def _send(session: requests.Session, method: str, url: str, path: str, **more: Any) -> Iterator[requests.Response]:
    """The response, if it is a success."""
    host = urlsplit(url).hostname
    try:
        with session.request(
            method, url, timeout=_TIMEOUT, allow_redirects=False, proxies=_find_proxies(url), **more
        ) as response:
            status = response.status_code
            if status == 429 or (status >= 500 and status not in _REASONS):
                wait = response.headers.get("Retry-After", "")
                seconds = float(wait) if wait.isdecimal() else None
                raise Unavailable(f"{host} responds with {status} to a request of Git LFS", seconds)
            if status != 200:
                raise _refuse(path, _REASONS.get(status, f"{host} responds with {status} to a request of Git LFS"))
            yield response
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL) as error:
        reason = f"the connection to {host} is not trusted: add its certificate authority to LOOPLINE_CA_FILE"
        raise _refuse(path, reason) from error
    except requests.RequestException as error:
        raise Unavailable(f"{host} does not respond to a request of Git LFS ({type(error).__name__})") from error


def _read(response: requests.Response, most_bytes: int, path: str) -> Iterator[bytes]:
    deadline, size = time.monotonic() + _OBJECT_SECONDS, 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > most_bytes:
            raise _refuse(path, f"the code host sends more than {most_bytes} bytes")
        if time.monotonic() > deadline:
            raise Unavailable(f"an object of Git LFS took longer than {_OBJECT_SECONDS:.0f} s")
        yield chunk


def _refuse(path: str, reason: str) -> Rejected:
    return Rejected(
        f"the file {path} of Git LFS cannot be fetched: {reason}; correct that on the code host, or remove "
        "loop.lfs from WORKFLOW.md"
    )
