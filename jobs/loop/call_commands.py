"""Commands for a request that a person sent from outside of the tracker, such as an MCP client, and its answer.

`jobs.loop.commands` documents commands.
"""

from __future__ import annotations

from typing import Literal

from integrations.values import Codec, value


@value
class CallAnswer:
    """The decision on a request. `replies` are the comments that Loopline answers with on the ticket, `stages` those
    before and after. `refusal` is why the request was not decided."""

    replies: tuple[str, ...] = ()
    stages: tuple[str, str] = ("", "")
    refusal: str = ""


CALL_ANSWER: Codec[CallAnswer] = Codec(CallAnswer)


@value
class RelayComment:
    """Post a comment that a person wrote outside of the tracker, under its idempotent id."""

    kind: Literal["RelayComment"] = "RelayComment"
    comment_id: str
    body: str


@value
class AnswerCaller:
    """Leave the answer to the request `request`, the id of its event, for the client that waits for it."""

    kind: Literal["AnswerCaller"] = "AnswerCaller"
    request: str
    answer: CallAnswer
