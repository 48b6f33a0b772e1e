"""The maker on the feature ticket of the demo repository: `--json`, or the flag that a person requests.

The flag is read from the steering in each request, so late steering makes it rewrite its changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from integrations.standins.model.playbook import (
    PEOPLE,
    RUN_ALL,
    Answer,
    Playbook,
    bash,
    create,
    play,
    read_file,
    review_script,
    run_python,
    view,
)
from integrations.standins.model.request import Request

_FLAG = re.compile(r"(?P<flag>--[a-z][a-z0-9-]*)(?:[ =](?P<value>json)\b)?")


@dataclass(frozen=True)
class Flag:
    """`--json`, or with a value `--format json`."""

    name: str
    value: str = ""

    @property
    def usage(self) -> str:
        return f"{self.name} {self.value}".strip()

    @property
    def argument(self) -> str:
        """The line for argparse."""
        if self.value:
            return (
                f'parser.add_argument("{self.name}", choices=["table", "{self.value}"], default="table", '
                'help="how to print the balances")'
            )
        return f'parser.add_argument("{self.name}", action="store_true", help="print the balances as JSON, in cents")'

    @property
    def condition(self) -> str:
        option = "options." + self.name.lstrip("-").replace("-", "_")
        return f'{option} == "{self.value}"' if self.value else option


def wanted_flag(request: Request) -> Flag:
    """The flag in the last message of a person that names one; `--json` without any."""
    for words in reversed((request.section(PEOPLE), *request.steering)):
        found = list(_FLAG.finditer(words))
        if found:
            return Flag(found[-1]["flag"], found[-1]["value"] or "")
    return Flag("--json")


def _script(flag: Flag, opening: str) -> tuple[Answer, ...]:
    # The edit starts from the committed file, so that it can be run again for another flag.
    cli = run_python(read_file("edit_cli.py", ADD_ARGUMENT=flag.argument, CONDITION=flag.condition))
    readme = run_python(read_file("edit_readme.py", USAGE=flag.usage))
    tests = read_file("test_export.py", ARGUMENTS=", ".join(f'"{word}"' for word in flag.usage.split()))
    try_it = f"python3 -m tally examples/trip.csv {flag.usage} && {RUN_ALL}"
    return (
        Answer(opening, (view("tally/cli.py"), view("tally/report.py"), view("tests/test_cli.py"))),
        Answer(
            f"`cli.py` decides what is printed; a new module turns balances into JSON. The flag is `{flag.usage}`.",
            (create("tally/export.py", read_file("export.py")), cli),
        ),
        Answer(
            "Now tests that call the command line as a script would, and the README.",
            (create("tests/test_export.py", tests), readme),
        ),
        Answer("I try it, and run the whole suite.", (bash(try_it),)),
        Answer(
            f"`python3 -m tally FILE {flag.usage}` prints the balances as JSON, cents by name. The tests call "
            "it through the command line, and README.md shows it. I did not check names that need escaping."
        ),
    )


def _answer(request: Request) -> Answer:
    flag = wanted_flag(request)
    opening = "I look at how the command line prints the balances today."
    if request.steering:
        opening = f"Understood, the flag will be `{flag.usage}`. I look at where the work stands."
    if request.is_revision and not _FLAG.search(request.section("Contract")):
        return play(review_script(request), request)
    return play(_script(flag, opening), request)


PLAYBOOK = Playbook(
    "feature", matches=lambda request: request.role == "maker" and "json" in request.title.lower(), answer=_answer
)
