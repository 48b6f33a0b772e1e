"""The state of a ticket that the decision about a comment needs. Called by `jobs.effects.gather`."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import TicketCommented
from integrations.images_in_texts import list_images_in_texts
from jobs.effects.images import download_images
from jobs.effects.world import World
from jobs.loop.state import AT_WORK


def add_state(event: TicketCommented | None, world: World) -> TicketCommented | None:
    """With the place of the ticket's run in the queue, and with the images in the text for the agent that is at work:
    the preparation of later work downloads those by itself."""
    loop = world.store.load(event.ticket_id) if event else None
    if not event or loop is None or loop.stage not in AT_WORK:
        return event
    found = list_images_in_texts(event.body) if event.author and event.author.may_steer else ()
    images = download_images(found, world.upload_folder(loop.identifier), world) if found else ()
    return replace(event, images=images, queued=world.find_queue_place(event.ticket_id, loop.run_id))
