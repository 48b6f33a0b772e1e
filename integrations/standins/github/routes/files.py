"""Files of a branch over the API: trees, contents, new refs, and commits of one file."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from integrations.standins.github.bare import Commit, GitFailed, Signature
from integrations.standins.github.hub import Repository
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.pushes import NO_COMMIT, Update
from integrations.standins.github.routes.repositories import REPOSITORY
from integrations.standins.github.shapes.repositories import git_ref

CONTENTS = REPOSITORY + "/contents/{path}"


class NewRef(Input):
    """`ref` has the form 'refs/heads/name'."""

    ref: str
    sha: str


class NewContent(Input):
    """`content` is base64; `sha` is that of the blob that is replaced."""

    message: str
    content: str
    branch: str | None = None
    sha: str | None = None


@operation("POST", REPOSITORY + "/git/refs", needs="contents:write", role="write")
def create_ref(call: Call) -> Reply:
    """A new branch or tag at an existing commit."""
    repository, wanted = call.repository, call.read(NewRef)
    if not wanted.ref.startswith("refs/") or wanted.ref.count("/") < 2:
        raise Problem(422, "Reference name must start with 'refs/' and contain at least two slashes")
    if repository.git.sha_of(f"{wanted.sha}^{{commit}}") is None:
        raise Problem(422, "Object does not exist")
    if repository.git.sha_of(wanted.ref) is not None:
        raise Problem(422, "Reference already exists")
    try:
        repository.git.set_ref(wanted.ref, wanted.sha, NO_COMMIT)
    except GitFailed as error:
        raise Problem(422, str(error)) from None
    call.aftermath.of([Update(wanted.ref, NO_COMMIT, wanted.sha)])
    return Reply(git_ref(call.view, repository, wanted.ref, wanted.sha), 201)


@operation("GET", REPOSITORY + "/git/trees/{tree_sha}", needs="contents:read")
def get_tree(call: Call) -> Reply:
    """The tree of a commit, branch or tree; with `recursive` all files below it."""
    repository, name = call.repository, call.request.params["tree_sha"]
    sha = repository.git.head(name) or repository.git.sha_of(name)
    if sha is None:
        raise not_found()
    url = f"{call.view.repository_url(repository.name)}/git"
    flags = ("-r", "-t") if call.request.query.get("recursive") else ()
    entries = []
    for line in repository.git.run("ls-tree", "-z", "--long", *flags, sha).split("\0")[:-1]:
        mode, kind, blob, size, path = [*line.partition("\t")[0].split(), line.partition("\t")[2]]
        sized = {"size": int(size)} if kind == "blob" else {}
        entries.append({"path": path, "mode": mode, "type": kind, "sha": blob, "url": f"{url}/{kind}s/{blob}", **sized})
    return Reply({"sha": sha, "url": f"{url}/trees/{sha}", "tree": entries, "truncated": False})


@operation("GET", CONTENTS, needs="contents:read")
def get_content(call: Call) -> Reply:
    """A file of a branch, in base64."""
    repository, path = call.repository, call.request.params["path"]
    branch = call.request.query.get("ref", repository.seeded.default_branch)
    blob = _blob(repository, branch, path)
    if blob is None:
        raise not_found()
    return Reply(_content(call, repository, branch, path, blob))


@operation("PUT", CONTENTS, needs="contents:write", role="write")
def put_content(call: Call) -> Reply:
    """Commit one file to a branch."""
    repository, path, wanted = call.repository, call.request.params["path"], call.read(NewContent)
    branch = wanted.branch or repository.seeded.default_branch
    head, blob = repository.git.head(branch), _blob(repository, branch, path)
    if head is None:
        raise Problem(404, f"Branch {branch} not found")
    if blob and wanted.sha is None:
        raise Problem(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if wanted.sha and wanted.sha != blob:
        raise Problem(409, f"{path} does not match {wanted.sha}")
    try:
        content = base64.b64decode(wanted.content, validate=True)
    except binascii.Error:
        raise Problem(422, "content is not valid Base64") from None
    person = call.hub.user(call.actor.login)
    author = Signature(call.actor.login, person.email if person else f"{call.actor.login}@users.noreply.github.com", "")
    commit = repository.git.commit_file(head, path, content, wanted.message, author)
    repository.git.set_ref(f"refs/heads/{branch}", commit, head)
    call.aftermath.of([Update(f"refs/heads/{branch}", head, commit)])
    new = _blob(repository, branch, path) or ""
    shown = {name: value for name, value in _content(call, repository, branch, path, new).items() if name != "content"}
    shape = _commit(call, repository, repository.git.commit(commit), head)
    return Reply({"content": shown, "commit": shape}, 200 if blob else 201)


def _blob(repository: Repository, branch: str, path: str) -> str | None:
    sha = repository.git.head(branch) or repository.git.sha_of(branch)
    return repository.git.blob_of(sha, path) if sha else None


def _content(call: Call, repository: Repository, branch: str, path: str, blob: str) -> dict[str, Any]:
    """`content-file`."""
    raw = repository.git.read_blob(blob)
    url, page = call.view.repository_url(repository.name), f"{call.view.base}/{repository.name}"
    own = {"self": f"{url}/contents/{path}?ref={branch}", "git": f"{url}/git/blobs/{blob}"}
    html = f"{page}/blob/{branch}/{path}"
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(raw),
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "content": base64.encodebytes(raw).decode(),
        "sha": blob,
        "url": own["self"],
        "git_url": own["git"],
        "html_url": html,
        "download_url": f"{page}/raw/{branch}/{path}",
        "_links": {**own, "html": html},
    }


def _commit(call: Call, repository: Repository, commit: Commit, parent: str) -> dict[str, Any]:
    """`commit` of a `file-commit`."""
    url, page = call.view.repository_url(repository.name), f"{call.view.base}/{repository.name}"
    signed = {"name": commit.author.name, "email": commit.author.email, "date": commit.author.when}
    above = {"sha": parent, "url": f"{url}/git/commits/{parent}", "html_url": f"{page}/commit/{parent}"}
    return {
        "sha": commit.sha,
        "node_id": f"C_{commit.sha[:8]}",
        "url": f"{url}/git/commits/{commit.sha}",
        "html_url": f"{page}/commit/{commit.sha}",
        "author": signed,
        "committer": signed,
        "message": commit.message.strip(),
        "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
        "parents": [above],
        "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None},
    }
