"""Builds an environment once, also when several processes and tickets ask for it at the same time. Called by
`jobs.roles.environment`, which runs the commands.

A build happens in a folder of its own, which the next builder deletes if this process is killed.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from integrations.environments.failure import EnvironmentFailed
from integrations.environments.harvest import check_secrets, clean_folder, clean_layer, measure
from integrations.environments.request import EnvironmentRequest
from integrations.environments.store import EnvironmentStore, Layer
from integrations.errors import NotAttempted, Rejected
from integrations.failpoints import fail
from integrations.git.trash import delete as delete_tree
from integrations.git.workspace import Workspace
from integrations.sandbox.identity import hand_over
from integrations.sandbox.leftovers import kill_sandboxes

_POLL_SECONDS = 0.1
_PATIENCE = 5.0  # seconds that a waiting run keeps its slot
_RETRY_SECONDS = 5.0
_GB = 1e9
_log = structlog.get_logger(__name__)


class BuildStopped(Exception):
    """The run was stopped meanwhile."""


@dataclass(frozen=True)
class Build:
    """One request for an environment.

    `create_workspace` makes a clean checkout in a folder, `remove_workspace` deletes it. `run` runs a setup command
    with a layer below the work tree and raises `EnvironmentFailed` or `BuildStopped`; `list_untracked` returns files
    that the repository does not ignore. `tracked` are the paths of the commit, `secrets` the values by name."""

    store: EnvironmentStore
    request: EnvironmentRequest
    name: str
    tracked: Collection[str]
    create_workspace: Callable[[Path], Workspace]
    remove_workspace: Callable[[Path], None]
    run: Callable[[Workspace, Path, str, float], None]
    list_untracked: Callable[[Workspace, Path], tuple[str, ...]]
    stopped: Callable[[], bool]
    seconds: float
    most_bytes: int
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find_or_build(self) -> Layer:
        """The finished environment. Raises `EnvironmentFailed`, `BuildStopped`, and `NotAttempted` while another run
        builds it."""
        request, deadline = self.request, time.monotonic() + _PATIENCE
        while not (layer := self.store.find(request.repository, request.digest)):
            with self.store.try_to_build(request.repository, request.digest, self.name) as builder:
                if not builder:
                    return self.store.find(request.repository, request.digest) or self._build()
            if self.stopped():
                raise BuildStopped
            if time.monotonic() > deadline:
                raise NotAttempted(f"waiting for the environment that {builder} builds", _RETRY_SECONDS)
            time.sleep(_POLL_SECONDS)
        return layer

    def _build(self) -> Layer:
        request, began = self.request, time.monotonic()
        _log.info("environment build started", repository=request.repository, environment=request.digest[:12])
        related = self.store.find_related(request.repository, request.family) if request.maintain else None
        try:
            layer = self._build_from(related, request.maintain, began) if related else None
        except EnvironmentFailed as error:
            _log.warning("environment not maintained, will be built anew", reason=str(error))
            layer = None
        layer = layer or self._build_from(None, request.setup, began)
        assert layer, "only an old environment can be removed meanwhile"
        _log.info(
            "environment built", repository=request.repository, environment=request.digest[:12],
            seconds=round(layer.seconds, 1), bytes=layer.size, files=layer.files,
        )  # fmt: skip
        return layer

    def _build_from(self, old: Layer | None, commands: tuple[str, ...], began: float) -> Layer | None:
        """None if the old environment was removed meanwhile."""
        with self._open_draft() as draft:
            workspace = self.create_workspace(draft / "run")
            seed = draft / "seed"
            for name in ("tree", "home"):
                (seed / name).mkdir(parents=True)
            if old and not self._copy(old, workspace, draft):
                return None
            for command in commands:
                self.run(workspace, seed, command, max(began + self.seconds - time.monotonic(), 0.1))
                fail("environment.command", "done")
            return self._publish(draft, workspace, seed, commands, began)

    @contextmanager
    def _open_draft(self) -> Iterator[Path]:
        draft = self.store.draft(self.request.repository, self.request.digest)
        self._delete(draft)
        try:
            draft.mkdir(parents=True)
            yield draft
        finally:
            self._delete(draft)

    def _delete(self, draft: Path) -> None:
        if draft.exists():
            kill_sandboxes(draft)
            self.remove_workspace(draft / "run")
            delete_tree(draft)

    def _copy(self, old: Layer, workspace: Workspace, draft: Path) -> bool:
        """Copy the old environment into the layers that the commands write, without files that are tracked now."""
        with self.store.hold(old) as is_there:
            copied = is_there and all(
                _run("cp", "-a", "--reflink=auto", str(old.path / name), str(draft / f"old-{name}"))
                for name in ("tree", "home")
            )
        if not copied:
            return False
        clean_layer(draft / "old-tree", self.tracked)
        for name, target in (("tree", workspace.upper), ("home", workspace.home)):
            _run("cp", "-al", "--remove-destination", f"{draft / f'old-{name}'}/.", f"{target}/")
            delete_tree(draft / f"old-{name}")
        return True

    def _publish(self, draft: Path, workspace: Workspace, seed: Path, commands: tuple[str, ...], began: float) -> Layer:
        request = self.request
        exclude = self.list_untracked(workspace, seed)
        workspace.upper.rename(draft / "tree")
        workspace.home.rename(draft / "home")
        self.remove_workspace(workspace.folder)
        delete_tree(seed)
        clean_layer(draft / "tree", self.tracked)
        clean_folder(draft / "home")
        for name in ("tree", "home"):
            hand_over(draft / name)
        try:
            check_secrets(draft, self.secrets)
        except Rejected as error:
            raise EnvironmentFailed("", 0, reason=str(error)) from None
        size, files = measure(draft)
        if size > self.most_bytes:
            raise EnvironmentFailed(
                "", 0, reason=f"the environment has {size / _GB:.2f} GB, more than LOOPLINE_ENVIRONMENT_GIGABYTES "
                f"({self.most_bytes / _GB:g}): let the setup commands delete caches, or let the operator raise it",
            )  # fmt: skip
        layer = Layer(
            path=self.store.place(request.repository, request.digest), repository=request.repository,
            digest=request.digest, family=request.family, commands=commands, inputs=tuple(sorted(request.inputs)),
            exclude=exclude, size=size, files=files, seconds=round(time.monotonic() - began, 3), created=time.time(),
            built_for=self.name,
        )  # fmt: skip
        fail("environment.publish", "before")
        return self.store.publish(draft, layer)


def _run(*command: str) -> bool:
    """Run a program of the host on files that setup wrote; returns whether it succeeded."""
    return subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True).returncode == 0
