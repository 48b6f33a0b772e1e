from __future__ import annotations

import pytest
from redis import Redis

from integrations.values import Person
from jobs.loop.call_commands import CallAnswer
from jobs.store.access_tokens import AccessTokens
from jobs.store.calls import KeyReused, claim_call, find_answer, store_answer
from jobs.store.members import Membership, find_member, store_member


def test_call_has_one_event_for_all_retries_of_its_caller(redis: Redis) -> None:
    first = claim_call(redis, "ana", "key", ["stop"])

    assert claim_call(redis, "ana", "key", ["stop"]) == first
    assert claim_call(redis, "eve", "key", ["stop"]) != first
    with pytest.raises(KeyReused):
        claim_call(redis, "ana", "key", ["merge"])


def test_key_of_a_call_can_be_used_again_after_it_expired(redis: Redis) -> None:
    first = claim_call(redis, "ana", "key", ["stop"], seconds=600)
    (name,) = redis.keys("call:*")  # type: ignore[misc]
    assert 0 < int(redis.ttl(name)) <= 600  # type: ignore[arg-type]
    redis.delete(name)

    assert claim_call(redis, "ana", "key", ["merge"]) != first


def test_answer_of_a_call_is_stored_for_its_retries(redis: Redis) -> None:
    answer = CallAnswer(replies=("Stopped.",), stages=("making", "stopped"))
    assert find_answer(redis, "call:1") is None
    store_answer(redis, "call:1", answer)
    assert find_answer(redis, "call:1") == find_answer(redis, "call:1") == answer


def test_rights_of_a_member_expire(redis: Redis) -> None:
    for membership, most in (
        (Membership(person=Person(id="a")), 300),
        (Membership(), 60),
        (Membership(problem="x"), 3),
    ):
        store_member(redis, "ana@acme.test", membership)
        assert find_member(redis, "ana@acme.test") == membership
        assert 0 < int(redis.ttl("member:ana@acme.test")) <= most  # type: ignore[arg-type]


def test_access_tokens_of_a_person_are_revoked_together(redis: Redis) -> None:
    tokens = AccessTokens(redis)
    texts = [tokens.create(email, 100.0, 50.0)[1] for email in ("Ana@acme.test", "ana@acme.test", "eve@acme.test")]

    assert [token.email for token in tokens.all()] == ["ana@acme.test", "ana@acme.test", "eve@acme.test"]
    assert len(tokens.revoke("ANA@acme.test")) == 2 and tokens.revoke("ana@acme.test") == []
    assert [bool(tokens.verify(text, 149.0)) for text in texts] == [False, False, True]
    assert tokens.verify(texts[2], 150.0) is None
