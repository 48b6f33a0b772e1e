from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from integrations.code_hosts.github.api import GitHubApi, Grant, LostReply, build_path, name_operation
from integrations.code_hosts.github.app import PersonalToken
from integrations.code_hosts.github.failures import classify_error
from integrations.code_hosts.github.payloads import Ref, Repository
from integrations.errors import (
    Conflict,
    Forbidden,
    IntegrationError,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
    WrongEndpoint,
)
from integrations.failpoints import arm
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.support.tls import untrusted_server

GRANT = Grant("o/r")
SHA = "a" * 40
REF = {"ref": "refs/heads/main", "object": {"sha": SHA, "type": "commit"}}
TOKEN = "github_pat_secret"


@pytest.fixture
def api(server: Answering) -> Iterator[GitHubApi]:
    api = GitHubApi(server.url, PersonalToken(TOKEN), backoff=0.0)
    yield api
    api.close()


def test_github_request_has_version_agent_and_token_headers(server: Answering, api: GitHubApi) -> None:
    server.on("GET /x", Answer(body=REF))
    api.get(Ref, GRANT, "/x")
    headers = server.asked[0].headers
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["user-agent"] == "loopline"
    assert headers["authorization"] == f"Bearer {TOKEN}"


def test_github_token_is_not_replaced_by_a_netrc_file(
    server: Answering, api: GitHubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.on("GET /x", Answer(body=REF))
    api.get(Ref, GRANT, "/x")
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


# --- retries ---------------------------------------------------------------------------------------------------------

LOST = [Answer(502, b"<html>"), Answer(500), Answer(dropped=True), Answer(body=b"{"), Answer(408), Answer(599)]


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_github_read_with_a_lost_reply_is_tried_four_times(server: Answering, api: GitHubApi, lost: Answer) -> None:
    server.on("GET /x", lost, lost, lost, Answer(body=REF))
    assert api.get(Ref, GRANT, "/x").object.sha == SHA
    server.on("GET /y", lost)
    with pytest.raises(Unavailable):
        api.get(Ref, GRANT, "/y")
    assert (server.count("GET /x"), server.count("GET /y")) == (4, 4)


@pytest.mark.parametrize("lost", LOST, ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_github_write_is_never_retried(server: Answering, api: GitHubApi, method: str, lost: Answer) -> None:
    server.on(f"{method} /x", lost, lost, Answer(body=REF))
    with pytest.raises(LostReply, match=f"{method} /x"):
        api.send(Ref, GRANT, method, "/x", {})
    assert server.count(f"{method} /x") == 1


def test_github_write_with_an_invalid_response_is_a_lost_reply(server: Answering, api: GitHubApi) -> None:
    server.on("POST /x", Answer(201, {"number": 7}))
    with pytest.raises(LostReply, match="is invalid"):
        api.send(Ref, GRANT, "POST", "/x", {})


def test_github_deletion_is_never_retried(server: Answering, api: GitHubApi) -> None:
    server.on("DELETE /x", Answer(502))
    with pytest.raises(LostReply):
        api.send_only(GRANT, "DELETE", "/x")
    assert server.count("DELETE /x") == 1


def test_github_read_retries_back_off(server: Answering) -> None:
    server.on("GET /x", Answer(502), Answer(502), Answer(502), Answer(body=REF))
    api = GitHubApi(server.url, PersonalToken(TOKEN), backoff=0.01)
    start = time.monotonic()
    api.get(Ref, GRANT, "/x")
    api.close()
    assert time.monotonic() - start >= 0.01 * (1 + 4 + 9)


def test_github_refused_connection_is_unavailable(api: GitHubApi, server: Answering) -> None:
    offline = GitHubApi("http://127.0.0.1:1", PersonalToken(TOKEN), backoff=0.0)
    with pytest.raises(Unavailable, match="ConnectionError") as caught:
        offline.get(Ref, GRANT, "/x")
    offline.close()
    assert caught.value.retry_after is None


def test_github_connections_are_per_thread(server: Answering, api: GitHubApi) -> None:
    server.on("GET /x", Answer(body=REF))

    def read() -> None:
        api.get(Ref, GRANT, "/x")
        api.close()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.count("GET /x") == 4


# --- refusals -------------------------------------------------------------------------------------------------------

SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
BLOCKED = (
    "You have triggered an abuse detection mechanism and have been temporarily blocked from content creation. "
    "Please retry your request again later."
)
FUTURE = str(int(time.time()) + 10_000)


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (Answer(403, {"message": SECONDARY}), 60, 60),
        (Answer(429, {"message": SECONDARY}), 60, 60),
        (Answer(403, {"message": BLOCKED}), 60, 60),
        (Answer(429), 60, 60),
        (Answer(403, {"message": SECONDARY}, {"Retry-After": "90"}), 90, 90),
        (Answer(403, {"message": "x"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": FUTURE}), 3_600, 3_600),
        (Answer(429, {"message": "x"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}), 1, 1),
        (Answer(403, {"message": SECONDARY}, {"Retry-After": "soon"}), 60, 60),
    ],
)
def test_github_rate_limit_has_retry_after(
    server: Answering, api: GitHubApi, answer: Answer, least: float, most: float
) -> None:
    server.on("GET /x", answer)
    with pytest.raises(Unavailable) as caught:
        api.get(Ref, GRANT, "/x")
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most
    assert server.count("GET /x") == 1


def test_github_rate_limit_on_a_write_is_not_a_lost_reply(server: Answering, api: GitHubApi) -> None:
    server.on("POST /x", Answer(403, {"message": SECONDARY}))
    with pytest.raises(Unavailable) as caught:
        api.send(Ref, GRANT, "POST", "/x", {})
    assert not isinstance(caught.value, LostReply)


EXISTS = {
    "message": "Validation Failed",
    "errors": [
        {
            "resource": "PullRequest",
            "code": "custom",
            "message": "A pull request already exists for hub4j-test-org:test/stable.",
        }
    ],
}
INTEGRATION = {"message": "Resource not accessible by integration"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}
NEEDED = {"X-Accepted-GitHub-Permissions": "checks=write"}
INVALID = {"resource": "Label", "field": "name", "code": "invalid"}
HEAD_MOVED = {"message": "Head branch was modified. Review and try the merge again."}


# The bodies are GitHub's: recorded by hub4j/github-api and octokit.rb, or from the documentation.
@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Answer(401, {"message": "Bad credentials"}), Unauthorized, "GITHUB_TOKEN"),
        (Answer(403, INTEGRATION, NEEDED), Forbidden, "permission needed: checks=write"),
        (Answer(403, INTEGRATION), Forbidden, "not specified by GitHub"),
        (Answer(404, b"<html>", PAGE), WrongEndpoint, "GITHUB_API_URL"),
        (Answer(403, b"<html>", PAGE), WrongEndpoint, "GITHUB_API_URL"),
        (Answer(404, {"message": "Not Found"}), NotFound, "Loopline has no access"),
        (Answer(410, {"message": "Gone"}), NotFound, "Gone"),
        (Answer(405, {"message": "Pull Request is not mergeable"}), Rejected, "is not mergeable"),
        (Answer(405, {"message": "Base branch was modified. Review and try the merge again."}), Unavailable, "Base"),
        (Answer(405, {"message": "Merge already in progress"}), Unavailable, "in progress"),
        (Answer(409, HEAD_MOVED), Conflict, "Head branch was modified"),
        (Answer(422, EXISTS), Rejected, "Validation Failed; A pull request already exists for hub4j-test-org"),
        (Answer(422, {"message": "x", "errors": ["one", INVALID]}), Rejected, "x; one; Label.name invalid"),
        (Answer(422, {"message": "a\n\nb" + "c" * 900}), Rejected, "a bc{290}"),
        (Answer(451, b"not json"), Rejected, "status 451"),
        (Answer(307, None, {"Location": "/repositories/1"}), Rejected, "new name"),
    ],
)  # fmt: skip
def test_github_error_is_classified_with_githubs_message(
    server: Answering, api: GitHubApi, answer: Answer, error: type[IntegrationError], text: str
) -> None:
    server.on("POST /x", answer)
    with pytest.raises(error, match=text) as caught:
        api.send(Ref, GRANT, "POST", "/x", {})
    assert type(caught.value) is error
    assert TOKEN not in str(caught.value)


def test_github_certificate_that_is_not_trusted_names_the_setting(tmp_path: Path) -> None:
    with untrusted_server(tmp_path) as url, pytest.raises(WrongEndpoint, match="GITHUB_API_URL"):
        GitHubApi(url, PersonalToken(TOKEN), backoff=0.0).get(Ref, GRANT, "/x")


@pytest.mark.parametrize("status", [200, 404])
def test_github_web_page_names_the_setting_of_the_url(server: Answering, api: GitHubApi, status: int) -> None:
    server.on("GET /x", Answer(status, b"<html>", PAGE))
    with pytest.raises(WrongEndpoint, match="GITHUB_API_URL"):
        api.get(Ref, GRANT, "/x")


@pytest.mark.parametrize("status", [200, 201, 204])
def test_github_success_is_not_an_error(status: int) -> None:
    response = requests.Response()
    response.status_code = status
    assert classify_error(response, "GET /x", "GITHUB_TOKEN", 0.0) is None


@pytest.mark.parametrize("body", [None, [], {"object": {}}, {"object": {"sha": 7}}, "x"])
def test_github_response_that_is_invalid_is_rejected_with_its_path(
    server: Answering, api: GitHubApi, body: object
) -> None:
    server.on("GET /x", Answer(body=body))
    with pytest.raises(Rejected, match="response to /x is invalid"):
        api.get(Ref, GRANT, "/x")


# --- redirects and pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_github_redirect_of_a_renamed_repository_is_followed_with_the_token(
    server: Answering, api: GitHubApi, status: int
) -> None:
    server.on("GET /repos/o/old", Answer(status, None, {"Location": f"{server.url}/repositories/7"}))
    server.on("GET /repositories/7", Answer(body={"id": 7, "full_name": "o/new"}))
    assert api.get(Repository, GRANT, "/repos/o/old").full_name == "o/new"
    assert server.asked[1].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("place", [{"Location": "{}/log"}, {"Link": '<{}/log>; rel="next"'}])
def test_github_redirect_or_next_page_on_another_host_is_refused_unsent(
    server: Answering, api: GitHubApi, place: dict[str, str]
) -> None:
    elsewhere = Answering()
    headers = {name: value.format(elsewhere.url) for name, value in place.items()}
    server.on("GET /x", Answer(302 if "Location" in place else 200, [REF], headers))
    with pytest.raises(Rejected, match=f"another host, '{elsewhere.url}/log'.*GITHUB_API_URL"):
        list(api.paginate(Ref, GRANT, "/x"))
    elsewhere.close()
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("location", "text"), [("/x", "too often"), ("http://[", "ValueError"), ("http://a:b/", "invalid URL")]
)
def test_github_redirect_that_is_invalid_or_endless_is_an_error(
    server: Answering, api: GitHubApi, location: str, text: str
) -> None:
    server.on("GET /x", Answer(301, None, {"Location": location}))
    with pytest.raises((Rejected, Unavailable), match=text):
        api.get(Ref, GRANT, "/x")
    assert server.count("GET /x") <= 5


def test_github_pagination_follows_links_with_the_largest_pages(server: Answering, api: GitHubApi) -> None:
    more = {"Link": f'<{server.url}/y?page=2>; rel="next", <{server.url}/y?page=9>; rel="last"'}
    server.on("GET /x", Answer(body={"refs": [REF, REF]}, headers=more))
    server.on("GET /y", Answer(body={"refs": [REF]}))
    assert len(list(api.paginate(Ref, GRANT, "/x", key="refs", state="all"))) == 3
    assert [one.query for one in server.asked] == [{"per_page": "100", "state": "all"}, {"page": "2"}]


@pytest.mark.parametrize("body", [None, {}, {"refs": 7}, 7])
def test_github_pagination_rejects_anything_but_a_list(server: Answering, api: GitHubApi, body: object) -> None:
    server.on("GET /x", Answer(body=body))
    with pytest.raises(Rejected, match="not a list"):
        list(api.paginate(Ref, GRANT, "/x", key="refs"))


# --- paths ----------------------------------------------------------------------------------------------------------


def test_github_path_quotes_names() -> None:
    assert build_path("repos", "o/r", "git/ref/heads", "eng-1/a#b c?") == "/repos/o/r/git/ref/heads/eng-1/a%23b%20c%3F"


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "a//b", "/a", "a/"])
def test_github_path_rejects_empty_parts_and_dots(name: str) -> None:
    with pytest.raises(Rejected, match="not a path"):
        build_path("repos", name, "pulls")


# --- failpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "where", "operation"),
    [
        ("GET", build_path("repos", "o/r"), "github.GET.repos"),
        ("POST", build_path("repos", "o/r", "pulls"), "github.POST.pulls"),
        ("PUT", build_path("repos", "o/r", "pulls", 7, "merge"), "github.PUT.pulls.merge"),
        ("DELETE", build_path("repos", "o/r", "git/refs/heads", "loopline/eng-1"), "github.DELETE.git.refs.heads"),
    ],
)
def test_github_operation_is_the_method_and_the_fixed_segments_of_the_route(
    method: str, where: str, operation: str
) -> None:
    assert name_operation(method, where) == operation


@pytest.mark.parametrize(("status", "phases"), [(200, ["before", "sent", "done"]), (404, ["before", "sent"])])
def test_github_request_passes_its_failpoints(
    server: Answering, api: GitHubApi, tmp_path: Path, status: int, phases: list[str]
) -> None:
    server.on("GET /repos/o/r", Answer(status, REF))
    arm("trace", tmp_path)
    with suppress(IntegrationError):
        api.get(Ref, GRANT, "/repos/o/r")
    arm("", tmp_path)
    passed = (tmp_path / "failpoints/trace").read_text().split()
    assert passed == [f"github.GET.repos:{phase}" for phase in phases]
