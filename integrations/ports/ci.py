"""Details of failing checks, as the code host has them. Values only; all texts are from outside."""

from __future__ import annotations

from integrations.ports.pull_request import CheckConclusion
from integrations.values import value


@value
class CheckFailure:
    """A check that did not pass. `id` and `name` are those of the `HostCheck`, `group` its workflow or app, `step` the
    job's first step that failed.

    `annotations` are lines as 'path:line: text'; `log` is the end of the step's output, or the check's own summary;
    `note` names what could not be read, and why."""

    id: str
    name: str
    conclusion: CheckConclusion
    group: str = ""
    step: str = ""
    annotations: tuple[str, ...] = ()
    log: str = ""
    url: str = ""
    note: str = ""
