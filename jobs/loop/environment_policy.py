"""`loop.environment` and `loop.network` of `WORKFLOW.md`: dependencies, services and network of a repository. Pure."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from integrations.egress.hosts import parse_host
from integrations.egress.policy import REGISTRIES
from integrations.values import value
from jobs.loop.policy_fields import Command, Commands, Line, OptionalCommand, check_command

_IMAGE = re.compile(r"(?:[a-z0-9][a-z0-9_.-]{0,62})?")
_SERVICE = re.compile(r"[a-z][a-z0-9-]{0,30}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_RESERVED = re.compile(
    r"HOME|USER|LOGNAME|SHELL|SHLVL|PWD|OLDPWD|IFS|ENV|BASH_.*|BASHOPTS|SHELLOPTS|TMPDIR|STATE|LD_.*|GIT_.*|LOOPLINE_.*"
    r"|GLIBC_TUNABLES|(?:HTTP|HTTPS|ALL|NO)_PROXY|(?:http|https|all|no)_proxy"
)
"""Variables that the sandbox sets itself, or that change the programs that Loopline runs in it."""


def _check_image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise ValueError("it is not the name of an image; write lower-case letters, digits and any of .-_")
    return text


def _check_service_name(text: str) -> str:
    if not _SERVICE.fullmatch(text):
        raise ValueError("it is not the name of a service; write lower-case letters, digits and hyphens")
    return text


def _check_glob(text: str) -> str:
    if text.startswith(("/", "~")):
        raise ValueError("it is an absolute path; write a glob of files in the repository")
    if {"", ".", ".."} & set(text.removesuffix("/").split("/")) or "\\" in text:
        raise ValueError("it is not the path of a file below the root; remove dots, empty parts and backslashes")
    if text.startswith("!"):
        raise ValueError("it is a glob with an exclamation mark in front; name the files that count")
    return text


def _check_host(text: str) -> str:
    if text in (REGISTRIES, parse_host(text)):
        return text
    if text.startswith("*."):
        raise ValueError("it is a wildcard, which only the operator can allow; write each host name")
    if parse_host(text):
        raise ValueError("it is a host name with capitals; write it in lower case")
    if "://" in text or "/" in text:
        raise ValueError("it is a URL or a path; write the host name alone")
    if ":" in text:
        raise ValueError("it is a host with a port or an IPv6 address; write the host name alone")
    raise ValueError("it is not a host name; write `registries` or a name such as npm.acme.test")


def _check_variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError("it is not the name of a variable; write letters, digits and underscores")
    return _check_free(text)


def _check_secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("it is not the name of a secret; write capitals, digits and underscores")
    if text == "PATH":
        raise ValueError("it is the name of the search path; choose another one")
    return _check_free(text)


def _check_free(name: str) -> str:
    if _RESERVED.fullmatch(name):
        raise ValueError("it is a variable that the sandbox sets itself; choose another name")
    return name


def _check_value(text: str) -> str:
    if "\0" in check_command(text):
        raise ValueError("it is a text with control characters; remove them")
    return text


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_check_host)]
AgentHosts = Annotated[tuple[Host, ...], Field(max_length=50)]
Glob = Annotated[Line, AfterValidator(_check_glob)]
Variable = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_check_variable)]
VariableValue = Annotated[str, Field(max_length=4_096), AfterValidator(_check_value)]
Secret = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_check_secret)]


@value
class ServiceEntry:
    """A program that runs beside the commands of a run, on the sandbox's loopback."""

    name: Annotated[str, Field(min_length=1, max_length=31), AfterValidator(_check_service_name)]
    run: Command
    """Stays in the foreground; `$STATE` is its folder in the run's own layer."""
    ready: OptionalCommand = ""
    """Repeated until it exits with 0; empty: the service is ready once it runs."""
    setup: OptionalCommand = ""
    """Runs once in each run, before `run`."""
    seconds: float = Field(default=60.0, ge=1, le=600)
    """Timeout of `setup` and `ready` together."""


@value
class EnvironmentPolicy:
    """Dependencies of the repository's commands: built once with network, then shared read-only by all runs."""

    image: Annotated[str, Field(max_length=63), AfterValidator(_check_image)] = ""
    """Name of a root file system that the operator offers; empty means the host's /usr."""
    setup: Commands = ()
    """Commands that build the environment in a clean checkout, with network and secrets."""
    maintain: Commands = ()
    """Replace `setup` where an environment with other inputs exists, on a copy of it; empty means `setup` again."""
    inputs: Annotated[tuple[Glob, ...], Field(max_length=50)] = ()
    """Globs of the files whose contents the environment depends on; empty means the known lock and version files."""
    network: Annotated[tuple[Host, ...], Field(max_length=50)] = (REGISTRIES,)
    """Hosts that setup can connect to; `registries` is the operator's list."""
    variables: Annotated[dict[Variable, VariableValue], Field(max_length=100)] = Field(default_factory=dict)
    """Variables of setup and of all commands. The folders of PATH are put in front of the sandbox's own."""
    secrets: Annotated[tuple[Secret, ...], Field(max_length=20)] = ()
    """Names of secrets of the operator, as variables of setup alone."""
    services: Annotated[tuple[ServiceEntry, ...], Field(max_length=10)] = ()
    """Programs that start in order beside the commands of a run."""

    @model_validator(mode="after")
    def _check_names(self) -> EnvironmentPolicy:
        names = [service.name for service in self.services]
        if duplicate := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"services: two have the name {duplicate}; rename one")
        if both := next((name for name in self.secrets if name in self.variables), ""):
            raise ValueError(f"variables: {both} is also a secret; remove one of them")
        return self
