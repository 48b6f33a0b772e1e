"""The adapter against the live stand-in, beyond the contract for all trackers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from integrations.errors import Rejected, Unauthorized, Unavailable
from integrations.events import Event, TicketReacted
from integrations.standins.linear.server import LinearApp, Subscription, serve
from integrations.trackers.linear.tracker import Linear
from integrations.trackers.linear.webhooks import LinearWebhooks
from integrations.values import Ticket
from tests.integrations.trackers.linear_boards import ADA_KEY, OUR_KEY, LinearBoard, standin

SECRET = "lin_wh_test"


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, LinearApp]]:
    with standin() as place:
        yield place


@pytest.fixture
def url(place: tuple[str, LinearApp]) -> str:
    return place[0]


@pytest.fixture
def writes(place: tuple[str, LinearApp]) -> Callable[[], list[str]]:
    """The operations that the stand-in accepted since the start of the test."""
    before = len(place[1].store.entries())
    return lambda: [entry["operation"] for entry in place[1].store.entries()[before:]]


@pytest.fixture
def board(url: str) -> Iterator[LinearBoard]:
    with closing(LinearBoard(url, OUR_KEY)) as board:
        yield board


@pytest.fixture
def ticket(board: LinearBoard) -> Ticket:
    return board.tracker.fetch(board.new_ticket("Retry the export"))


@pytest.mark.parametrize(
    ("credential", "may_steer"),
    [({"api_key": ADA_KEY}, True), ({"api_key": "lin_api_guest"}, False), ({"access_token": "oauth-of-bot"}, False)],
)
def test_linear_permission_of_authors_is_looked_up(
    url: str, board: LinearBoard, ticket: Ticket, credential: dict[str, Any], may_steer: bool
) -> None:
    comment_id = board.new_id()
    with closing(Linear(url, **credential)) as other:
        other.comment(ticket.id, "/stop", comment_id)
        other.react(comment_id, "+1", board.new_id())
    comment = board.tracker.fetch_comment(comment_id)
    for author in (comment.author, comment.reactions[0].author):
        assert (author.may_steer, author.is_us) == (may_steer, False)


def test_linear_pagination_reads_all_tickets_and_comments(board: LinearBoard, ticket: Ticket) -> None:
    made = {ticket.id} | {board.new_ticket(f"ticket {number}") for number in range(55)}
    assert made <= {it.id for it in board.tracker.in_columns(board.team, [ticket.column])}
    for number in range(55):
        board.tracker.comment(ticket.id, str(number), board.new_id())
    assert [comment.body for comment in board.tracker.comments(ticket.id)] == [str(number) for number in range(55)]


def test_linear_move_to_the_current_column_writes_nothing(
    board: LinearBoard, ticket: Ticket, writes: Callable[[], list[str]]
) -> None:
    for _ in range(2):
        board.tracker.move(ticket, board.columns[1])
    assert writes().count("issueUpdate") == 1


def test_linear_comment_with_a_lost_reply_can_be_retried(
    url: str, board: LinearBoard, ticket: Ticket, writes: Callable[[], list[str]]
) -> None:
    fault = {"operation": "commentCreate", "kind": "lost_reply"}
    requests.post(url.replace("/graphql", "/_faults"), json=fault, timeout=10).raise_for_status()
    comment_id = board.new_id()
    with pytest.raises(Unavailable):
        board.tracker.comment(ticket.id, "once", comment_id)
    board.tracker.comment(ticket.id, "once", comment_id)
    assert [comment.body for comment in board.tracker.comments(ticket.id)] == ["once"]
    assert writes().count("commentCreate") == 1


def test_linear_label_matches_in_any_case(board: LinearBoard, ticket: Ticket) -> None:
    board.tracker.add_label(ticket, "Bug")
    assert board.tracker.fetch(ticket.id).labels == ("bug",)


def test_linear_unknown_key_is_unauthorized(url: str) -> None:
    with closing(Linear(url, "lin_api_wrong")) as linear, pytest.raises(Unauthorized, match="LINEAR_API_KEY"):
        linear.viewer()


def test_linear_empty_comment_is_rejected_with_linears_message(board: LinearBoard, ticket: Ticket) -> None:
    with pytest.raises(Rejected, match="body should not be empty"):
        board.tracker.comment(ticket.id, " ", board.new_id())


def test_linear_adapter_is_thread_safe(board: LinearBoard, ticket: Ticket) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: board.tracker.fetch(ticket.id), range(16)))
    assert found == [ticket] * 16


def test_linear_rate_limit_is_unavailable_until_its_reset() -> None:
    with standin(requests_per_hour=2) as (url, _), closing(Linear(url, OUR_KEY)) as linear:
        linear.check_columns("ENG", ["Agent"])
        linear.viewer()
        with pytest.raises(Unavailable) as caught:
            linear.fetch("ENG-1")
    assert caught.value.retry_after == pytest.approx(1_800, abs=5)  # in which one request refills


@contextmanager
def webhook_receiver() -> Iterator[tuple[str, Callable[[], list[tuple[str, Event]]]]]:
    """A stand-in that sends webhooks: its URL, and a function that waits for all and returns their events."""
    got: list[tuple[dict[str, str], bytes]] = []

    @Request.application
    def receiver(request: Request) -> Response:
        got.append(({name.lower(): value for name, value in request.headers.items()}, request.get_data()))
        return Response()

    with closing(serve(receiver)) as endpoint, standin(webhooks=[Subscription(endpoint.url, SECRET)]) as (url, app):

        def arrived() -> list[tuple[str, Event]]:
            assert app.webhooks.settle()
            deliveries = [LinearWebhooks().verify(*it, [SECRET], time.time()) for it in got]
            return [(it.event, event) for it in deliveries for event in LinearWebhooks().translate(it)]

        yield url, arrived


def test_linear_webhook_of_the_stand_in_is_verified_and_translated() -> None:
    with webhook_receiver() as (url, arrived), closing(LinearBoard(url, OUR_KEY)) as board:
        ticket_id = board.new_ticket("Retry the export")
        [(name, event)] = arrived()
    assert (name, event.kind, event.ticket_id) == ("Issue.create", "TicketMoved", ticket_id)


def test_linear_webhook_of_a_reaction_matches_the_board() -> None:
    with (
        webhook_receiver() as (url, arrived),
        closing(LinearBoard(url, OUR_KEY)) as board,
        closing(Linear(url, ADA_KEY)) as ada,
    ):
        ticket_id, comment_id = board.new_ticket("Retry the export"), board.new_id()
        board.tracker.comment(ticket_id, "Needs you", comment_id)
        ada.react(comment_id, "+1", board.new_id())
        event = arrived()[-1][1]
        [shown] = board.tracker.fetch_comment(comment_id).reactions
    assert isinstance(event, TicketReacted) and event.author
    assert (event.ticket_id, event.comment_id) == (ticket_id, comment_id)
    assert (event.event_id, event.emoji, event.author.id) == (f"reaction:{shown.id}", shown.emoji, shown.author.id)
