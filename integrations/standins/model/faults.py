"""The faults of the model: kinds for `POST /_faults`, which hit the next requests."""

from __future__ import annotations

# Refused before any processing: status and Anthropic's error type.
REFUSALS = {
    "401": (401, "authentication_error"),
    "402": (402, "billing_error"),
    "403": (403, "permission_error"),
    "429": (429, "rate_limit_error"),
    "500": (500, "api_error"),
    "529": (529, "overloaded_error"),
    "too_long": (400, "invalid_request_error"),
    "quota": (429, "rate_limit_error"),  # with a reset in the headers
    "credit": (400, "invalid_request_error"),  # no credit left
    "usage_limit": (400, "invalid_request_error"),  # a monthly limit
}
# A complete reply with another stop reason; `empty` is an end_turn without content.
ENDINGS = ("refusal", "max_tokens", "pause_turn", "model_context_window_exceeded", "empty")
# The stream ends in the middle: with a closed connection, in good order, or with an error event.
CUTS = ("drop", "short", "stream_error")
# `slow` stretches the reply over `seconds`, `silent` sends nothing for `seconds`.
KINDS = (*REFUSALS, *ENDINGS, *CUTS, "slow", "silent")
