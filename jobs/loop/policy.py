"""`WORKFLOW.md`: the repository's policy for Loopline.

Read from the base branch by `jobs.effects.perform`, never from an agent's tree. Pure: text in, policy out. The front
matter keeps Symphony's key names and meanings, so that a team can reuse its file; Loopline's own keys are below `loop`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from integrations.explain import explain, show_name
from integrations.values import Codec, value
from jobs.loop.base_policy import BasePolicy
from jobs.loop.ci_policy import CiPolicy
from jobs.loop.connector_policy import ConnectorPolicies
from jobs.loop.environment_policy import AgentHosts, EnvironmentPolicy
from jobs.loop.front_matter import FrontMatter, FrontMatterError, read_front_matter
from jobs.loop.lesson_state import LessonMode
from jobs.loop.merge_policy import MergePolicy
from jobs.loop.overlap_policy import OverlapPolicy
from jobs.loop.policy_fields import Command, Commands, Lines, Minutes, Name, check_line
from jobs.loop.proof_policy import ProofPolicy
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.review_policy import ReviewPolicy
from jobs.loop.symphony import AgentPolicy, HooksPolicy, TrackerPolicy, list_notes, split_keys, without_clone
from jobs.loop.template import find_template_problems
from jobs.loop.tools_policy import ToolsPolicy

FILE = "WORKFLOW.md"
TESTS = ("**/test_*", "**/*_test.*", "**/*.test.*", "**/*.spec.*", "**/tests/**", "**/__tests__/**")


LONGEST_INSTRUCTIONS = 65_536
"""Characters; the instructions are part of every prompt."""
MOST_PROBLEMS = 5
_PLACE = re.compile(r"^line \d+|\.\d+(?=[.:])")
"""The parts of a problem in which entries of one list differ."""


class PolicyError(ValueError):
    """`WORKFLOW.md` is missing or cannot be used; the message names the place and the fix."""


Dollars = Annotated[float, Field(ge=0, le=10_000)]


@value
class Check:
    """A command that must exit 0 in a clean checkout before work counts as done."""

    name: Annotated[str, AfterValidator(check_line)] = Field(min_length=1, max_length=60)
    run: Command
    minutes: Minutes | None = None
    """Its time limit; None is that for checks."""


@value
class LimitsPolicy:
    """Limits of commands and changes. None is the service's default; `jobs.loop.limit_bounds` has the operator's
    bounds."""

    command_minutes: Minutes | None = None
    """Time limit of an agent's command."""
    check_minutes: Minutes | None = None
    """Time limit of a command of the gate."""
    output_megabytes: int = Field(default=64, ge=1, le=10_000)
    """Output of one command; more ends it."""
    files: int = Field(default=500, ge=1, le=1_000_000)
    """Files that one change can touch."""
    file_megabytes: float = Field(default=5.0, ge=0.01, le=10_000)
    """Size of one changed file."""
    total_megabytes: float = Field(default=50.0, ge=0.01, le=10_000)
    """Size of all changed files together."""


@value
class Role:
    """Overrides for one agent role. Empty means the service's default; `runner` has to be one that is set up there."""

    model: Name = ""
    runner: Name = ""
    effort: Literal["", "low", "medium", "high", "xhigh", "max"] = ""


@value
class Roles:
    """The roles that a repository can configure."""

    planner: Role = Role()
    scout: Role = Role()
    maker: Role = Role()
    judge: Role = Role()
    checker: Role = Role()
    answer: Role = Role()
    triage: Role = Role()
    matcher: Role = Role()
    lesson: Role = Role()


@value
class SpinningPolicy:
    """When an agent counts as spinning. Each number is consecutive occurrences."""

    same_result: int = Field(default=4, ge=2, le=100)
    """The same action with the same result."""
    same_error: int = Field(default=3, ge=2, le=100)
    """The same action that ends in the same error."""
    near_repeat: int = Field(default=6, ge=2, le=100)
    """Actions that differ only in comments, numbers, times or order, with the same result."""
    alternating: int = Field(default=3, ge=2, le=100)
    """The same two to eight actions, in turn."""
    polls: int = Field(default=20, ge=2, le=1000)
    """Actions that poll, with the same result."""
    calls_per_turn: int = Field(default=60, ge=1, le=1000)
    """Tool calls of one reply. Not consecutive."""
    calls_before_change: int = Field(default=200, ge=10, le=10_000)
    """A maker's tool calls before its first change. Not consecutive."""
    monologue: int = Field(default=3, ge=2, le=100)
    """Replies without a tool call that do not end the work."""
    unchanged_turns: int = Field(default=12, ge=2, le=1000)
    """A maker's turns, after its first change, without another change of the diff."""
    same_failures: int = Field(default=3, ge=2, le=20)
    """Iterations in which the very same checks fail."""
    polling: Lines = ("sleep", "watch", "tail -f", "wait")
    """Commands that can be repeated: one that contains such a text polls for something."""


@value
class ContextPolicy:
    """When old tool results leave the conversation. Tokens are those of the prompt."""

    clear_at_tokens: int = Field(default=100_000, ge=1_000, le=1_000_000)
    keep_tool_uses: int = Field(default=6, ge=1, le=100)
    clear_at_least_tokens: int = Field(default=20_000, ge=0, le=1_000_000)


@value
class LoopPolicy:
    """Loopline's own keys."""

    checks: tuple[Check, ...] = Field(default=(), max_length=100)
    """Commands of the gate, run by Loopline itself."""
    contract: Literal["auto", "ask"] = "auto"
    """auto: a proposal can start without a person. ask: a ticket without acceptance criteria always needs an answer."""
    environment: EnvironmentPolicy = EnvironmentPolicy()
    """Dependencies and services of the commands."""
    connectors: ConnectorPolicies = Field(default_factory=dict)
    """MCP servers of the operator that agents can use, by name."""
    network: AgentHosts = ()
    """Hosts that agents, gate and checker can connect to, as far as the operator allows them."""
    setup: Commands = ()
    """Setup commands of the environment, run after those of `environment.setup`."""
    iterations: int | None = Field(default=None, ge=1, le=20)
    """Tries at the contract before a person is asked; None is the service's default."""
    attempts: int | None = Field(default=None, ge=1, le=10)
    """Fresh tries, each with its iterations; None is the service's default."""
    budget_usd: Dollars | None = None
    """US dollars per run; 0 allows no cost; None is the service's default."""
    ticket_budget_usd: Dollars | None = None
    """US dollars per ticket; 0 allows no cost; None is the service's default."""
    wall_minutes: float | None = Field(default=None, ge=0.5, le=1440)
    """Timeout of a run in minutes; None is the service's default."""
    limits: LimitsPolicy = LimitsPolicy()
    scout: bool = True
    """Whether a cheaper agent explores the repository before the maker starts."""
    co_author: bool = True
    """Whether commits name the ticket's creator, with the e-mail address, as co-author."""
    submodules: bool = False
    """Whether Loopline fetches the submodules that are on the same code host."""
    lfs: bool = False
    """Whether Loopline fetches the files of Git LFS from the code host."""
    protected: Lines = ()
    """Further path patterns that an agent must not change."""
    tests: Lines = TESTS
    """Path patterns of the repository's tests, beside the built-in table of layouts."""
    proof: ProofPolicy = ProofPolicy()
    flaky_reruns: int = Field(default=2, ge=0, le=3)
    """Retries of a failing command at the same commit, to separate flaky from broken."""
    ci: CiPolicy = CiPolicy()
    base: BasePolicy = BasePolicy()
    review: ReviewPolicy = ReviewPolicy()
    merge: MergePolicy = MergePolicy()
    pull_request: PullRequestPolicy = PullRequestPolicy()
    overlap: OverlapPolicy = OverlapPolicy()
    lessons: LessonMode = "propose"
    """off: none are drafted. draft: drafted from corrections by people, and listed. propose: one that is seen on two
    tickets becomes a pull request against a skill."""
    spinning: SpinningPolicy = SpinningPolicy()
    context: ContextPolicy = ContextPolicy()
    roles: Roles = Roles()
    tools: ToolsPolicy = ToolsPolicy()
    automations: dict[str, Any] = Field(default_factory=dict)
    """Automations by their name: the keys of `.loopline/automations/<name>.md`, and its text as `prompt`."""

    def runner_of(self, role: str) -> str:
        """The runner for this agent role; empty means the service's default."""
        own: Role = getattr(self.roles, role)
        return own.runner


@value
class RepositoryPolicy:
    """All of `WORKFLOW.md`. `instructions` is its Markdown body: the maker's brief."""

    agent: AgentPolicy = AgentPolicy()
    hooks: HooksPolicy = HooksPolicy()
    loop: LoopPolicy = LoopPolicy()
    tracker: TrackerPolicy = TrackerPolicy()
    instructions: str = Field(default="", max_length=LONGEST_INSTRUCTIONS)
    notes: tuple[str, ...] = ()
    """What of the file has no effect, one sentence each without a full stop. Not a key of the file."""

    def setup_commands(self) -> tuple[str, ...]:
        """Commands that build an environment, in order."""
        return self.loop.environment.setup + self._further_commands()

    def maintain_commands(self) -> tuple[str, ...]:
        """Commands that bring an environment with other inputs up to date; empty: it is built anew."""
        own = self.loop.environment.maintain
        return own + self._further_commands() if own else ()

    def _further_commands(self) -> tuple[str, ...]:
        after = without_clone(self.hooks.after_create.strip())
        return self.loop.setup + ((after,) if after else ())


POLICY: Codec[RepositoryPolicy] = Codec(RepositoryPolicy)
_ADAPTER = TypeAdapter(RepositoryPolicy)
"""For the file, in which an unknown key is an error."""


@dataclass(frozen=True)
class Inspection:
    """All findings about one file. `policy` is None if there are `problems`; each of those begins with 'line N'.

    `notes` are (line, text) about parts without an effect; those in `policy` are summarized for a ticket."""

    policy: RepositoryPolicy | None
    problems: tuple[str, ...] = ()
    notes: tuple[tuple[int, str], ...] = ()


def read_policy(text: str | None, where: str) -> RepositoryPolicy:
    """The policy in `text`; `where` ('acme/shop at main') is named in errors. None means there is no file."""
    if text is None:
        raise PolicyError(f"{where} has no {FILE}: add one at the root of the repository, see README, Real accounts.")
    found = inspect_policy(text)
    if found.policy is None:
        different = {_PLACE.sub("", one): one for one in reversed(found.problems)}  # of a list the first such entry
        shown = [one for one in found.problems if one in different.values()][:MOST_PROBLEMS]
        more = [f"{len(found.problems) - len(shown)} more"] if len(found.problems) > len(shown) else []
        raise PolicyError(f"{FILE} in {where} cannot be used: {'. Also '.join([*shown, *more])}.")
    return found.policy


def inspect_policy(text: str) -> Inspection:
    """Read the text of a `WORKFLOW.md` and find all problems and all parts without an effect."""
    try:
        head = read_front_matter(text)
        if "instructions" in head.values:
            line = head.find_line(("instructions",))
            raise FrontMatterError(
                f"line {line}, instructions: it is no key; write the instructions below the front matter"
            )
        own, ignored = split_keys(head, ("loop",))
    except FrontMatterError as error:
        return Inspection(None, (str(error),))
    body = head.body.strip()
    try:
        given = json.dumps({**own, "instructions": body})
        policy = _ADAPTER.validate_json(given, strict=True)  # JSON, so that numbers in quotes are no numbers
    except ValidationError as error:
        return Inspection(None, tuple(list_problems(error, head, _ADAPTER)))
    template = find_template_problems(body)
    summary = (*list_notes(ignored, policy.hooks.after_create), *(problem for _, problem in template))
    first_line = text.count("\n") - head.body.lstrip().count("\n")
    notes = [(line, f"{key}: it has no meaning here and is ignored") for line, key in ignored]
    notes += [(head.find_line(("hooks", "after_create")), note) for note in list_notes((), policy.hooks.after_create)]
    notes += [(first_line + line, problem) for line, problem in template]
    return Inspection(replace(policy, notes=summary), notes=tuple(notes))


def check_runners(policy: RepositoryPolicy, runners: Sequence[str], where: str) -> None:
    """Raise `PolicyError` for a role whose runner is not one of `runners`, those that the operator has set up."""
    for role in (field.name for field in fields(Roles)):
        wanted = policy.loop.runner_of(role)
        if wanted and wanted not in runners:
            known = ", ".join(runners)
            raise PolicyError(
                f"{FILE} in {where} chooses the runner {wanted!r} for the {role}. Known runners here: {known}."
            )


def list_problems(error: ValidationError, head: FrontMatter, adapter: TypeAdapter[Any]) -> Iterator[str]:
    """Each problem with its line and key, one sentence each."""
    for one in error.errors(include_url=False):
        path = tuple(part for part in one["loc"] if part != "[key]")
        name = ".".join(show_name(str(part)) for part in path)
        yield f"line {head.find_line(path)}, {name}: {_explain(one, adapter)}"


def _explain(error: ErrorDetails, adapter: TypeAdapter[Any]) -> str:
    """The explanation; of an unknown key with the nearest one beside it."""
    if error["type"] == "unexpected_keyword_argument":
        *parents, name = error["loc"]
        if near := get_close_matches(str(name).lower(), list_keys(adapter.json_schema(), parents), n=1, cutoff=0.7):
            return f"it is an unknown key; the nearest one is {near[0]}"
    return explain(error)


def list_keys(schema: Mapping[str, Any], path: Sequence[str | int]) -> tuple[str, ...]:
    """Return the keys that the JSON schema knows at a path."""
    place: Mapping[str, Any] = schema
    for part in (*path, None):
        while reference := place.get("$ref"):
            place = schema["$defs"][reference.rpartition("/")[2]]
        if part is not None:
            place = place.get("items", {}) if isinstance(part, int) else place.get("properties", {}).get(part, {})
    return tuple(place.get("properties", ()))
