"""The search for code: the files at the head of a repository's default branch that contain a quoted text."""

from __future__ import annotations

import re

from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.shapes.repositories import repository as show_repository

_QUERY = re.compile(r'"(?P<text>[^"]+)" repo:(?P<repository>[\w.-]+/[\w.-]+)')


@operation("GET", "/search/code")
def search_code(call: Call) -> Reply:
    """Of queries only the form '"text" repo:owner/name' is offered."""
    found = _QUERY.fullmatch(call.request.query.get("q", ""))
    if found is None:
        raise Problem(422, "Validation Failed")
    repository = call.hub.find(found["repository"])
    if repository is None or call.actor.role(repository.name, repository.private) == "none":
        raise Problem(422, "The listed users and repositories cannot be searched")
    branch = repository.seeded.default_branch
    head = repository.git.head(branch)
    if head is None:
        raise not_found()
    listed = repository.git.run("ls-tree", "-r", "-z", "--full-tree", head).split("\0")[:-1]
    page, url = f"{call.view.base}/{repository.name}", call.view.repository_url(repository.name)
    items = []
    for line in listed:
        path, blob = line.partition("\t")[2], line.partition("\t")[0].split()[2]
        if found["text"].lower().encode() not in repository.git.read_blob(blob).lower():
            continue
        items.append(
            {
                "name": path.rsplit("/", 1)[-1],
                "path": path,
                "sha": blob,
                "url": f"{url}/contents/{path}?ref={head}",
                "git_url": f"{url}/git/blobs/{blob}",
                "html_url": f"{page}/blob/{head}/{path}",
                "repository": show_repository(call.view, repository),
                "score": 1.0,
            }
        )
    most = int(call.request.query.get("per_page", "30"))
    return Reply({"total_count": len(items), "incomplete_results": False, "items": items[:most]})
