"""Downloads the images of a ticket into the home folder, where the agent processes read them. Called by `perform`.

An image that cannot be used is reported with the reason and never keeps the work from starting.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from integrations.errors import IntegrationError
from integrations.images_in_texts import LARGEST_IMAGE, detect_image_type
from integrations.values import TicketImage
from jobs.effects.world import World

_log = structlog.get_logger(__name__)


def download_images(wanted: Sequence[TicketImage], folder: Path, world: World) -> tuple[TicketImage, ...]:
    """The images with their files in `folder`, or with the problem. Files that are there are not downloaded again."""
    return tuple(_download(image, folder / image.file_name, world) for image in wanted)


def _download(image: TicketImage, path: Path, world: World) -> TicketImage:
    try:
        content = path.read_bytes() if path.exists() else world.tracker.download(image.url, LARGEST_IMAGE)
        media_type = detect_image_type(content)
        if media_type and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.write_bytes(content)
            draft.replace(path)
    except (IntegrationError, OSError) as error:
        _log.warning("image not downloaded", reason=str(error))
        return TicketImage(url=image.url, name=image.name, problem=str(error)[:300])
    if not media_type:
        return TicketImage(url=image.url, name=image.name, problem="it is not a PNG, JPEG, GIF or WebP image")
    return TicketImage(url=image.url, name=image.name, media_type=media_type)
