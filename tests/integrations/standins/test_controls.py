from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from integrations.standins.controls import add_controls
from integrations.standins.wire import Faults


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    add_controls(app, lambda: [{"actor": "ada"}], Faults(), ("502", "webhook_drop"))
    return app


def test_log_is_served(app: Flask) -> None:
    assert app.test_client().get("/_log").json == [{"actor": "ada"}]


def test_fault_is_added_listed_and_removed(app: Flask) -> None:
    client = app.test_client()
    fault = {"operation": "POST /x", "kind": "502", "times": 2, "seconds": 0.0}
    assert client.post("/_faults", json={"operation": "POST /x", "kind": "502", "times": 2}).json == [fault]
    assert client.get("/_faults").json == [fault]
    assert client.delete("/_faults").json == []


@pytest.mark.parametrize("fault", [{}, {"kind": "fire"}, {"kind": "502", "times": "many"}])
def test_unknown_fault_is_refused(app: Flask, fault: dict[str, Any]) -> None:
    answer = app.test_client().post("/_faults", json=fault)
    assert answer.status_code == 400 and answer.json and answer.json["error"]
    assert app.test_client().get("/_faults").json == []
