"""Types of the texts in `WORKFLOW.md`, with their bounds. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from integrations.explain import CONTROLS

LONGEST_COMMAND = 10_000


def check_line(text: str) -> str:
    """Raise `ValueError` unless the text is one line without white space around it; returns it."""
    if CONTROLS.search(text):
        raise ValueError("it is a text with control characters; write one line")
    if text != text.strip():
        raise ValueError("it is a text with white space around it; remove that")
    return text


def _check_model(text: str) -> str:
    if " " in check_line(text):
        raise ValueError("it is a text with white space; write one name")
    return text


def check_command(text: str) -> str:
    """Raise `ValueError` for control characters; returns the text. A command can have several lines."""
    if CONTROLS.search(text.replace("\n", "").replace("\t", "")):
        raise ValueError("it is a text with control characters; remove them")
    return text


def _check_filled(text: str) -> str:
    if not text.strip():
        raise ValueError("it is an empty text; write a command or remove the entry")
    return check_command(text)


Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(check_line)]
Lines = Annotated[tuple[Line, ...], Field(max_length=200)]
Name = Annotated[str, Field(max_length=200), AfterValidator(_check_model)]
Command = Annotated[str, Field(min_length=1, max_length=LONGEST_COMMAND), AfterValidator(_check_filled)]
OptionalCommand = Annotated[str, Field(max_length=LONGEST_COMMAND), AfterValidator(check_command)]
Minutes = Annotated[float, Field(ge=0.01, le=1_440)]
Commands = Annotated[tuple[Command, ...], Field(max_length=100)]
