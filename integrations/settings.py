"""Base class and field types of settings: each field has its environment variable, its default and a docstring.

Used by `jobs.config.settings` and by each provider. Only `jobs.config.environment` reads the environment.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_origin
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from integrations.egress.hosts import parse_pattern
from integrations.explain import CONTROLS, classify

LONGEST_TEXT, LONGEST_JSON = 4_096, 65_536
"""Characters of one value. Linux limits a path to 4,096 bytes and a variable to 128 KiB."""
SHORTEST_PASSWORD, SHORTEST_KEY, SHORTEST_WEBHOOK_SECRET = 4, 8, 12
"""Characters. The logs redact each secret wherever it occurs, so it cannot be a syllable; a webhook secret is the only
proof of the sender, and 12 random letters and digits (71 bits) are beyond a search."""
WIDEST_NETWORK = 8
"""Bits of the prefix of a network. 10.0.0.0/8 is the widest private one."""
MOST_ENTRIES = 100
"""Entries of one comma-separated list."""
Process = Literal["web", "dashboard", "worker", "agent", "clock", "egress", "mcp", "connectors"]


def setting(variable: str, default: Any, *, seen_by: Iterable[Process] = (), usual: bool = False, **limits: Any) -> Any:
    """Declare a field that is read from this environment variable.

    `seen_by` makes it a secret: no other process gets the variable. `usual`: most installations set it. `limits` are
    those of `pydantic.Field`; every number needs `ge` and `le`, so that no value is infinite or as good as zero."""
    extra: JsonDict = {"seen_by": [*seen_by], "usual": usual}
    return Field(default=default, validation_alias=variable, validate_default=True, json_schema_extra=extra, **limits)


def is_visible(field: FieldInfo, process: Process) -> bool:
    """Whether the process gets the variable of this field."""
    extra: Any = field.json_schema_extra or {}
    return process in extra.get("seen_by", ()) or not is_secret(field)


def is_secret(field: FieldInfo) -> bool:
    """Whether only some processes get the variable of this field."""
    extra: Any = field.json_schema_extra or {}
    return bool(extra.get("seen_by"))


def is_usual(field: FieldInfo) -> bool:
    """Whether most installations set it."""
    extra: Any = field.json_schema_extra or {}
    return bool(extra.get("usual"))


def find_bounds(field: FieldInfo) -> tuple[float, float] | None:
    """Return the lowest and the highest number of this field; None without both."""
    limits = {name: getattr(one, name) for one in field.metadata for name in ("ge", "le") if hasattr(one, name)}
    return (limits["ge"], limits["le"]) if len(limits) == 2 else None


class SettingsModel(BaseModel):
    """Frozen settings. Validation errors never show a value."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, extra="ignore", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @classmethod
    @cache
    def variables(cls) -> Mapping[str, FieldInfo]:
        """Return every field by its environment variable, in the order of declaration."""
        return {str(field.validation_alias): field for field in cls.model_fields.values() if field.validation_alias}

    @classmethod
    def from_variables(cls, variables: Mapping[str, str], **more: Any) -> Self:
        """Parse the settings; an empty or blank variable counts as not set. `more` are fields without a variable.

        Raises `pydantic.ValidationError`."""
        return cls(**{name: value for name in cls.variables() if (value := variables.get(name, "").strip())}, **more)

    @field_validator("*", mode="before")
    @classmethod
    def _check_text(cls, value: object, info: ValidationInfo) -> object:
        """Check a text by the type of its field, before the field's own validators."""
        field = cls.model_fields[info.field_name or ""]
        return _parse_text(value.strip(), field) if isinstance(value, str) else value

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield each variable with its value."""
        fields = type(self).model_fields.items()
        return ((str(field.validation_alias), getattr(self, name)) for name, field in fields if field.validation_alias)

    def secret_values(self) -> frozenset[str]:
        """Return all secrets, for the logs to redact."""
        parts = (part for _, value in self.values() for part in _split_parts(value))
        return frozenset(part.get_secret_value() for part in parts if isinstance(part, SecretStr)) - {""}

    def paths(self) -> dict[str, Path]:
        """Return the files and folders by variable, absolute: for processes that start in another folder."""
        return {name: value for name, value in self.values() if isinstance(value, Path)}

    def secret_files(self) -> dict[str, Path]:
        """Return the files with a secret by variable, absolute."""
        fields = self.variables()
        return {name: path for name, path in self.values() if isinstance(path, Path) and is_secret(fields[name])}


def _split_parts(value: object) -> Iterable[object]:
    """The values of a list or a mapping, or the value itself."""
    return value if isinstance(value, tuple) else value.values() if isinstance(value, Mapping) else (value,)


def _parse_text(text: str, field: FieldInfo) -> object:
    """Return the text, or the number for a field of that type. Raises `ValueError`."""
    if field.annotation in (int, float):
        return _parse_number(text, field)
    is_json = get_origin(field.annotation) is dict
    longest = LONGEST_JSON if is_json else LONGEST_TEXT
    if len(text) > longest:
        raise ValueError(f"it is a text of {len(text)} characters; write at most {longest}")
    if CONTROLS.search("".join(text.split()) if is_json else text):
        raise ValueError("it is a text with control characters; write it anew, in one line")
    return _check_secret(text, SHORTEST_KEY) if field.annotation is SecretStr else text


def _parse_number(text: str, field: FieldInfo) -> int | float:
    """Parse plain decimal digits only: no exponent, sign, underscore, other base or other alphabet."""
    whole = field.annotation is int
    lowest, highest = find_bounds(field) or (0, 0)
    fix = f"write a {'whole ' if whole else ''}number from {lowest} to {highest}"
    if not (number := re.fullmatch(r"(-?)(0|[1-9][0-9]*)(?:[.]([0-9]+))?", text)):
        raise ValueError(f"it is {'an empty text' if not text else 'a text that is not a plain number'}; {fix}")
    sign, digits, decimals = number.groups()
    problems = {
        "a negative number": sign,
        "a number with more than 15 digits": len(digits) > 15,
        "a number with decimals": whole and decimals,
        "a number with more than 6 decimals": len(decimals or "") > 6,
        f"a number below {lowest}": len(digits) <= 15 and float(text) < lowest,
        f"a number above {highest}": len(digits) <= 15 and float(text) > highest,
    }
    for problem, applies in problems.items():
        if applies:
            raise ValueError(f"it is {problem}; {fix}")
    return int(text) if whole else float(text)


def _check_secret(value: object, shortest: int) -> object:
    """Check a key, token or signing secret, which is sent as an HTTP header or used as a key of HMAC."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not text:
        return value
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is a text with white space or a character outside ASCII; copy the secret again")
    if text[0] + text[-1] in ("''", '""', "``", "<>"):
        raise ValueError("it is a text in quotes or brackets; remove them")
    if len(text) < shortest:
        raise ValueError(f"it is a text of fewer than {shortest} characters; write at least {shortest}")
    return value


def split_list(value: object) -> object:
    """Split a comma-separated text; a validator."""
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    if value and not parts:  # an empty list can mean everybody
        raise ValueError("it is a list without entries; add one or remove the setting")
    if len(parts) > MOST_ENTRIES:
        raise ValueError(f"it is a list of {len(parts)}; keep at most {MOST_ENTRIES}")
    return parts


def _make_absolute(value: object) -> object:
    if isinstance(value, str) and value.startswith("-"):
        raise ValueError("it is a path that begins with a hyphen; write ./ in front of it or an absolute path")
    try:
        return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value
    except RuntimeError:  # by `expanduser`
        raise ValueError("it is the home folder of an unknown user; write an absolute path") from None
    except OSError:  # by `absolute`
        raise ValueError("it is a relative path while the current folder does not exist; change the folder") from None


def _check_absolute(value: object) -> object:
    if isinstance(value, str) and not value.startswith(("/", "~")):
        raise ValueError("it is a relative path; write an absolute path")
    return _make_absolute(value)


def match_pattern(pattern: str, hint: str) -> AfterValidator:
    """Return a validator for texts that match the whole regular expression; `hint` is the fix in the message."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"it is {classify(value)}; {hint}")
        return value

    return AfterValidator(check)


_HOST_NAME = re.compile(r"(?!-)(?=.{1,253}$)(?:[\w-]{1,63}\.)*(?=[^.]{1,63}$)[\w-]*[A-Za-z][\w-]*", re.ASCII)
_ADDRESS_HINT = "write host:port with a port from 1 to 65535, such as 127.0.0.1:8700"


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of 'host:port'; removes the brackets of an IPv6 host."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to the host: localhost, 127.0.0.0/8, ::1."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def _check_host(host: str, in_brackets: bool) -> None:
    """Raise `ValueError` unless it is an IP address, with an IPv6 one in brackets, or a host name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if in_brackets or not _HOST_NAME.fullmatch(host):
            raise
    else:
        if (address.version == 6) != in_brackets or "%" in host:
            raise ValueError(host)


def _check_address(value: str) -> str:
    found = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):([1-9][0-9]{0,4})", value)
    try:
        if not found or int(found[2]) > 65_535:
            raise ValueError
        _check_host(found[1].strip("[]"), found[1].startswith("["))
    except ValueError:
        raise ValueError(f"it is {classify(value)} that is not host and port; {_ADDRESS_HINT}") from None
    return value


def split_url(value: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """Split a URL of these schemes with a valid host and port and no white space. Raises `ValueError`."""
    fix = f"write a URL such as {example}"
    try:
        url = urlsplit(value)
        _check_host(url.hostname or "", "[" in url.netloc)
        if url.port == 0 or url.netloc.endswith(":"):
            raise ValueError
    except ValueError:
        raise ValueError(f"it is {classify(value)} without a valid host and port; {fix}") from None
    if url.scheme not in schemes or not re.fullmatch(r"[!-~]+", value) or "\\" in value:
        names = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"it is {classify(value)} that is not a URL with {names}; {fix}")
    return url


def _check_url(value: object, carries_key: bool) -> object:
    """Check a URL that Loopline appends paths to. One that `carries_key` needs TLS, except to this machine."""
    if not isinstance(value, str) or not value:
        return value
    url = split_url(value, ("https", "http"), "https://example.com")
    if "@" in url.netloc:
        raise ValueError("it is a URL with credentials; remove them and set the key's own setting")
    if "?" in value or "#" in value:
        raise ValueError("it is a URL with a query or fragment; remove everything from the ? or #")
    if carries_key and url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise ValueError("it is a URL with http:// to another host, which would expose the key; write https://")
    return value.rstrip("/")


def check_redis_url(value: object) -> object:
    """Check the URL of a Redis; a validator. Raises `ValueError` without the URL, which can contain a password."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not text:
        return value
    scheme, _, rest = text.partition("://")
    path, _, query = rest.partition("?")
    number = r"(0|[1-9][0-9]{0,3})"
    if query and not re.fullmatch(f"db={number}", query):
        raise ValueError("it is a URL with options; the only one that is supported is ?db=N, from 0 to 9999")
    if "#" in text:
        raise ValueError("it is a URL with a fragment; write a # in the password as %23")
    if scheme == "unix":
        if not re.fullmatch(r"(?:[^/@]*@)?/.+", path):
            raise ValueError("it is a URL of a socket without an absolute path; write unix:///path/to/redis.sock")
        return value
    url = split_url(text, ("redis", "rediss"), "redis://127.0.0.1:6379/0, with special characters of a password as %XX")
    if url.password and len(unquote(url.password)) < SHORTEST_PASSWORD:
        raise ValueError(f"it is a URL with a password of fewer than {SHORTEST_PASSWORD} characters; set a longer one")
    if not re.fullmatch(f"/?|/{number}", url.path):
        raise ValueError("it is a URL with a path; write the number of the database, from 0 to 9999, or nothing")
    return value


def check_proxy_url(value: object) -> object:
    """Check the URL of an HTTP proxy; a validator. Raises `ValueError` without the URL, which can have a password."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and text:
        split_url(text, ("http", "https"), "http://proxy.example:3128, with special characters of a password as %XX")
    return value


def _check_host_pattern(value: str) -> str:
    if not (host := parse_pattern(value)):
        raise ValueError(f"it is {classify(value)} that is not a host name; write npm.acme.test or *.acme.test")
    return host


def _check_network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(f"it is {classify(value)} that is not a network; write one such as 10.20.0.0/16") from None
    if network.prefixlen < WIDEST_NETWORK:
        raise ValueError(f"it is a network wider than /{WIDEST_NETWORK}; name the registry's own network")
    return str(network)


Secret = Annotated[SecretStr, BeforeValidator(partial(_check_secret, shortest=SHORTEST_KEY))]
WebhookSecret = Annotated[SecretStr, BeforeValidator(partial(_check_secret, shortest=SHORTEST_WEBHOOK_SECRET))]
Secrets = Annotated[tuple[WebhookSecret, ...], BeforeValidator(split_list)]
Paths = Annotated[tuple[Annotated[Path, BeforeValidator(_check_absolute)], ...], BeforeValidator(split_list)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_check_host_pattern)], ...], BeforeValidator(split_list)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_check_network)], ...], BeforeValidator(split_list)]
ProxyUrl = Annotated[SecretStr, BeforeValidator(check_proxy_url)]
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: _make_absolute(value) if value else None)]
Folder = Annotated[Path, BeforeValidator(_make_absolute)]
Address = Annotated[str, AfterValidator(_check_address)]
OptionalAddress = Annotated[str, AfterValidator(lambda value: _check_address(value) if value else "")]
Link = Annotated[str, BeforeValidator(partial(_check_url, carries_key=False))]
"""A URL for people, or empty."""
Url = Annotated[str, BeforeValidator(partial(_check_url, carries_key=True))]
"""A URL for requests with a key, or empty."""
