"""The routes that no provider has: the log of accepted writes, and faults on request. Added to each stand-in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from flask import Flask, Response, jsonify, request

from integrations.standins.wire import Fault, Faults


def add_controls(
    app: Flask, entries: Callable[[], list[dict[str, Any]]], faults: Faults, kinds: Collection[str]
) -> None:
    """`GET /_log`; `/_faults`: POST adds a fault of one of `kinds`, DELETE removes all, each returns those to come."""
    app.add_url_rule("/_log", "log", lambda: jsonify(entries()))

    @app.route("/_faults", methods=["GET", "POST", "DELETE"])
    def change_faults() -> Response | tuple[Response, int]:
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                faults.add(Fault.read(request.get_json(), kinds))
            except ValueError as error:
                return jsonify({"error": str(error)}), 400
        return jsonify(faults.waiting())
