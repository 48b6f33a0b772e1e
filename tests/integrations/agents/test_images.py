"""Images of a task: blocks behind the brief, a bounded estimate, and a run that continues when they are refused."""

from __future__ import annotations

import base64
import time
from pathlib import Path

from integrations.agents.anthropic.messages import build_request
from integrations.agents.anthropic.prices import IMAGE_TOKENS, estimate_prompt_tokens
from integrations.ports.agent_runner import Entry, Image
from tests.integrations.agents.doubles import FunctionToolbox, ListConversation, task
from tests.jobs.model_runs import model_at

PNG = Image("image/png", b"\x89PNG\r\n\x1a\n" + bytes(1_000_000))
BRIEF = Entry("brief", {"text": "fix it"})


def test_images_follow_the_brief_and_are_the_same_each_turn() -> None:
    reply = [
        Entry("block", {"type": "text", "text": "ok"}),
        Entry("turn", {"stop_reason": "end", "usage": {}, "blocks": 1}),
    ]
    steering = Entry("steering", {"text": "more", "comment_ids": []})
    first = build_request(task(images=(PNG,)), [], [BRIEF])["messages"]
    later = build_request(task(images=(PNG,)), [], [BRIEF, *reply, steering])["messages"]

    text, image = first[0]["content"]
    assert text["text"] == "fix it" and image["source"]["media_type"] == "image/png"
    assert base64.b64decode(image["source"]["data"]) == PNG.content
    assert [block["type"] for block in later[0]["content"]] == ["text", "image"] and len(later) == 3


def test_images_count_as_a_fixed_number_of_tokens() -> None:
    bare = estimate_prompt_tokens(build_request(task(), [], [BRIEF]), [BRIEF])
    seen = estimate_prompt_tokens(build_request(task(images=(PNG, PNG)), [], [BRIEF]), [BRIEF])

    assert bare < seen <= bare + 2 * IMAGE_TOKENS


def test_images_that_the_model_refuses_are_left_out(tmp_path: Path) -> None:
    conversation = ListConversation()
    broken = Image("image/jpeg", b"not a picture")
    with model_at(tmp_path) as model:
        outcome = model.api.advance(
            task(images=(PNG, broken)), conversation, FunctionToolbox(), lambda: False, time.monotonic() + 30
        )

    assert outcome and outcome.kind == "done"
    notes = [entry.data["text"] for entry in conversation.kept if entry.data.get("without_images")]
    assert len(notes) == 1 and "Could not process image" in notes[0]


def test_images_of_guidance_follow_it_until_the_model_refuses_them() -> None:
    reply = [
        Entry("block", {"type": "text", "text": "ok"}),
        Entry("turn", {"stop_reason": "end", "usage": {}, "blocks": 1}),
    ]
    steering = Entry("steering", {"text": "like this", "comment_ids": ["c1"], "images": ["form", "gone"]})
    refused = Entry("note", {"text": "left out", "without_images": True})
    seen = task(load_image={"form": PNG}.get)

    *_, last = build_request(seen, [], [BRIEF, *reply, steering])["messages"]
    *_, later = build_request(seen, [], [BRIEF, *reply, steering, refused])["messages"]

    assert [block["type"] for block in last["content"]] == ["text", "image"]
    assert [block["type"] for block in later["content"]] == ["text", "text"]
