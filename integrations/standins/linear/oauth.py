"""OAuth apps of the local Linear: the authorization page, tokens that expire and rotate, revocation.

As documented in linear.app/developers/oauth-2-0-authentication: an access token of an installation lasts 24 hours, each
refresh token is used once and can be replayed for 30 minutes, client credentials last 30 days, and a mint with other
scopes revokes the app's tokens. Faults find a token request under `oauth.token` and the kind of grant.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, abort, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from integrations.standins import wire
from integrations.standins.linear.seed import stable_id
from integrations.standins.linear.workspace import Workspace

DAY, MONTH, REPLAY_SECONDS = 86_399, 2_591_999, 1_800
CODE_SECONDS = 600
SCOPES = {"read", "write", "issues:create", "comments:create", "admin", "app:assignable", "app:mentionable"}


class Refusal(Exception):
    """An OAuth error (RFC 6749, 5.2): its code, a description and the HTTP status."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.status = error, status


class Apps:
    """The apps of the seed with their tokens, in `file`: {"clientId", "clientSecret", "user", "clientCredentials"?,
    "redirectUris"?}; `user` is the e-mail address of the app's account."""

    def __init__(self, seed: Mapping[str, Any], file: Path, now: Callable[[], float] = time.time) -> None:
        self._apps = {app["clientId"]: app for app in seed.get("apps", [])}
        self._file, self.now = file, now
        self._lock = threading.RLock()
        kept = json.loads(file.read_text()) if file.exists() else {}
        self._access: dict[str, dict[str, Any]] = kept.get("access", {})
        self._refresh: dict[str, dict[str, Any]] = kept.get("refresh", {})
        self._codes: dict[str, dict[str, Any]] = {}

    def find(self, client_id: str) -> Mapping[str, Any] | None:
        return self._apps.get(client_id)

    def user_of(self, token: str) -> tuple[str, frozenset[str]] | None:
        """The app's user id and the scopes of a valid access token."""
        with self._lock:
            found = self._access.get(token)
        if not found or found["until"] <= self.now():
            return None
        return stable_id("User", self._apps[found["client"]]["user"]), frozenset(found["scopes"])

    def client_of(self, token: str) -> str:
        """The client id of an access token, empty for an unknown one."""
        with self._lock:
            return str(self._access.get(token, {}).get("client", ""))

    def issue_code(self, client_id: str, redirect_uri: str, scopes: list[str], challenge: str) -> str:
        code = secrets.token_hex(16)
        about = {"client": client_id, "redirect": redirect_uri, "scopes": scopes, "challenge": challenge}
        with self._lock:
            self._codes[code] = {**about, "until": self.now() + CODE_SECONDS}
        return code

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a token request. Raises `Refusal`."""
        app = self._apps.get(form.get("client_id", ""))
        if app is None or not secrets.compare_digest(app["clientSecret"], form.get("client_secret", "")):
            raise Refusal("invalid_client", "Invalid client: client is invalid", 401)
        with self._lock:
            match form.get("grant_type"):
                case "client_credentials":
                    answer = self._mint(app, form.get("scope", "read"))
                case "authorization_code":
                    answer = self._exchange(app, form)
                case "refresh_token":
                    answer = self._rotate(app, form.get("refresh_token", ""))
                case other:
                    raise Refusal("unsupported_grant_type", f"Unsupported grant type: {other}")
            self._save()
        return answer

    def _mint(self, app: Mapping[str, Any], scope: str) -> dict[str, Any]:
        if not app.get("clientCredentials"):
            raise Refusal("unauthorized_client", "Client credentials are not enabled for this application")
        scopes = parse_scopes(scope)
        own = [one for one in self._access.values() if one["client"] == app["clientId"] and one["minted"]]
        if any(one["scopes"] != scopes for one in own):
            self._drop(app["clientId"])
        return self._issue(app, scopes, MONTH)

    def _exchange(self, app: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, Any]:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code["client"] != app["clientId"] or code["until"] <= self.now():
            raise Refusal("invalid_grant", "Invalid grant: authorization code is invalid")
        if code["redirect"] != form.get("redirect_uri"):
            raise Refusal("invalid_grant", "Invalid grant: redirect_uri does not match")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if code["challenge"] and base64.urlsafe_b64encode(digest).decode().rstrip("=") != code["challenge"]:
            raise Refusal("invalid_grant", "Invalid grant: code verifier is invalid")
        return self._issue(app, code["scopes"], DAY, rotating=True)

    def _rotate(self, app: Mapping[str, Any], token: str) -> dict[str, Any]:
        found = self._refresh.get(token)
        if found is None or found["client"] != app["clientId"]:
            raise Refusal("invalid_grant", "Invalid grant: refresh token is invalid")
        if found["answer"] is None:
            found["answer"], found["used"] = self._issue(app, found["scopes"], DAY, rotating=True), self.now()
        elif self.now() - found["used"] > REPLAY_SECONDS:
            raise Refusal("invalid_grant", "Invalid grant: refresh token has been used")
        answer: dict[str, Any] = found["answer"]
        return answer

    def _issue(
        self, app: Mapping[str, Any], scopes: list[str], seconds: int, *, rotating: bool = False
    ) -> dict[str, Any]:
        client, access = app["clientId"], f"lin_oauth_{secrets.token_hex(16)}"
        until = self.now() + seconds
        self._access[access] = {"client": client, "scopes": scopes, "until": until, "minted": not rotating}
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": " ".join(scopes),
        }
        if rotating:
            refresh = answer["refresh_token"] = f"lin_refresh_{secrets.token_hex(16)}"
            self._refresh[refresh] = {"client": client, "scopes": scopes, "answer": None, "used": 0}
        return answer

    def revoke(self, client_id: str) -> None:
        """Remove the app from the workspace: all its tokens end."""
        with self._lock:
            self._drop(client_id)
            self._save()

    def expire(self) -> None:
        """End all access tokens now; refresh tokens stay."""
        with self._lock:
            self._access.clear()
            self._save()

    def end_replays(self) -> None:
        """Let the 30 minutes pass in which used refresh tokens can be replayed."""
        with self._lock:
            for found in self._refresh.values():
                found["used"] -= 2 * REPLAY_SECONDS

    def _drop(self, client_id: str) -> None:
        tables = (self._access, self._refresh)
        for table in tables:
            kept = {token: one for token, one in table.items() if one["client"] != client_id}
            table.clear()
            table.update(kept)

    def _save(self) -> None:
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps({"access": self._access, "refresh": self._refresh}))


def parse_scopes(text: str) -> list[str]:
    """Comma- or space-separated scopes, sorted. Raises `Refusal` for an unknown one."""
    scopes = sorted(set(text.replace(",", " ").split()))
    if unknown := set(scopes) - SCOPES:
        raise Refusal("invalid_scope", f"Invalid scope: {', '.join(sorted(unknown))}")
    return scopes


def blueprint(workspace: Workspace, apps: Apps) -> Blueprint:
    """The OAuth routes, and `POST /_oauth` for tests: {"expire": true}, {"end_replays": true}, {"revoke": CLIENT_ID},
    {"hide": TEAM_KEY, "from": CLIENT_ID}, {"show": TEAM_KEY, "to": CLIENT_ID}."""
    routes = Blueprint("oauth", __name__)
    _add_consent(routes, apps)
    _add_tokens(routes, workspace, apps)

    @routes.post("/_oauth")
    def control() -> ResponseReturnValue:
        wanted = request.get_json()
        if wanted.get("expire"):
            apps.expire()
        if wanted.get("end_replays"):
            apps.end_replays()
        if client := wanted.get("revoke"):
            _revoke(workspace, apps, client)
        for action, side in (("hide", "from"), ("show", "to")):
            if key := wanted.get(action):
                _change_access(workspace, apps, wanted[side], key, hidden=action == "hide")
        return jsonify(done=True)

    return routes


def _add_consent(routes: Blueprint, apps: Apps) -> None:
    @routes.get("/oauth/authorize")
    def authorize() -> ResponseReturnValue:
        """The consent page, for the person of the board's cookie or else the first administrator."""
        app = apps.find(request.args.get("client_id", "")) or abort(400, "Invalid client_id")
        if request.args.get("redirect_uri") not in app.get("redirectUris", []):
            abort(400, "Invalid redirect_uri parameter for the application.")
        try:
            scopes = parse_scopes(request.args.get("scope", ""))
        except Refusal as refusal:
            abort(400, str(refusal))
        if request.args.get("actor") == "app" and "admin" in scopes:
            abort(400, "actor=app cannot request the scope admin")
        return render_template("authorize.html", app=app, scopes=scopes, given=request.args)

    @routes.post("/oauth/authorize")
    def decide() -> ResponseReturnValue:
        form = request.form
        app = apps.find(form.get("client_id", "")) or abort(400, "Invalid client_id")
        if (target := form.get("redirect_uri", "")) not in app.get("redirectUris", []):
            abort(400, "Invalid redirect_uri parameter for the application.")
        state = {"state": form.get("state", "")}
        if form.get("decision") != "authorize":
            return redirect(f"{target}?{urlencode({'error': 'access_denied', **state})}")
        scopes = parse_scopes(form.get("scope", ""))
        code = apps.issue_code(app["clientId"], target, scopes, form.get("code_challenge", ""))
        return redirect(f"{target}?{urlencode({'code': code, **state})}")


def _add_tokens(routes: Blueprint, workspace: Workspace, apps: Apps) -> None:
    @routes.post("/oauth/token")
    def token() -> ResponseReturnValue:
        names = {"oauth.token", request.form.get("grant_type", "")}
        if fault := workspace.faults.take(names, ("500", "ratelimited"), named_only=True):
            return jsonify(error="server_error"), 500 if fault.kind == "500" else 429
        try:
            answer = apps.grant(request.form)
        except Refusal as refusal:
            return jsonify(error=refusal.error, error_description=str(refusal)), refusal.status
        if workspace.faults.take(names, ("lost_reply",), named_only=True):
            wire.drop_connection(request.environ)
        return jsonify(answer)

    @routes.post("/oauth/revoke")
    def revoke() -> ResponseReturnValue:
        given = request.form.get("access_token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        client = apps.client_of(given) or abort(401, "Invalid token")
        _revoke(workspace, apps, client)
        return jsonify(success=True)


def _revoke(workspace: Workspace, apps: Apps, client_id: str) -> None:
    apps.revoke(client_id)
    workspace.send("OAuthApp", "revoked", {"oauthClientId": client_id})


def _change_access(workspace: Workspace, apps: Apps, client_id: str, key: str, *, hidden: bool) -> None:
    """Take a team away from the app's account, or give it back."""
    app = apps.find(client_id) or abort(400, "Invalid client_id")
    user, store = stable_id("User", app["user"]), workspace.store
    team = next((row for row in store.rows("Team") if row["key"] == key), None) or abort(400, "Unknown team")
    others = [one for one in team.get("hiddenFrom", []) if one != user]
    with store.lock:
        changed = {**team, "hiddenFrom": [*others, *([user] if hidden else [])]}
        store.commit("", "teamAccess", {}, team["id"], [changed])
    names = ("removedTeamIds", "addedTeamIds") if hidden else ("addedTeamIds", "removedTeamIds")
    lists = {names[0]: [team["id"]], names[1]: []}
    about = {"oauthClientId": client_id, "appUserId": user, "canAccessAllPublicTeams": False}
    workspace.send("PermissionChange", "teamAccessChanged", about | lists)
