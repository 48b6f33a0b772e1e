"""Notices for operators that last for a while, one per topic. Shown on `/readyz` and the dashboard."""

from __future__ import annotations

from redis import Redis

from jobs.runtime import keys
from jobs.runtime.scripts import decode


def post(redis: Redis, topic: str, sentence: str, seconds: int) -> None:
    """Show the sentence for so many seconds, instead of an earlier one on the topic."""
    redis.set(keys.notice(topic), sentence, ex=seconds)


def list_notices(redis: Redis) -> list[str]:
    """The current notices, in the order of their topics."""
    found = redis.mget([keys.notice(topic) for topic in keys.NOTICE_TOPICS])
    return [decode(sentence) for sentence in found if sentence]
