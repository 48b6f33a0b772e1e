"""Sends webhooks as GitHub does: signed, once, without retries, each attempt recorded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from integrations.standins.github.hub import Hub, Repository, now
from integrations.standins.github.records import Delivery, Hook
from integrations.standins.github.seed import App
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.repositories import repository as repository_shape
from integrations.standins.github.shapes.view import View, node_id
from integrations.standins.wire import WEBHOOK_FAULTS, Answer, deliver, hmac_sha256

TIMEOUT_S = 10.0
HOOK_IDS = 900_000_000  # plus the id of the App or the repository
STATUS_OF_FAILURE = {"timed out": 504, "failed to connect to host": 502}


def signature(secret: str, body: bytes) -> str:
    """The value of X-Hub-Signature-256."""
    return f"sha256={hmac_sha256(secret, body)}"


def app_hook_id(app: App) -> int:
    """The id of the App's own hook."""
    return HOOK_IDS + app.id


@dataclass(frozen=True)
class Target:
    """A hook. `kind` and `owner_id` are the Hook-Installation-Target headers."""

    hook_id: int
    url: str
    secret: str
    kind: str
    owner_id: int
    installation_id: int | None = None
    events: tuple[str, ...] = ("*",)

    def gets(self, event: str) -> bool:
        """Whether it is subscribed to this event."""
        return "*" in self.events or event in self.events


@dataclass(frozen=True)
class Message:
    """One event for one target."""

    target: Target
    guid: str
    event: str
    action: str | None
    repository_id: int
    body: bytes
    redelivery: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """GitHub's headers, without the legacy SHA-1 signature."""
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/1a2b3c4",
            "X-GitHub-Delivery": self.guid,
            "X-GitHub-Event": self.event,
            "X-GitHub-Hook-ID": str(self.target.hook_id),
            "X-GitHub-Hook-Installation-Target-ID": str(self.target.owner_id),
            "X-GitHub-Hook-Installation-Target-Type": self.target.kind,
            "X-Hub-Signature-256": signature(self.target.secret, self.body),
        }


class Webhooks:
    """The webhooks of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def targets(self, repository: Repository) -> list[Target]:
        """The hooks of the Apps that are installed on the repository, or else the repository's own hook."""
        wanted = self._hub.webhook
        where = (wanted.url, wanted.secret) if wanted else ("", "")
        hooks = []
        for app, one in self._hub.installations(repository.name):
            own = (app.webhook_url, app.webhook_secret) if app.webhook_url else where
            hooks.append(Target(app_hook_id(app), *own, "integration", app.id, one.id, tuple(app.events)))
        for hook in self._hub.store.all(Hook, repository=repository.name, active=True):
            hooks.append(Target(hook.id, hook.url, hook.secret, "repository", repository.id, None, tuple(hook.events)))
        if wanted and not hooks:
            hooks.append(Target(HOOK_IDS + repository.id, *where, "repository", repository.id))
        return [hook for hook in hooks if hook.url]

    def emit(
        self,
        view: View,
        repository: Repository,
        sender: str,
        event: str,
        action: str | None,
        parts: Mapping[str, Any],
        causes: Sequence[str] = (),
    ) -> None:
        """Send one event to each target, under one GUID. `causes` are further names for faults."""
        payload = {
            **({"action": action} if action else {}),
            **parts,
            "repository": repository_shape(view, repository),
            "sender": user(view, sender),
        }
        guid = str(uuid.uuid4())
        fault = self._hub.faults.take([event, f"{event}.{action}", *causes], WEBHOOK_FAULTS)
        for target in self.targets(repository):
            if not target.gets(event):
                continue
            message = Message(target, guid, event, action, repository.id, _body(payload, target))
            self._send(message, fault.kind if fault else "", fault.seconds if fault else 0.0)

    def redeliver(self, delivery: Delivery) -> None:
        """Send a recorded delivery again: same GUID, same bytes, to the current URL of its hook."""
        for repository in self._hub.repositories.values():
            for target in self.targets(repository):
                if (target.hook_id, repository.id) == (delivery.hook_id, delivery.repository_id):
                    about = delivery.guid, delivery.event, delivery.action, delivery.repository_id
                    body = self._file(delivery.guid, delivery.hook_id).read_bytes()
                    self._send(Message(target, *about, body, redelivery=True))

    def _file(self, guid: str, hook_id: int) -> Path:
        return self._hub.home / "payloads" / f"{guid}-{hook_id}.json"

    def _send(self, message: Message, fault: str = "", seconds: float = 0.0) -> None:
        file = self._file(message.guid, message.target.hook_id)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(message.body)
        if fault == "webhook_drop":
            self._record(message, Answer(0, "failed to connect to host", 0.0))
            return
        for _ in range(2 if fault == "webhook_duplicate" else 1):
            self._hub.sender.schedule(partial(self._deliver, message), seconds if fault == "webhook_delay" else 0.0)

    def _deliver(self, message: Message) -> None:
        self._record(message, deliver(message.target.url, message.headers, message.body, TIMEOUT_S))

    def _record(self, message: Message, answer: Answer) -> None:
        code = answer.code or STATUS_OF_FAILURE[answer.reason]
        status = answer.reason if not answer.code else "OK" if answer.ok else f"Invalid HTTP Response: {code}"
        about = message.guid, message.target.hook_id, message.event, message.action, message.repository_id
        how = message.redelivery, now(), round(answer.seconds, 2)
        installation, new_id = message.target.installation_id, self._hub.store.new_id()
        self._hub.store.put(Delivery(new_id, *about, installation, *how, status, code))


def _body(payload: Mapping[str, Any], target: Target) -> bytes:
    if target.installation_id is not None:
        installed = {"id": target.installation_id, "node_id": node_id("Installation", target.installation_id)}
        payload = {**payload, "installation": installed}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
