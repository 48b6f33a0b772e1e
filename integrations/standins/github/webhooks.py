"""Sends webhooks as GitHub does: signed, once, never again by itself, each try recorded. Called by `operations`,
`smart_http`, the routes about hooks and `server`. The parts of a payload are made before they come here.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from integrations.standins.github.hub import Hub, Repository, now
from integrations.standins.github.records import Delivery, Hook
from integrations.standins.github.shapes.people import organization, user
from integrations.standins.github.shapes.repositories import repository as repository_shape
from integrations.standins.github.shapes.view import View, node_id
from integrations.standins.wire import Answer, deliver, hmac_sha256

WEBHOOK_FAULTS = ("webhook_drop", "webhook_duplicate", "webhook_delay")
ZEN = "Keep it logically awesome."
TIME_TO_ANSWER_S = 10.0
# Ids of the hooks that the command line asks for; those made over the API have the store's.
COMMAND_LINE_HOOK_IDS = 900_000_000
STATUS_OF_SILENCE = {"timed out": 504, "failed to connect to host": 502}


def signature(secret: str, body: bytes) -> str:
    """The value of X-Hub-Signature-256."""
    return f"sha256={hmac_sha256(secret, body)}"


@dataclass(frozen=True)
class Target:
    """A place to send to. `kind` and `owner_id` are the Hook-Installation-Target headers."""

    hook_id: int
    url: str
    secret: str
    kind: str
    owner_id: int
    events: Sequence[str] = ("*",)
    installation_id: int | None = None

    def wants(self, event: str) -> bool:
        return event == "ping" or "*" in self.events or event in self.events


@dataclass(frozen=True)
class Message:
    """One event on its way to one target."""

    target: Target
    guid: str
    event: str
    action: str | None
    repository_id: int | None
    body: bytes
    redelivery: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """As GitHub sends them, without the legacy SHA-1 signature."""
        signed = {"X-Hub-Signature-256": signature(self.target.secret, self.body)} if self.target.secret else {}
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/1a2b3c4",
            "X-GitHub-Delivery": self.guid,
            "X-GitHub-Event": self.event,
            "X-GitHub-Hook-ID": str(self.target.hook_id),
            "X-GitHub-Hook-Installation-Target-ID": str(self.target.owner_id),
            "X-GitHub-Hook-Installation-Target-Type": self.target.kind,
            **signed,
        }


class Webhooks:
    """The webhooks of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def targets(self, repository: Repository) -> list[Target]:
        """Everyone who may get this repository's events: the Apps installed on it, then its own hooks."""
        own = self._hub.store.all(Hook, repository=repository.name, active=True)
        return [*self._command_line_targets(repository), *(target_of(hook, repository) for hook in own)]

    def _command_line_targets(self, repository: Repository) -> Iterable[Target]:
        """The App's hook where an App is installed, else one of the repository."""
        wanted = self._hub.webhook
        if wanted is None:
            return
        installed = self._hub.installations(repository.name)
        for app, installation in installed:
            where = COMMAND_LINE_HOOK_IDS + app.id, wanted.url, wanted.secret
            yield Target(*where, "integration", app.id, installation_id=installation.id)
        if not installed:
            where = COMMAND_LINE_HOOK_IDS + repository.id, wanted.url, wanted.secret
            yield Target(*where, "repository", repository.id)

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
        """Send one event to everyone who wants it, under one GUID. `causes` are more names to ask a fault by."""
        payload = {
            **({"action": action} if action else {}),
            **parts,
            "repository": repository_shape(view, repository),
            "organization": organization(view, repository.owner),
            "sender": user(view, sender),
        }
        guid = str(uuid.uuid4())
        fault = self._hub.faults.take([event, f"{event}.{action}", *causes], WEBHOOK_FAULTS)
        for target in self.targets(repository):
            if target.wants(event):
                message = Message(target, guid, event, action, repository.id, _body(payload, target))
                self._send(message, fault.kind if fault else "", fault.seconds if fault else 0.0)

    def ping(self, target: Target) -> None:
        """The first delivery of a hook."""
        hook = {
            "type": "App" if target.kind == "integration" else "Repository",
            "id": target.hook_id,
            "name": "web",
            "active": True,
            "events": list(target.events),
            "config": {"content_type": "json", "insecure_ssl": "0", "url": target.url},
            "created_at": now(),
            "updated_at": now(),
        }
        payload = {"zen": ZEN, "hook_id": target.hook_id, "hook": hook}
        repository_id = target.owner_id if target.kind == "repository" else None
        self._send(Message(target, str(uuid.uuid4()), "ping", None, repository_id, _body(payload, target)))

    def ping_command_line(self) -> None:
        """Ping the hooks of the command line that were never pinged, one per App or repository."""
        targets = {one.hook_id: one for each in self._hub.repositories.values() for one in self.targets(each)}
        for target in targets.values():
            if target.hook_id > COMMAND_LINE_HOOK_IDS and not self._hub.store.all(Delivery, hook_id=target.hook_id):
                self.ping(target)

    def redeliver(self, delivery: Delivery) -> None:
        """Send a recorded delivery again: same GUID, same bytes, to where its hook points now."""
        for repository in self._hub.repositories.values():
            for target in self.targets(repository):
                if target.hook_id == delivery.hook_id:
                    what = delivery.guid, delivery.event, delivery.action, delivery.repository_id
                    self._send(Message(target, *what, self.payload(delivery), redelivery=True))
                    return

    def payload(self, delivery: Delivery) -> bytes:
        """The body that was sent."""
        return self._file(delivery.guid, delivery.hook_id).read_bytes()

    def _file(self, guid: str, hook_id: int) -> Path:
        return self._hub.home / "payloads" / f"{guid}-{hook_id}.json"

    def _send(self, message: Message, fault: str = "", seconds: float = 0.0) -> None:
        file = self._file(message.guid, message.target.hook_id)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(message.body)
        if fault == "webhook_drop":
            self._record(message, Answer(0, "failed to connect to host", 0.0, {}, ""))
            return
        for _ in range(2 if fault == "webhook_duplicate" else 1):
            self._hub.sender.schedule(partial(self._deliver, message), seconds if fault == "webhook_delay" else 0.0)

    def _deliver(self, message: Message) -> None:
        answer = deliver(message.target.url, message.headers, message.body, TIME_TO_ANSWER_S)
        self._record(message, answer)

    def _record(self, message: Message, answer: Answer) -> None:
        code = answer.code or STATUS_OF_SILENCE[answer.reason]
        said = answer.reason if not answer.code else "OK" if answer.ok else f"Invalid HTTP Response: {code}"
        self._hub.store.put(
            Delivery(
                id=self._hub.store.new_id(),
                guid=message.guid,
                hook_id=message.target.hook_id,
                target=message.target.kind,
                target_id=message.target.owner_id,
                event=message.event,
                action=message.action,
                repository_id=message.repository_id,
                installation_id=message.target.installation_id,
                redelivery=message.redelivery,
                request_headers=message.headers,
                delivered_at=now(),
                duration=round(answer.seconds, 2),
                status=said,
                status_code=code,
                response_headers=dict(answer.headers),
                response_body=answer.body,
            )
        )


def target_of(hook: Hook, repository: Repository) -> Target:
    """Where a hook made over the API points."""
    return Target(hook.id, hook.url, hook.secret, "repository", repository.id, hook.events)


def _body(payload: Mapping[str, Any], target: Target) -> bytes:
    if target.installation_id is not None:
        installed = {"id": target.installation_id, "node_id": node_id("Installation", target.installation_id)}
        payload = {**payload, "installation": installed}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
