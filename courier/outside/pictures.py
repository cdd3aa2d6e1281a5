"""Pictures that somebody sent: opened only when they are what they say and no larger than a camera makes them.

What a camera writes beside a picture (place, time, device) and what somebody hides behind it is left behind: it is drawn anew.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from courier.domain.errors import Refused

MEDIA_TYPES: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
MOST_BYTES: Final = 8 * 1024 * 1024
# The largest camera of a phone.
_MOST_PIXELS: Final = 50_000_000
_LONGEST_SIDE: Final = 1280
_QUALITY: Final = 80


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


def drawn_anew(body: bytes) -> bytes:
    """What a citizen's picture shows, as a JPEG of at most 1280 pixels a side, and nothing else of it.

    Raises:
        Refused: `not-a-picture`, `too-large`.
    """
    if len(body) > MOST_BYTES:
        raise Refused("too-large", f"Ảnh lớn hơn {MOST_BYTES // 1024 // 1024} MB. Mời Ông/Bà chọn ảnh nhỏ hơn.")
    with opened(body, most_pixels=_MOST_PIXELS) as picture:
        picture.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        bare = Image.new("RGB", upright.size)
        bare.paste(upright)
        drawn = io.BytesIO()
        bare.save(drawn, "JPEG", quality=_QUALITY)
        return drawn.getvalue()
