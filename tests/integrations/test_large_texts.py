"""Texts and lists beyond all limits: what is read is cut with a mark, what is written fits the provider."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.code_hosts.github.code_host import GitHub
from integrations.code_hosts.github.deliveries import MAX_REQUESTS
from integrations.ports.tracker import Attachment
from integrations.texts import cut
from integrations.trackers.linear.inputs import BODY_LIMIT, TITLE_LIMIT
from integrations.trackers.linear.responses import DESCRIPTION_CHARACTERS
from integrations.trackers.linear.tracker import Linear
from integrations.values import CommitSha, TicketId
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.endless import http, serve_raw

SHA = CommitSha("a" * 40)
HUGE = "ü" * 300_000
PULL = {
    "number": 7, "state": "open", "head": {"ref": "b", "sha": SHA}, "base": {"ref": "main", "sha": SHA},
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Answering]:
    answering = Answering()
    yield answering
    answering.close()


@pytest.fixture
def github(server: Answering) -> Iterator[GitHub]:
    host = GitHub(server.url, token="t", backoff=0.0)
    yield host
    host.close()


@pytest.mark.parametrize("most", [140, 1_000, 299_999])
@pytest.mark.parametrize("tail", [0, 40])
def test_text_that_is_cut_fits_and_shows_it(most: int, tail: int) -> None:
    short = cut(HUGE, most, tail)

    assert len(short) <= most
    assert short.endswith("…") if most < 200 else "[cut by Loopline: 300,000 characters in all]" in short
    assert cut(HUGE, 300_000) == HUGE


def test_text_that_is_cut_in_the_middle_keeps_its_end() -> None:
    assert cut("a" * 900 + "Done when\n- it works", 500, tail=100).endswith("Done when\n- it works")


# --- what is written ------------------------------------------------------------------------------------------------


def test_github_writes_fit_the_limits(server: Answering, github: GitHub) -> None:
    server.on("GET /repos/o/r/pulls", Answer(body=[]))
    server.on("POST /repos/o/r/pulls", Answer(201, PULL))
    server.on("PATCH /repos/o/r/pulls/7", Answer(body=PULL))
    server.on("GET /repos/o/r/issues/7/comments", Answer(body=[]))
    server.on("POST /repos/o/r/issues/7/comments", Answer(201, {}))
    server.on(f"GET /repos/o/r/commits/{SHA}/statuses", Answer(body=[]))
    server.on(f"POST /repos/o/r/statuses/{SHA}", Answer(201, {}))
    server.on("PUT /repos/o/r/pulls/7/merge", Answer(body={"sha": SHA}))

    github.open_pull_request("o/r", "b", "main", HUGE, HUGE)
    github.update_pull_request("o/r", 7, HUGE, HUGE)
    github.comment("o/r", 7, HUGE, "m1")
    github.set_status("o/r", SHA, "loopline/verdict", "success", HUGE, "")
    github.merge("o/r", 7, SHA, HUGE)

    limits = {"title": 256, "body": 65_536, "description": 140, "commit_title": 256}
    written = [(name, text) for one in server.asked for name, text in (one.body or {}).items() if name in limits]
    assert len(written) == 7
    assert all(0 < len(text) <= limits[name] and ("cut by" in text or "…" in text) for name, text in written)
    assert written[4][1].endswith("m1 -->")


def test_linear_writes_fit_the_limits() -> None:
    sent: list[dict[str, Any]] = []

    def play(client: socket.socket, request: bytes) -> None:
        sent.append(json.loads(request[request.index(b"{") :])["variables"])
        client.sendall(http(b'{"data": {"x": {"success": true}}}'))

    with serve_raw(play) as url:
        linear = Linear(url, "k")
        linear.comment(TicketId("t1"), HUGE, "c1")
        linear.edit_comment("c1", HUGE)
        linear.attach(TicketId("t1"), Attachment("https://x", HUGE, HUGE))
        linear.close()

    assert len(sent[0]["comment"]["body"]) == len(sent[1]["body"]) == BODY_LIMIT
    attachment = sent[2]["attachment"]
    assert len(attachment["title"]) == len(attachment["subtitle"]) == TITLE_LIMIT


# --- what is read ---------------------------------------------------------------------------------------------------


def test_linear_ticket_keeps_the_beginning_and_the_end_of_its_description() -> None:
    issue = {
        "id": "t1", "identifier": "ENG-1", "title": "x" * 10_000, "state": {"name": "Agent"}, "team": {"key": "ENG"},
        "description": "Fix it\n" + "y" * 1_000_000 + "\nDone when\n- `pytest -q` passes",
        "labels": {"nodes": [{"name": f"label {n}"} for n in range(300)]},
    }  # fmt: skip
    data = {"viewer": {"id": "u"}, "issue": issue}
    with serve_raw(lambda client, _: client.sendall(http(json.dumps({"data": data}).encode()))) as url:
        ticket = Linear(url, "k").fetch(TicketId("t1"))

    assert len(ticket.description) <= DESCRIPTION_CHARACTERS
    assert ticket.description.startswith("Fix it") and ticket.description.endswith("- `pytest -q` passes")
    assert "[cut by Loopline: 1,000,0" in ticket.description


def test_linear_ticket_with_ten_thousand_comments_is_read() -> None:
    def play(client: socket.socket, request: bytes) -> None:
        variables = json.loads(request[request.index(b"{") :]).get("variables", {})
        at = int(variables.get("after") or 0)
        nodes = [
            {"id": f"c{n}", "issueId": "t1", "body": "z" * 1_000, "createdAt": f"{n:09}"} for n in range(at, at + 50)
        ]
        page = {"nodes": nodes, "pageInfo": {"hasNextPage": at + 50 < 10_000, "endCursor": str(at + 50)}}
        data = {"viewer": {"id": "u"}} if b"query Viewer" in request else {"issue": {"comments": page}}
        client.sendall(http(json.dumps({"data": data}).encode()))

    with serve_raw(play) as url:
        assert len(list(Linear(url, "k").comments(TicketId("t1")))) == 10_000


def test_github_review_with_thousands_of_comments_is_cut_with_a_mark(server: Answering, github: GitHub) -> None:
    comments = [
        {"id": n, "body": HUGE[:30_000], "path": "a.py", "line": n + 1, "pull_request_review_id": 1} for n in range(100)
    ]
    more = [
        Answer(body=comments, headers={"Link": f'<{server.url}/repos/o/r/pulls/7/comments?page={n}>; rel="next"'})
        for n in range(2, 5)
    ]
    for n, answer in enumerate(more):
        answer.body[0:1] = [{**comments[0], "id": 1_000 + n}]
        object.__setattr__(answer, "body", [{**c, "id": c["id"] + n * 10_000} for c in comments])
    server.on("GET /repos/o/r/pulls/7/comments", *more, Answer(body=[{**comments[0], "id": 77_777}]))
    server.on("GET /repos/o/r/pulls/7/reviews", Answer(body=[{"id": 1, "state": "COMMENTED", "body": HUGE}]))

    (review,) = github.reviews("o/r", 7)

    assert len(review.comments) == 101
    assert review.comments[-1] == "[201 further comments are left out]"
    assert sum(map(len, review.comments)) < 420_000
    assert "[cut by Loopline: 30,000 characters in all]" in review.comments[0]
    assert "[cut by Loopline: 300,000 characters in all]" in review.body


def test_github_redelivers_a_bounded_number_at_once(server: Answering, github: GitHub) -> None:
    hook = {"id": 1, "config": {"url": "https://x/webhooks/github"}}
    failed = [
        {"id": n, "guid": f"g{n}", "delivered_at": "2026-11-26T10:00:00Z", "status": "failed"} for n in range(1_000)
    ]
    server.on("GET /repos/o/r/hooks", Answer(body=[hook]))
    server.on("GET /repos/o/r/hooks/1/deliveries", Answer(body=failed))
    for n in range(1_000):
        server.on(f"POST /repos/o/r/hooks/1/deliveries/{n}/attempts", Answer(202, {}))

    assert github.redeliver("o/r", 0.0) == MAX_REQUESTS
    assert sum(one.method == "POST" for one in server.asked) == MAX_REQUESTS
    assert server.count("POST /repos/o/r/hooks/1/deliveries/999/attempts") == 1  # the oldest one
