"""The prompt cache of the stand-in, by the documented rules."""

from __future__ import annotations

from typing import Any

from integrations.standins.model.cache import PrefixCache, count_tokens

MARK = {"cache_control": {"type": "ephemeral"}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words * 50, **more}


def body(*blocks: dict[str, Any], model: str = "claude-test") -> dict[str, Any]:
    return {"model": model, "system": [text("system ", **MARK)], "messages": [{"role": "user", "content": [*blocks]}]}


def test_breakpoint_is_written_once_and_then_read() -> None:
    cache, asked = PrefixCache(), body(text("a", **MARK), text("b"))
    first, second = cache.usage("key", asked), cache.usage("key", asked)
    assert first["cache_read_input_tokens"] == 0 and sum(first.values()) == count_tokens(asked)
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"] > 0
    assert second["cache_creation_input_tokens"] == 0 and second["input_tokens"] == first["input_tokens"] > 0
    longer = cache.usage("key", body(text("a"), text("b", **MARK)))
    assert longer["cache_read_input_tokens"] == first["cache_creation_input_tokens"] < count_tokens(asked)


def test_changed_prefix_reads_nothing_after_the_change() -> None:
    cache = PrefixCache()
    cache.usage("key", body(text("a", **MARK)))
    system_only = cache.usage("key", body(text("b", **MARK)))["cache_read_input_tokens"]
    assert 0 < system_only < count_tokens(body(text("b")))


def test_breakpoint_looks_back_twenty_blocks() -> None:
    cache, many = PrefixCache(), [text(str(number)) for number in range(25)]
    cache.usage("key", body(text("a", **MARK)))
    usage = cache.usage("key", body(text("a"), *many[:19], text("end", **MARK)))
    assert usage["cache_read_input_tokens"] > count_tokens(body(text("a"))) - 2
    far = cache.usage("key", body(text("a"), *reversed(many), text("end", **MARK)))
    assert far["cache_read_input_tokens"] < count_tokens(body(text("a")))


def test_cache_is_separate_per_key_and_model() -> None:
    cache, asked = PrefixCache(), body(text("a", **MARK))
    cache.usage("key", asked)
    assert cache.usage("other", asked)["cache_read_input_tokens"] == 0
    assert cache.usage("key", asked | {"model": "n"})["cache_read_input_tokens"] == 0
