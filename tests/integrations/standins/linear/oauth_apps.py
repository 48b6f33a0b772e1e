"""A local Linear with an OAuth app, and its clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from integrations.standins.linear.server import create_app, serve
from integrations.trackers.linear.oauth import TokenEndpoint

CALLBACK = "http://127.0.0.1/oauth/linear/callback"
APP_USER = "loopline@oauthapp.linear.app"


def build_seed(name: str, *teams: str, client_credentials: bool = True) -> dict[str, Any]:
    """A workspace of this name with an administrator, the app's account, and these teams."""
    states = [{"name": "Agent", "type": "started"}, {"name": "Done", "type": "completed"}]
    app = {"clientId": "app-1", "clientSecret": "app-secret-1", "user": APP_USER, "redirectUris": [CALLBACK]}
    return {
        "organization": {"name": name, "urlKey": name.lower()},
        "users": [
            {"name": "Ana Silva", "email": "ana@example.com", "admin": True, "token": "lin_api_ana"},
            {"name": "Loopline", "email": APP_USER, "app": True},
        ],
        "teams": [{"key": key, "name": f"Team {key}", "states": states} for key in teams],
        "issues": [{"team": key, "title": f"Ticket of {key}", "state": "Agent"} for key in teams],
        "apps": [{**app, "clientCredentials": client_credentials}],
    }


@dataclass
class Installed:
    """A running local Linear. `endpoint` is the client of its token endpoint."""

    url: str
    endpoint: TokenEndpoint

    @property
    def graphql(self) -> str:
        return f"{self.url}/graphql"

    def control(self, **wanted: object) -> None:
        assert requests.post(f"{self.url}/_oauth", json=wanted, timeout=10).ok

    def fail(self, operation: str, kind: str, times: int = 1) -> None:
        fault = {"operation": operation, "kind": kind, "times": times}
        assert requests.post(f"{self.url}/_faults", json=fault, timeout=10).ok

    def request(self, **form: str) -> requests.Response:
        """A token request of the app."""
        known = {"client_id": "app-1", "client_secret": "app-secret-1"}
        return requests.post(f"{self.url}/oauth/token", data=known | form, timeout=10)

    def consent(self, **query: str) -> requests.Response:
        """An administrator confirms the authorization; returns the redirect."""
        known = {"client_id": "app-1", "redirect_uri": CALLBACK, "scope": "read,write", "state": "s", "actor": "app"}
        page = requests.get(f"{self.url}/oauth/authorize", params=known | query, timeout=10)
        assert page.ok, page.text
        form = {**known, **query, "decision": query.get("decision", "authorize")}
        return requests.post(f"{self.url}/oauth/authorize", data=form, allow_redirects=False, timeout=10)

    def query(self, token: str, text: str = "{ viewer { name } }") -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(self.graphql, json={"query": text}, headers=headers, timeout=10)


@contextmanager
def running(home: Path, seed: Mapping[str, Any]) -> Iterator[Installed]:
    with serve(create_app(home, seed)) as served:
        graphql = f"{served.url}/graphql"
        yield Installed(served.url, TokenEndpoint(graphql, "app-1", "app-secret-1"))
