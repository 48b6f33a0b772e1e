"""The images that a preparation downloads: of whom, how many, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

from integrations.images_in_texts import MAX_IMAGES
from integrations.values import Remark, TicketImage
from jobs.loop.board_memory import loop_of, metadata_of
from jobs.loop.commands import PrepareWorkspace
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.routing import list_images
from tests.jobs.workflow.values import ANA, CHECKED, GUEST, moved, ready, said
from tests.loops import changed

URL = "https://uploads.test/"


def test_images_are_those_of_description_people_and_guidance(making: Loop) -> None:
    remarks = (
        Remark(id="m1", author=ANA, text=f"![a]({URL}1)"),
        Remark(id="m2", author=GUEST, text=f"![evil]({URL}2)"),
    )
    described = replace(making.ticket, description=f"![d]({URL}0) ![again]({URL}0)", remarks=remarks)
    loop = changed(making, ticket=described, guidance=(Guidance(author="Ana", text=f"![g]({URL}3)"),))

    assert [(one.url[-1], one.name) for one in list_images(loop)] == [("0", "d"), ("1", "a"), ("3", "g")]


def test_images_are_limited(making: Loop) -> None:
    many = "".join(f"![]({URL}{number})" for number in range(50))

    assert len(list_images(changed(making, ticket=replace(making.ticket, description=many)))) == MAX_IMAGES


def test_images_are_requested_at_hand_over_and_at_a_revision(making: Loop, policy: ServicePolicy) -> None:
    ticket = replace(making.ticket, description=f"![d]({URL}0)", column="Agent")
    handed = decide(Loop(ticket=ticket), moved(ticket, "Agent"), policy)
    review = changed(making, stage=Stage.REVIEW, number=7, pushed_sha="a" * 40)
    revised = decide(review, said(f"/changes like ![r]({URL}1)"), policy)

    wanted = [c.images for d in (handed, revised) for c in d.commands if isinstance(c, PrepareWorkspace)]
    assert [[one.url for one in images] for images in wanted] == [[f"{URL}0"], [f"{URL}1"]]


def test_images_are_kept_with_the_loop_and_on_the_board(making: Loop, policy: ServicePolicy) -> None:
    image = TicketImage(url=f"{URL}0", media_type="image/png")
    preparing = changed(making, stage=Stage.PREPARING)

    loop = decide(preparing, replace(ready(CHECKED), images=(image,)), policy).loop

    assert loop.images == (image,) == loop_of(loop.ticket, metadata_of(loop)).images
