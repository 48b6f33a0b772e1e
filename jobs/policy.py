"""`WORKFLOW.md`: how a repository wants to be worked on.

Read from the base branch by `jobs.perform` and never from an agent's tree. Pure: text in, policy out. The front
matter keeps Symphony's key names where the meaning is the same, so that a team can bring its file along; ours are
below `loop`.
"""

from __future__ import annotations

from typing import Literal

import yaml
from frontmatter.default_handlers import YAMLHandler
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE = "WORKFLOW.md"


class PolicyError(ValueError):
    """`WORKFLOW.md` is missing or cannot be used; the message says where and how to mend it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Brought(BaseModel):
    """A section that other tools own too: their keys are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Check(_Section):
    """A command that must exit 0 in a clean checkout before work counts as done."""

    name: str = Field(min_length=1, max_length=60)
    run: str = Field(min_length=1)


class Role(_Section):
    """Overrides for one agent role. Empty means the service's default."""

    model: str = ""
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = ""


class Roles(_Section):
    """The roles that a repository may tune."""

    maker: Role = Role()
    checker: Role = Role()


class LoopPolicy(_Section):
    """Our own keys."""

    checks: tuple[Check, ...] = ()
    """Commands of the gate, run by Loopline itself."""
    contract: Literal["auto", "ask"] = "auto"
    """auto: the checks alone may serve as finish line. ask: a ticket without one is always asked for it."""
    setup: tuple[str, ...] = ()
    """Commands run in the sandbox, without network, before the first turn and before the gate."""
    iterations: int | None = Field(default=None, ge=1, le=20)
    """Tries at the contract before a person is asked; None is the service's default."""
    budget_usd: float | None = Field(default=None, ge=0)
    """Money per run; 0 means none is spent; None is the service's default."""
    protected: tuple[str, ...] = ()
    """Further path patterns that an agent may not change."""
    roles: Roles = Roles()


class AgentPolicy(_Brought):
    """Symphony's `agent` section, as far as we share its meaning."""

    max_turns: int | None = Field(default=None, ge=1, le=1000)


class HooksPolicy(_Brought):
    """Symphony's `hooks` section; `after_create` runs after `loop.setup`, in the sandbox."""

    after_create: str = ""


class RepositoryPolicy(_Section):
    """All of `WORKFLOW.md`. `instructions` is its Markdown body: the maker's brief."""

    agent: AgentPolicy = AgentPolicy()
    hooks: HooksPolicy = HooksPolicy()
    loop: LoopPolicy = LoopPolicy()
    tracker: dict[str, object] = {}
    polling: dict[str, object] = {}
    workspace: dict[str, object] = {}
    codex: dict[str, object] = {}
    instructions: str = ""

    def setup_commands(self) -> tuple[str, ...]:
        """What to run in a fresh worktree, in order."""
        after = self.hooks.after_create.strip()
        return self.loop.setup + ((after,) if after else ())


def read_policy(text: str | None, where: str) -> RepositoryPolicy:
    """The policy in `text`; `where` ('acme/shop at main') is named in errors. None means there is no file."""
    if text is None:
        raise PolicyError(f"{where} has no {FILE}: add one at the root of the repository, see README, Real accounts.")
    try:
        head, body = _split(text)
        if not isinstance(head, dict):
            raise PolicyError(
                f"{FILE} in {where} has front matter that is a {type(head).__name__}, not keys and values."
            )
        return RepositoryPolicy.model_validate({**head, "instructions": body.strip()})
    except yaml.YAMLError as error:
        raise PolicyError(f"{FILE} in {where} has front matter that is not YAML: {_one_line(error)}.") from error
    except ValidationError as error:
        raise PolicyError(f"{FILE} in {where} is wrong: {_problems(error)}.") from error


def _split(text: str) -> tuple[object, str]:
    """Front matter as YAML has it, and the body. The library's own `parse` overlooks front matter of a wrong shape."""
    handler = YAMLHandler()
    if not handler.detect(text):
        return {}, text
    head, body = handler.split(text)
    return handler.load(head) or {}, body


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'front matter'}: {e['msg']}" for e in error.errors()[:5])
