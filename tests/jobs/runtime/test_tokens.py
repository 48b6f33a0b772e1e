"""Stored access tokens: encrypted, shared by all processes, and kept when Redis or the file is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError
from redis import Redis

from integrations.errors import Misconfigured
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.tokens import FOLDER, KEY_FILE, EncryptedTokens

NAME, SECRET = "linear/11111111-1111-4111-8111-000000000001", "lin_refresh_do_not_show"


def test_token_is_encrypted_in_redis_and_in_a_file_for_the_owner_only(redis: Redis, settings: Settings) -> None:
    store = EncryptedTokens(redis, settings)
    store.write(NAME, SECRET)
    [file] = (settings.home / FOLDER).iterdir()
    key = settings.home / KEY_FILE
    for held in (file.read_bytes(), key.read_bytes(), str(redis.hgetall(keys.TOKENS)).encode()):
        assert SECRET.encode() not in held
    assert [file.stat().st_mode & 0o777, key.stat().st_mode & 0o777] == [0o600, 0o600]
    other = EncryptedTokens(redis, settings)
    assert (other.read(NAME), list(other.names("linear/"))) == (SECRET, [NAME])


def test_token_survives_the_loss_of_redis_and_of_the_file(redis: Redis, settings: Settings) -> None:
    store = EncryptedTokens(redis, settings)
    store.write(NAME, SECRET)
    redis.flushdb()
    assert EncryptedTokens(redis, settings).read(NAME) == SECRET
    (settings.home / FOLDER / NAME.replace("/", "~")).unlink()
    assert EncryptedTokens(redis, settings).read(NAME) == SECRET


def test_token_in_a_backup_of_redis_does_not_replace_a_newer_one(redis: Redis, settings: Settings) -> None:
    store = EncryptedTokens(redis, settings)
    store.write(NAME, "old")
    backup = redis.hget(keys.TOKENS, NAME)
    store.write(NAME, "new")
    assert backup
    redis.hset(keys.TOKENS, NAME, backup)
    assert store.read(NAME) == "new"
    assert redis.hget(keys.TOKENS, NAME) != backup


def test_token_is_kept_in_redis_when_the_home_folder_cannot_be_written(redis: Redis, settings: Settings) -> None:
    store = EncryptedTokens(redis, settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / FOLDER).write_text("in the way")
    store.write(NAME, SECRET)
    assert store.read(NAME) == SECRET


def test_token_that_is_removed_is_in_no_list(redis: Redis, settings: Settings) -> None:
    store = EncryptedTokens(redis, settings)
    store.write(NAME, SECRET)
    store.write(NAME, "")
    assert (store.read(NAME), list(store.names("linear/"))) == ("", [])


def test_token_key_can_be_rotated_and_a_lost_one_hides_the_token(redis: Redis, settings: Settings) -> None:
    one, two = Fernet.generate_key().decode(), Fernet.generate_key().decode()

    def with_keys(*given: str) -> EncryptedTokens:
        token_key = Settings.from_variables({"LOOPLINE_TOKEN_KEY": ",".join(given)}).token_key
        return EncryptedTokens(redis, settings.model_copy(update={"token_key": token_key}))

    with_keys(one).write(NAME, SECRET)
    assert with_keys(two, one).read(NAME) == SECRET
    assert with_keys(two).read(NAME) == ""
    with_keys(two, one).write(NAME, SECRET)
    assert with_keys(two).read(NAME) == SECRET
    assert not (settings.home / KEY_FILE).exists()


@pytest.mark.parametrize("wrong", ["short", "x" * 44, "not base64 at all!"])
def test_token_key_that_is_no_key_is_refused_without_its_text(wrong: str) -> None:
    with pytest.raises(ValidationError, match="32 bytes in URL-safe base64") as raised:
        Settings.from_variables({"LOOPLINE_TOKEN_KEY": wrong})
    assert wrong not in str(raised.value)


def test_token_key_file_that_is_broken_is_named(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / KEY_FILE).write_text("no key")
    with pytest.raises(Misconfigured, match=f"LOOPLINE_TOKEN_KEY is empty and .*{KEY_FILE} cannot be used"):
        EncryptedTokens(redis, settings).write(NAME, SECRET)


def test_token_key_is_created_once_by_many_processes(redis: Redis, settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: EncryptedTokens(redis, settings).write(f"linear/{n}", SECRET), range(8)))
    store = EncryptedTokens(redis, settings)
    assert [store.read(f"linear/{n}") for n in range(8)] == [SECRET] * 8


def test_token_lock_admits_one_of_all_processes(redis: Redis, settings: Settings) -> None:
    holders, most, guard = [0], [0], threading.Lock()

    def hold(_: int) -> None:
        with EncryptedTokens(redis, settings).lock(NAME):
            with guard:
                holders[0] += 1
                most[0] = max(most[0], holders[0])
            redis.ping()
            with guard:
                holders[0] -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(hold, range(12)))
    assert most == [1]
