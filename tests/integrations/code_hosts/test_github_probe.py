"""The doctor's probes as an App, and of a token without one right, against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from integrations.code_hosts.github.app import AppCredentials
from integrations.code_hosts.github.form import EVENTS, PERMISSIONS
from integrations.code_hosts.github.setup import GitHubRegistration, GitHubSetup
from integrations.errors import NotFound
from integrations.ports.setup import ProbeScope
from integrations.standins.github.manifests import Manifest
from integrations.standins.github.server import GitHub, Webhook, create_app, serve

SCOPE = ProbeScope(repositories=["acme/shop"], since=1.0)
KEY = generate_private_key(65_537, 2048)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitHub, str]]:
    folder = tmp_path_factory.mktemp("github")
    public = folder / "app.pub"
    public.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    files = Path(__file__).parent / "cassettes"
    without = {"metadata": "read", "contents": "read", "pull_requests": "write", "checks": "write", "issues": "write"}
    apps: list[dict[str, Any]] = [
        {"id": 7, "slug": "whole", "public_key_file": str(public), "permissions": PERMISSIONS, "events": list(EVENTS)},
        {"id": 8, "slug": "less", "public_key_file": str(public), "permissions": without, "events": ["push"]},
    ]
    for app in apps:
        one = {
            "id": app["id"] * 10,
            "account": "acme",
            "repositories": ["acme/shop"],
            "permissions": app["permissions"],
        }
        app["installations"] = [one]
    users = [{"login": "ada", "token": "ghp_ada_ada", "permissions": {"acme/shop": "admin"}}]
    seed = {"apps": apps, "users": users, "repositories": [{"name": "acme/shop", "from_folder": str(files)}]}
    app_ = create_app(
        folder / "home", seed, webhook=Webhook("https://loop.acme.test/webhooks/github", "hush-hush-hush")
    )
    with closing(serve(app_)) as served:
        yield app_, served.url


def as_app(url: str, number: int) -> GitHubSetup:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return GitHubSetup(url, app=AppCredentials(str(number), pem))


def test_probe_of_an_app_with_all_permissions_is_fine(host: tuple[GitHub, str]) -> None:
    found = list(as_app(host[1], 7).probe(SCOPE))
    assert {one.level for one in found} == {"ok"}
    assert "deliveries to https://loop.acme.test/webhooks/github" in found[-1].text


def test_probe_of_an_app_names_missing_permissions_and_events(host: tuple[GitHub, str]) -> None:
    rights, events = [one for one in as_app(host[1], 8).probe(SCOPE) if one.level != "ok"]
    lacks = "the App lacks contents: write, actions: write, statuses: read, merge_queues: read, "
    lacks += "vulnerability_alerts: read"
    assert (rights.level, rights.text) == ("problem", lacks)
    assert events.text.startswith("the App gets no events pull_request, ") and events.level == "warning"


def test_setup_lists_the_repositories_of_an_app(host: tuple[GitHub, str]) -> None:
    assert as_app(host[1], 7).list_repositories() == ["acme/shop"]
    assert as_app(host[1], 7).describe_account() == "the App whole"


def test_setup_proposes_a_file_once(host: tuple[GitHub, str]) -> None:
    setup = GitHubSetup(host[1], "ghp_ada_ada")
    asked = ("acme/shop", "new", "docs/WORKFLOW.md", "text\n", "Add it", "Why")
    assert setup.propose_file(*asked) == setup.propose_file(*asked)
    (pull,) = host[0].hub.log.entries()[-1:]
    assert pull["operation"].endswith("/pulls")
    assert setup.read_file("acme/shop", "docs/WORKFLOW.md") is None  # only on its branch


def test_manifest_asks_for_what_its_events_need() -> None:
    form = GitHubRegistration("https://api.github.com").build_form(
        "https://loop.acme.test", "http://127.0.0.1:9/x", "abc"
    )
    assert form.action == "https://github.com/settings/apps/new?state=abc"
    manifest = Manifest.model_validate_json(form.fields["manifest"])
    assert not manifest.find_problem()
    assert manifest.hook_attributes.url == "https://loop.acme.test/webhooks/github"
    without = manifest.model_copy(update={"default_permissions": {"contents": "write"}})
    assert without.find_problem().startswith("Default events unsupported: pull_request")


def test_manifest_code_is_valid_once(host: tuple[GitHub, str]) -> None:
    with pytest.raises(NotFound):
        GitHubRegistration(host[1]).exchange("used")
