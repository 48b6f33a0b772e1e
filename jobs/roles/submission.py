"""The tool by which a role submits its answer: its schema is a pydantic model, and a valid call ends the run.

Used by the roles. Errors in an answer are returned to the model with the names of the fields, for a retry. Pure, except
for the effects of a caller's `take`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from integrations.ports.agent_runner import ToolResult, ToolSpec

Form = TypeVar("Form", bound=BaseModel)
IsStopped = Callable[[], bool]
STRICT = ConfigDict(extra="forbid", str_strip_whitespace=True)


@dataclass(frozen=True)
class HostTool:
    """A tool that runs outside of the sandbox. `take` gets the arguments and a check whether the run is stopped; for a
    submission it returns the final result, or an error for the model."""

    spec: ToolSpec
    take: Callable[[Mapping[str, Any], IsStopped], ToolResult]


@dataclass(frozen=True)
class RequestTool:
    """A tool that another process answers. `ask` gets the call's id too: a call that was interrupted is repeated."""

    spec: ToolSpec
    ask: Callable[[Mapping[str, Any], IsStopped, str], ToolResult]


@dataclass(frozen=True)
class OnlySubmission:
    """The `Toolbox` of a role whose only tool is its submission."""

    submission: HostTool

    def specs(self) -> Sequence[ToolSpec]:
        return (self.submission.spec,)

    def call(self, name: str, arguments: Mapping[str, Any], stopped: IsStopped, call_id: str = "") -> ToolResult:
        if name != self.submission.spec.name:
            return ToolResult(f"There is no tool {name}; there is {self.submission.spec.name}.", is_error=True)
        return self.submission.take(arguments, stopped)

    def work_digest(self, stopped: IsStopped) -> str | None:
        """None: there is no work tree."""
        return None


def parse_form(form: type[Form], arguments: Mapping[str, Any]) -> Form | ToolResult:
    """The answer, or an error that names each invalid field."""
    try:
        return form.model_validate(dict(arguments))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()[:10])
        return reject_answer(f"The answer is not valid. {'; '.join(problems)}.")


def accept_form(form: type[BaseModel], arguments: Mapping[str, Any]) -> ToolResult:
    """End the run with the answer as its result, or return an error that names each invalid field."""
    answer = parse_form(form, arguments)
    return answer if isinstance(answer, ToolResult) else accept_answer(answer.model_dump(mode="json"))


def reject_answer(problem: str) -> ToolResult:
    return ToolResult(f"{problem} Send the whole answer again.", is_error=True)


def accept_answer(answer: Mapping[str, Any]) -> ToolResult:
    """The end of the run; the transcript stores the answer as JSON."""
    return ToolResult("The answer is taken.", final=answer)
