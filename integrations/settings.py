"""Base class and field types of settings: each field has its environment variable, its default and a docstring.

Used by `jobs.config.settings` and by each provider. Only `jobs.config.environment` reads the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

Process = Literal["web", "dashboard", "worker", "agent", "clock"]


def setting(variable: str, default: Any, *, seen_by: Iterable[Process] = (), usual: bool = False, **limits: Any) -> Any:
    """Declare a field that is read from this environment variable.

    `seen_by` makes it a secret: no other process gets the variable. `usual`: most installations set it. `limits` are
    those of `pydantic.Field`."""
    extra: JsonDict = {"seen_by": [*seen_by], "usual": usual}
    return Field(default=default, validation_alias=variable, validate_default=True, json_schema_extra=extra, **limits)


def is_visible(field: FieldInfo, process: Process) -> bool:
    """Whether the process gets the variable of this field."""
    extra: Any = field.json_schema_extra or {}
    return process in extra.get("seen_by", ()) or not extra.get("seen_by")


def is_usual(field: FieldInfo) -> bool:
    """Whether most installations set it."""
    extra: Any = field.json_schema_extra or {}
    return bool(extra.get("usual"))


class SettingsModel(BaseModel):
    """Frozen settings. Validation errors never show a value."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, extra="ignore", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return every field by its environment variable, in the order of declaration."""
        return {str(field.validation_alias): field for field in cls.model_fields.values() if field.validation_alias}

    @classmethod
    def from_variables(cls, variables: Mapping[str, str], **more: Any) -> Self:
        """Parse the settings; an empty variable counts as not set. `more` are fields without a variable.

        Raises `pydantic.ValidationError`."""
        return cls(**{name: value for name in cls.variables() if (value := variables.get(name))}, **more)

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield each variable with its value."""
        fields = type(self).model_fields.items()
        return ((str(field.validation_alias), getattr(self, name)) for name, field in fields if field.validation_alias)

    def secret_values(self) -> frozenset[str]:
        """Return all secrets, for the logs to redact."""
        parts = (part for _, value in self.values() for part in (value if isinstance(value, tuple) else (value,)))
        return frozenset(part.get_secret_value() for part in parts if isinstance(part, SecretStr)) - {""}

    def paths(self) -> dict[str, Path]:
        """Return the files and folders by variable, absolute: for processes that start in another folder."""
        return {name: value for name, value in self.values() if isinstance(value, Path)}


def split_list(value: object) -> object:
    """Split a comma-separated text; a validator."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _make_absolute(value: object) -> object:
    return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value


def _strip_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


def match_pattern(pattern: str, hint: str) -> AfterValidator:
    """Return a validator for texts that match the whole regular expression; `hint` is the error message."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(hint)
        return value

    return AfterValidator(check)


_URL = r"https?://[^\s/]+\S*"
_URL_HINT = "write an address that begins with https:// or http://"

Texts = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(split_list)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(split_list)]
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: _make_absolute(value) if value else None)]
Folder = Annotated[Path, BeforeValidator(_make_absolute)]
Address = Annotated[
    str, match_pattern(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}", "write host:port, such as 127.0.0.1:8700")
]
Url = Annotated[str, BeforeValidator(_strip_slash), match_pattern(_URL, _URL_HINT)]
OptionalUrl = Annotated[str, BeforeValidator(_strip_slash), match_pattern(f"({_URL})?", _URL_HINT)]
