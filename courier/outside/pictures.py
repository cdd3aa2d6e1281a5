"""Pictures that somebody sent: opened only when they are what they say and no larger than a camera makes them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, UnidentifiedImageError

from courier.domain.errors import Refused

MEDIA_TYPES: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@contextmanager
def opened(body: bytes, *, most_pixels: int) -> Iterator[Image.Image]:
    """The picture for as long as the block lasts; what is only found wrong while it is read is refused as well.

    Raises:
        Refused: `not-a-picture`: of no known kind, damaged, or of more pixels than that (a few kilobytes can claim any number).
    """
    try:
        with Image.open(io.BytesIO(body), formats=list(MEDIA_TYPES)) as picture:
            width, height = picture.size
            if width * height > most_pixels:
                raise ValueError(f"{width} x {height}")
            yield picture
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,  # where the process turns warnings into errors
        OSError,
        SyntaxError,
        ValueError,
    ) as fault:
        raise Refused("not-a-picture", "Tệp này không phải là ảnh JPEG, PNG hay WebP hợp lệ.") from fault
