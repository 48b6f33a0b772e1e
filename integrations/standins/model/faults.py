"""The ways in which the model misbehaves on request: POST /_faults {"kind", "times", "seconds"}, DELETE to mend."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Refused before anything is done: status and Anthropic's error type.
REFUSALS = {
    "401": (401, "authentication_error"),
    "402": (402, "billing_error"),
    "403": (403, "permission_error"),
    "429": (429, "rate_limit_error"),
    "500": (500, "api_error"),
    "529": (529, "overloaded_error"),
    "too_long": (400, "invalid_request_error"),
    # The same, in other ways: a quota that names its reset in headers, an account out of credit, a monthly limit.
    "quota": (429, "rate_limit_error"),
    "credit": (400, "invalid_request_error"),
    "usage_limit": (400, "invalid_request_error"),
}
# A whole reply that ends for another reason; `empty` is an end_turn without a word.
ENDINGS = ("refusal", "max_tokens", "pause_turn", "model_context_window_exceeded", "empty")
# The connection: `drop` cuts it in the middle of a stream, `short` ends the stream there in good order,
# `stream_error` ends it with an error event; `slow` stretches the reply over `seconds`, `silent` sends nothing at all
# for `seconds`.
CUTS = ("drop", "short", "stream_error")
WIRE = (*CUTS, "slow", "silent")
KINDS = (*REFUSALS, *ENDINGS, *WIRE)


@dataclass
class ModelFault:
    """`kind` happens to the next `times` requests; `seconds` is a duration, or when a 429 or a quota wants to be
    asked again."""

    kind: str
    times: int = 1
    seconds: float = 0.0

    @classmethod
    def read(cls, wanted: Mapping[str, Any]) -> ModelFault:
        """From JSON. Raises `ValueError` with a sentence for the person who asked."""
        if str(wanted.get("kind")) not in KINDS:
            raise ValueError(f"kind is {wanted.get('kind')!r}; it has to be one of {', '.join(KINDS)}")
        return cls(str(wanted["kind"]), int(wanted.get("times", 1)), float(wanted.get("seconds", 0)))


class ModelFaults:
    """The misbehaviour that was asked for and not yet used up, first come first served."""

    def __init__(self) -> None:
        self._waiting: list[ModelFault] = []
        self._lock = threading.Lock()

    def add(self, fault: ModelFault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def take(self) -> ModelFault:
        """Use up one; a fault of kind '' is none."""
        with self._lock:
            for fault in self._waiting:
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return ModelFault("")

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """What is still to come, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting if fault.times > 0]
