"""`loopline automations add NAME`: copies an automation that Loopline ships into a checkout of a repository.

Needs no settings and no network. The files are declarations like any other: a team reads, changes and commits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from jobs.loop.automation_file import FOLDER
from jobs.loop.front_matter import read_front_matter

_SHIPPED = Path(__file__).with_name("starter_automations")


def list_starters() -> Mapping[str, str]:
    """The text of each shipped automation by its name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(_SHIPPED.glob("*.md"))}


def describe_starters() -> list[str]:
    """A line for each shipped automation: name and description."""
    return [f"{name:<24} {read_front_matter(text).values['description']}" for name, text in list_starters().items()]


def add_starter(name: str, folder: Path, out: TextIO, err: TextIO) -> int:
    """Write the automation `name` into the checkout that has `folder`, or list all for an empty name. Returns 0, 1 for
    a name that is not shipped, 2 for a place that cannot be written."""
    known = list_starters()
    if name not in known:
        place = err if name else out
        place.write(f"Loopline ships no automation {name!r}. Choose one of these:\n" if name else "")
        place.writelines(f"{line}\n" for line in describe_starters())
        return 1 if name else 0
    root = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    if root is None:
        err.write(f"{folder} is in no checkout of a repository: change into one, then run the command again.\n")
        return 2
    path = root / FOLDER / f"{name}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(known[name])
    except FileExistsError:
        err.write(f"{path} exists and is not changed: remove it to start again from the shipped one.\n")
        return 2
    except OSError as error:
        err.write(f"{path} cannot be written ({error.strerror}): correct the permissions of its folder.\n")
        return 2
    out.write(
        f"Wrote {FOLDER}/{name}.md. Change it, then commit it to the base branch: Loopline reads it from there.\n"
    )
    return 0
