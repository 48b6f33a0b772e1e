from __future__ import annotations

import pytest

from integrations.images_in_texts import detect_image_type, find_images


def test_images_of_a_text_are_found_in_order() -> None:
    text = "![a\nb](https://x.test/0) ![the  form](https://u.test/1 'title') [no](https://u.test/2) ![](<https://u.test/3>)"

    assert list(find_images(text)) == [("https://u.test/1", "the form"), ("https://u.test/3", "")]
    assert list(find_images("![a](data:image/png;base64,xx) ![b](/local.png) ![c](file:///etc/passwd)")) == []


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", ""),
        (b"<svg xmlns=", ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_image_type_is_that_of_the_content(content: bytes, media_type: str) -> None:
    assert detect_image_type(content) == media_type
