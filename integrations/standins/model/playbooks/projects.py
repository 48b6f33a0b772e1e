"""The makers on the tickets of the projects with dependencies: one edit, one test, the whole suite."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.standins.model.playbook import (
    Answer,
    Playbook,
    bash,
    create,
    play,
    read_file,
    replace_in,
    review_script,
    view,
)
from integrations.standins.model.request import Request


@dataclass(frozen=True)
class Fix:
    """`old` becomes `new` in `path`; `test` is the new module, `run` its command and the suite."""

    title: str
    path: str
    old: str
    new: str
    test: str
    run: str

    def answer(self, request: Request) -> Answer:
        """The next step of the script, or of that of a review."""
        if request.is_revision:
            return play(review_script(request), request)
        test = create(self.test, read_file(self.test.rpartition("/")[2]))
        script = (
            Answer("I read the module that the ticket is about.", (view(self.path),)),
            Answer("First the test, then the fix.", (test, replace_in(self.path, self.old, self.new))),
            Answer("The new test and the whole suite.", (bash(self.run),)),
            Answer(f"`{self.path}` does what the ticket asks and `{self.test}` covers it. The whole suite passes."),
        )
        return play(script, request)

    def playbook(self) -> Playbook:
        """For the maker on the ticket with this title."""
        return Playbook(self.title, lambda request: (request.role, request.title) == ("maker", self.title), self.answer)


_TAKE = '    db.run(\n        "UPDATE stock SET number = number - :number WHERE item = :item",\n'
_TAKE_CHECKED = """    rows = db.run(
        "UPDATE stock SET number = number - :number WHERE item = :item AND number >= :number RETURNING number",
"""
_END = "        item=item, number=number,\n    )\n"
_RAISE = '    if not rows:\n        raise ValueError(f"there are fewer than {number} of {item}")\n'
FIXES = (
    Fix(
        title="Release candidates are offered as the latest release",
        path="releases.js",
        old="const stable = candidates;",
        new="const stable = candidates.filter((tag) => !semver.prerelease(tag));",
        test="test/candidates.test.js",
        run="node --test test/candidates.test.js && npm test",
    ),
    Fix(
        title="A tag that is no version crashes the search",
        path="releases.js",
        old="const candidates = [...tags];",
        new="const candidates = tags.filter((tag) => semver.valid(tag));",
        test="test/tags.test.js",
        run="node --test test/tags.test.js && npm test",
    ),
    Fix(
        title="Orders make the stock negative",
        path="stock/store.py",
        old=_TAKE + _END,
        new=_TAKE_CHECKED + _END + _RAISE,
        test="tests/test_shortage.py",
        run="python -m unittest tests.test_shortage -q && python -m unittest discover -q",
    ),
    Fix(
        title="A second delivery replaces the first",
        path="stock/store.py",
        old="SET number = excluded.number",
        new="SET number = stock.number + excluded.number",
        test="tests/test_deliveries.py",
        run="python -m unittest tests.test_deliveries -q && python -m unittest discover -q",
    ),
)
PLAYBOOKS = tuple(fix.playbook() for fix in FIXES)
