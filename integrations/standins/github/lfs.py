"""Git LFS: the batch API for downloads, and the store of the objects behind it.

The objects of a repository are files `<home>/lfs/<owner>/<name>/<oid>`. As with GitHub, their addresses are signed for
a short time and work without credentials.

Source: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request

from integrations.standins.github.hub import Hub
from integrations.standins.github.problems import Problem
from integrations.standins.github.rest import BEFORE, base_url
from integrations.standins.github.smart_http import FETCH, find_repository, read_actor

MEDIA_TYPE = "application/vnd.git-lfs+json"
NAME = "POST /{owner}/{repo}.git/info/lfs/objects/batch"
"""The operation in faults and in the log."""
EXPIRES_S = 600
_OID = re.compile(r"[0-9a-f]{64}")


def blueprint(hub: Hub) -> Blueprint:
    """The routes of Git LFS."""
    lfs = Blueprint("lfs", __name__)
    signed: dict[str, Path] = {}

    @lfs.post("/<owner>/<repo>.git/info/lfs/objects/batch")
    def batch(owner: str, repo: str) -> Response:
        try:
            return _answer(hub, f"{owner}/{repo}", signed)
        except Problem as problem:
            response = jsonify(message=str(problem), documentation_url="https://docs.github.com/")
            response.status_code, response.content_type = problem.status, MEDIA_TYPE
            response.headers["LFS-Authenticate"] = 'Basic realm="GitHub"'
            return response

    @lfs.get("/_lfs/<token>")
    def media(token: str) -> Response:
        if request.authorization or request.headers.get("X-Signed") != token or token not in signed:
            return Response("Forbidden", 403)
        return Response(signed[token].read_bytes(), content_type="application/octet-stream")

    return lfs


def _answer(hub: Hub, name: str, signed: dict[str, Path]) -> Response:
    if hub.faults.take([NAME], BEFORE):
        raise Problem(503, "Service Unavailable")
    if MEDIA_TYPE not in request.headers.get("Accept", ""):
        raise Problem(406, "The Accept header needs to be `application/vnd.git-lfs+json`.")
    repository = find_repository(hub, read_actor(hub), name, FETCH)
    wanted: Any = request.get_json(force=True, silent=True) or {}
    if wanted.get("operation") != "download" or not isinstance(wanted.get("objects"), list):
        raise Problem(422, "Validation failed")
    folder = hub.home / "lfs" / repository.name
    objects = [_describe(one, folder, signed) for one in wanted["objects"]]
    hub.log.append(read_actor(hub).login, NAME, {"repository": repository.name}, [one["oid"] for one in objects])
    response = jsonify(transfer="basic", objects=objects, hash_algo="sha256")
    response.content_type = MEDIA_TYPE
    return response


def _describe(wanted: dict[str, Any], folder: Path, signed: dict[str, Path]) -> dict[str, Any]:
    oid, size = str(wanted.get("oid")), wanted.get("size")
    file = folder / oid
    if not _OID.fullmatch(oid):
        return {"oid": oid, "size": size, "error": {"code": 422, "message": "Invalid oid"}}
    if not file.is_file():
        return {"oid": oid, "size": size, "error": {"code": 404, "message": "Object does not exist on the server"}}
    signed[token := secrets.token_hex(8)] = file
    action = {"href": f"{base_url()}/_lfs/{token}", "header": {"X-Signed": token}, "expires_in": EXPIRES_S}
    return {"oid": oid, "size": size, "authenticated": True, "actions": {"download": action}}
