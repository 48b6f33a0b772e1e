from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integrations.standins.receiver import Receiver
from tests.support.browser import browser

__all__ = ["browser", "receiver"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()
