"""How a role hands in its answer: one tool whose schema is a pydantic model, and whose call ends the run.

Used by `verdict`, `proposal`, `plan` and `judgement`; `tools` offers it to the model. What is wrong with an answer goes
back to the model with the names of the fields. Pure, but for what a caller's `take` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from integrations.ports.agent_runner import ToolResult, ToolSpec

Form = TypeVar("Form", bound=BaseModel)
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class HostTool:
    """A tool that is answered outside of the sandbox. `take` gets the arguments and `stopped`; for a submission its
    result is final, or says what to mend."""

    spec: ToolSpec
    take: Callable[[Mapping[str, Any], Stopped], ToolResult]


@dataclass(frozen=True)
class OnlySubmission:
    """The `Toolbox` of a role that has nothing to do but to answer."""

    submission: HostTool

    def specs(self) -> Sequence[ToolSpec]:
        """The one tool."""
        return (self.submission.spec,)

    def call(self, name: str, arguments: Mapping[str, Any], stopped: Stopped) -> ToolResult:
        """Take the answer."""
        if name != self.submission.spec.name:
            return ToolResult(f"There is no tool {name}; there is {self.submission.spec.name}.", is_error=True)
        return self.submission.take(arguments, stopped)

    def work_digest(self, stopped: Stopped) -> str | None:
        """None: nothing can be changed."""
        return None


def form_spec(name: str, description: str, form: type[BaseModel]) -> ToolSpec:
    """The tool as the model sees it."""
    return ToolSpec(name, description, form.model_json_schema())


def filled(form: type[Form], arguments: Mapping[str, Any]) -> Form | ToolResult:
    """The answer, or an error that names each field that is wrong."""
    try:
        return form.model_validate(dict(arguments))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()[:10])
        return back(f"The answer is not valid. {'; '.join(problems)}.")


def back(problem: str) -> ToolResult:
    """What is wrong, for the model."""
    return ToolResult(f"{problem} Send the whole answer again.", is_error=True)


def taken(answer: Mapping[str, Any]) -> ToolResult:
    """The end of the run, with the answer as its result; the transcript keeps it as JSON."""
    return ToolResult("The answer is taken.", final=answer)
