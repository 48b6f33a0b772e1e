"""Files that were uploaded to Linear: the credential goes to its host for uploads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from integrations.errors import NotFound, Rejected, Unauthorized, Unavailable
from integrations.trackers.linear.tracker import Linear
from tests.integrations.trackers.linear_boards import ADA_KEY, OUR_KEY, standin

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def place() -> Iterator[tuple[str, Linear]]:
    """The URL of an uploaded image, and the tracker."""
    with standin() as (url, _):
        uploads = url.replace("/graphql", "/uploads")
        put = requests.put(f"{uploads}/a.png", PNG, headers={"Authorization": ADA_KEY}, timeout=5)
        assert put.status_code == 201
        with closing(Linear(url, OUR_KEY, uploads_url=uploads)) as linear:
            yield f"{uploads}/a.png", linear


def test_upload_is_downloaded_with_the_credential(place: tuple[str, Linear]) -> None:
    url, linear = place
    assert requests.get(url, timeout=5).status_code == 401
    assert linear.download(url, 1_000) == PNG


def test_upload_that_is_too_large_or_missing_is_rejected(place: tuple[str, Linear]) -> None:
    url, linear = place
    with pytest.raises(Rejected, match="it has 108 bytes, more than the 100 allowed"):
        linear.download(url, 100)
    with pytest.raises(NotFound, match="no longer has it"):
        linear.download(url + "x", 100)


@pytest.mark.parametrize(
    "other",
    [
        "https://evil.test/uploads/a.png",
        "http://127.0.0.1:1/uploads/a.png",
        "{host}/graphql",
        "{host}/uploads/../graphql",
        "{host}/uploads/%2e%2E/graphql",
        "{host}/uploadsx/a.png",
        "http://evil@{place}/uploads/a.png",
    ],
)
def test_upload_elsewhere_is_not_requested(place: tuple[str, Linear], other: str) -> None:
    url, linear = place
    host = url.removesuffix("/uploads/a.png")
    with pytest.raises(Rejected, match="not on Linear's host for uploads"):
        linear.download(other.format(host=host, place=host.removeprefix("http://")), 1_000)


def test_upload_that_is_refused_or_unreachable_names_the_cause(place: tuple[str, Linear]) -> None:
    url, _ = place
    uploads = url.removesuffix("/a.png")
    with closing(Linear(url, "lin_api_wrong", uploads_url=uploads)) as stranger, pytest.raises(Unauthorized):
        stranger.download(url, 1_000)
    nowhere = "http://127.0.0.1:1/uploads"
    with (
        closing(Linear(url, OUR_KEY, uploads_url=nowhere)) as away,
        pytest.raises(Unavailable, match="check LINEAR_UP"),
    ):
        away.download(f"{nowhere}/a.png", 1_000)
