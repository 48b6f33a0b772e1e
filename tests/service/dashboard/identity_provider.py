"""A small OpenID Connect provider on loopback, which can be wrong on request."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class IdentityProvider:
    """Signs in Ana. `fault` names what is wrong with the next sign-in."""

    def __init__(self) -> None:
        self.fault = ""
        self._key, self._other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        self._nonces: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(provider.configuration() if "openid-configuration" in self.path else provider.keys())

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.reply(provider.exchange(form["code"][0]))

            def reply(self, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(400 if "error" in document else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> IdentityProvider:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [public | {"kid": "1", "use": "sig", "alg": "RS256"}]}

    def authorize(self, url: str) -> str:
        """What a browser does at the provider; returns the callback's address."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code"
        self._nonces["the-code"] = asked["nonce"]
        state = "another" if self.fault == "state" else asked["state"]
        callback = urlsplit(asked["redirect_uri"])
        return f"{callback.path}?{urlencode({'code': 'the-code', 'state': state})}"

    def exchange(self, code: str) -> dict[str, Any]:
        """The token response."""
        if self.fault == "code":
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "https://evil.example" if self.fault == "issuer" else self.url,
            "aud": "another" if self.fault == "audience" else "loopline",
            "sub": "1",
            "iat": now - 7200 if self.fault == "expired" else now,
            "exp": now - 3600 if self.fault == "expired" else now + 300,
            "nonce": "another" if self.fault == "nonce" else self._nonces[code],
            "email": "ana@other.example" if self.fault == "other domain" else "ana@acme.example",
            "email_verified": self.fault != "email_verified",
        }
        if self.fault == "no email":
            del claims["email"]
        if self.fault == "alg none":
            signed = jwt.encode(claims, None, algorithm="none")
        else:
            key = self._other if self.fault == "signature" else self._key
            signed = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "1"})
        found = {"access_token": "x", "token_type": "Bearer", "id_token": signed}
        if self.fault == "no id token":
            del found["id_token"]
        return found
