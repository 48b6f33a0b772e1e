"""Notices for operators that last for a while, one per topic. Shown on `/readyz` and the dashboard."""

from __future__ import annotations

from redis import Redis

from jobs.runtime import keys
from jobs.runtime.scripts import decode


def post(redis: Redis, topic: str, sentence: str, seconds: int) -> None:
    """Show the sentence for so many seconds, instead of an earlier one on the topic."""
    redis.set(keys.notice(topic), sentence, ex=seconds)


def clear(redis: Redis, topic: str) -> None:
    """End the notice on the topic."""
    redis.delete(keys.notice(topic))


def post_refused_credentials(redis: Redis, sentence: str, seconds: float) -> bool:
    """Let `/readyz` fail for so many seconds because a provider refuses Loopline's credentials; False if it does
    already."""
    return bool(redis.set(keys.REFUSED_CREDENTIALS, sentence, nx=True, ex=max(int(seconds), 1)))


def list_notices(redis: Redis) -> list[str]:
    """The current notices, in the order of their topics."""
    found = redis.mget([keys.notice(topic) for topic in keys.NOTICE_TOPICS])
    return [decode(sentence) for sentence in found if sentence]
