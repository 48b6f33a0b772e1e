"""Notes with the instructions of the folders that an agent enters while it works. Called by `jobs.roles.slice`.

The prompt's prefix never changes during a run, for the prompt cache, so the AGENTS.md of a folder that neither plan nor
diff names comes as a note, once per run.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.git.mirror import Mirror
from integrations.ports.agent_runner import Entry
from jobs.evidence.provenance import list_instructions
from jobs.loop.commands import RunSpec
from jobs.roles.instructions import InstructionFile, format_files, list_folders, read_chain
from jobs.roles.ticket_brief import fence

NOTE_CHARACTERS = 16_000
MOST_NOTES = 20
"""Notes of one run."""


class FolderNotes:
    """Finds the files that a run was not given yet: neither in its prompt (`given`) nor in a note of its transcript.
    Thread-safe: the calls of one reply run in parallel."""

    def __init__(
        self, mirror: Mirror, spec: RunSpec, given: Sequence[InstructionFile], entries: Sequence[Entry]
    ) -> None:
        self._mirror, self._spec, self._lock = mirror, spec, threading.Lock()
        self._given = {file.path for file in given} | set(list_instructions("", entries))
        self._left = MOST_NOTES - sum(1 for entry in entries if entry.kind == "note" and "instructions" in entry.data)
        self._visited = set(list_folders([file.folder for file in given]))

    def find(self, path: str) -> Mapping[str, Any] | None:
        """The data of the note for the first call that names a path in such a folder."""
        with self._lock:
            folders = set(list_folders([path]))
            if folders <= self._visited or self._left <= 0:
                return None
            self._visited |= folders
            files = read_chain(self._mirror, self._spec.workspace.base_sha, [path], self._given)
            if not files:
                return None
            self._given |= {file.path for file in files}
            self._left -= 1
        text = fence(self._spec, "repository", format_files(files, NOTE_CHARACTERS))
        heading = "The repository has own instructions for a folder that you entered. They apply to work below it:"
        return {"text": f"{heading}\n\n{text}", "instructions": [file.path for file in files]}
