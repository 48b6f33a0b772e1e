"""How `loopline init` asks for Linear's credential. Imports no client, as `provider` does not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from integrations.ports.setup import CredentialForm


def _parse_credential(answer: str) -> Mapping[str, str]:
    if answer.startswith("lin_api_"):
        return {"LINEAR_API_KEY": answer}
    if answer.startswith("lin_oauth_"):
        return {"LINEAR_ACCESS_TOKEN": answer}
    client, _, secret = answer.partition(":")
    if re.fullmatch(r"[0-9a-f]{16,}", client) and re.fullmatch(r"[!-~]{16,}", secret):
        return {"LINEAR_CLIENT_ID": client, "LINEAR_CLIENT_SECRET": secret}
    raise ValueError("it is no key of Linear; a personal one begins with lin_api_, an app's has the form id:secret")


FORM = CredentialForm(
    question="Linear API key (lin_api_…), or an app's client id:secret",
    where="Linear, Settings → Security & access → Personal API keys, of a member of the team, best an administrator",
    parse=_parse_credential,
)
