"""The changes that a person has to approve: named in the question, its details and the answer to `/accept`. Pure; used
by `jobs.messages.escalations` and `jobs.messages.replies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrations.proof import Experiment, ExperimentKind
from integrations.tampering import Tampering, TamperKind
from jobs.messages.experiments import list_asked
from jobs.messages.text import code, fit_lines, fold, format_tampering, inline

_MOST_PLACES, _NAME_CHARACTERS, _ANSWER_WORDS = 6, 200, 80
_GROUPS: Mapping[TamperKind, str] = {
    "protected": "protected paths",
    "secret": "possible secrets",
    "tests_lost": "existing tests that no longer pass",
    "fewer_tests": "tests that no longer run",
    "extras": "files without which the checks fail",
    "suppression": "silenced rules",
    "writes": "files that the checks change",
    "proves_nothing": "checks that prove nothing",
}
"""How the question names each kind of change; all others are `_OTHERS`."""
_OTHERS = "changed tests or checks"
_MEANINGS: Mapping[TamperKind, str] = {
    "protected": "the protected files change as in this commit",
    "secret": "none of the values is a real secret",
    "tests_lost": "these tests are replaced, and what they asserted no longer holds",
    "fewer_tests": "these tests no longer run",
    "extras": "the checks may depend on these files",
    "suppression": "the tools no longer report these places",
    "writes": "the checks may change these files while they run",
    "proves_nothing": "the work counts as done without a check that fails where it has to",
}
_KINDS: Mapping[ExperimentKind, TamperKind] = {
    "old_tests": "tests_lost",
    "counts": "fewer_tests",
    "without_extras": "extras",
    "suppressions": "suppression",
    "writes": "writes",
}
"""The kind of change that an experiment finds; listed once."""
_OTHER_MEANING = "the tests and checks change as in this commit"


def tamper_reason(found: Sequence[Tampering]) -> str:
    """The work is done, but each of these places needs a person's approval: kinds with their tests and files."""
    groups: dict[str, list[Tampering]] = {}
    for one in found:
        groups.setdefault(_GROUPS.get(one.kind, _OTHERS), []).append(one)
    order = list(dict.fromkeys([*_GROUPS.values(), _OTHERS]))
    shown = [f"{name} ({_list_places(groups[name])})" for name in order if name in groups]
    return f"the work meets the acceptance criteria but needs your approval for {', '.join(shown)}."


def list_approvals(found: Sequence[Tampering], experiments: Sequence[Experiment], most: int = 40) -> str:
    """A line for each change with its place and reason, and for each other result of the proof that a person has to
    decide."""
    lines = [format_tampering(one) for one in found[:most]]
    lines += [f"… and {len(found) - most} more"] if len(found) > most else []
    kinds = {one.kind for one in found}
    lines += list_asked([one for one in experiments if _KINDS.get(one.kind) not in kinds])
    return "\n".join(f"- {line}" for line in lines)


def acceptance_line(found: Sequence[Tampering]) -> str:
    """What `/accept` means here: 'With `/accept` these tests are replaced, …'. Empty without changes."""
    meanings = list(dict.fromkeys(_MEANINGS.get(one.kind, _OTHER_MEANING) for one in found))
    return f"`/accept` means: {'; '.join(meanings)}." if meanings else ""


def accepted_message(by: str, sha: str, found: Sequence[Tampering], experiments: Sequence[Experiment] = ()) -> str:
    """The answer to `/accept`, which lists everything that it covers."""
    covered = "all changes" if len(found) > 1 else "the change"
    head = f"{inline(by)} accepted {covered} that needed approval in `{sha[:7]}`. Continuing."
    shown, others = fit_lines(list_approvals(found, experiments).splitlines(), _ANSWER_WORDS)
    shown += [f"- … and {len(others)} more below"] * bool(others)
    return "\n\n".join(filter(None, [head, "\n".join(shown), fold("Details", "\n".join(others))]))


def _list_places(found: Sequence[Tampering]) -> str:
    """The paths; of lost tests their ids, which the text holds; of a check that proves nothing the reason."""
    names = list(dict.fromkeys(map(_name_place, found)))
    return ", ".join(names[:_MOST_PLACES]) + (f" and {len(names) - _MOST_PLACES} more" * (len(names) > _MOST_PLACES))


def _name_place(one: Tampering) -> str:
    if one.kind in ("tests_lost", "fewer_tests") and one.text:
        return code(one.text, _NAME_CHARACTERS)
    return code(one.path) if one.path else inline(one.text, _NAME_CHARACTERS)
