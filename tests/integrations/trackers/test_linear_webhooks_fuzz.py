"""Fuzzing of Linear's webhooks: any input raises only `BadSignature` or `Malformed`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import BadSignature, Malformed
from integrations.ports.source import Delivery
from integrations.trackers.linear.webhooks import IGNORED
from tests.integrations.trackers.linear_deliveries import NOW, linear, verify

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("id", "updatedAt", "issueId", "body", "userId", "trashed", "archivedAt", "state", "stateId", "title", "name")
objects = st.dictionaries(st.sampled_from(KEYS), json_values) | json_values
envelopes = st.fixed_dictionaries(
    {"type": st.sampled_from(["Issue", "Comment", *sorted(IGNORED)]) | json_values},
    optional={
        "action": st.sampled_from(["create", "update", "remove", "created", "prompted"]) | json_values,
        "webhookTimestamp": st.just(NOW * 1000) | json_values,
        **dict.fromkeys(("data", "updatedFrom", "agentSession", "agentActivity", "notification"), objects),
    },
)


@settings(deadline=None)
@given(body=st.binary() | (envelopes | json_values).map(lambda value: json.dumps(value).encode()))
def test_linear_webhook_raises_only_two_errors_for_any_signed_body(body: bytes) -> None:
    try:
        linear.translate(verify(body))
    except (BadSignature, Malformed) as error:
        assert str(error)


@settings(deadline=None)
@given(
    signature=st.text(),
    delivery=st.text(),
    secrets=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
    body=st.binary(),
)
def test_linear_webhook_rejects_any_unsigned_request(
    signature: str, delivery: str, secrets: list[str], body: bytes
) -> None:
    with pytest.raises(BadSignature):
        linear.verify({"linear-signature": signature, "linear-delivery": delivery}, body, secrets, NOW)


@settings(deadline=None)
@given(body=st.binary() | envelopes.map(lambda value: json.dumps(value).encode()), stale=st.booleans())
def test_linear_webhook_raises_only_malformed_for_any_journaled_body(body: bytes, stale: bool) -> None:
    try:
        linear.translate(Delivery("linear", "d", "k", body, stale=stale))
    except Malformed as error:
        assert str(error)
