"""A reader's own image and mask, read and written so that no known pixel changes by a bit.

What cannot be kept to the bit is refused with a sentence that says what to do instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from course_lib import files

LOSSLESS = (".png", ".tif", ".tiff")
READ = ("PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF")  # of all others the bits per colour are unsure
MODES = ("L", "LA", "RGB", "RGBA")
BITS_PER_SAMPLE = 258  # the TIFF tag


class PhotoError(Exception):
    """An image or a mask that cannot be used; the message is one line and says what to do."""


@dataclass(frozen=True, eq=False)
class Photo:
    """An image as its file holds it.

    Attributes:
        pixels: grey or colour, uint8 or uint16, (H, W, C) with C 1 or 3.
        alpha: opacity, (H, W) of the same type, or None.
        profile: what its colours mean, an ICC profile, or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    profile: bytes | None

    @property
    def largest(self) -> int:
        """The value of white: 255 or 65535."""
        return int(np.iinfo(self.pixels.dtype).max)


def read_photo(path: Path) -> Photo:
    """Read a grey or colour image of 8 bits, with or without alpha, or a grey one of 16 bits.

    A camera's note that the image lies on its side is obeyed.

    Raises:
        PhotoError: if the file cannot be read, is an animation, or has a kind of pixel that could
            not be written back to the bit.
    """
    image = _opened(path)
    sixteen = _sixteen_bits(image, path)
    if getattr(image, "n_frames", 1) > 1:
        raise PhotoError(f"{path} holds {image.n_frames} images; save the one that you mean alone")
    if "transparency" in image.info:
        raise PhotoError(f"{path} calls one colour transparent; save it with an alpha channel")
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if sixteen:
        values = np.asarray(image).astype(np.uint16)
        return Photo(values[:, :, None], None, profile)
    if image.mode not in MODES:
        raise PhotoError(
            f"{path} has pixels of the kind {image.mode!r}; expected one of {', '.join(MODES)} or "
            "grey of 16 bits. Convert it to RGB or to grey"
        )
    values = np.asarray(image)
    values = values[:, :, None] if values.ndim == 2 else values  # (H, W, 1 to 4)
    if image.mode.endswith("A"):
        return Photo(values[:, :, :-1], values[:, :, -1], profile)
    return Photo(values, None, profile)


def read_mask(path: Path, height: int, width: int, invert: bool = False) -> np.ndarray:
    """Read which pixels are missing, white in the file: (height, width), bool.

    Args:
        path: a file of black (known) and white (missing) alone, as large as the image.
        height, width: of the image.
        invert: black is missing instead.

    Raises:
        PhotoError: if the file cannot be read, is of another size, or holds another colour.
    """
    image = _opened(path)
    if getattr(image, "n_frames", 1) > 1:
        raise PhotoError(f"{path} holds {image.n_frames} images; save the mask alone")
    image = ImageOps.exif_transpose(image)
    if (image.height, image.width) != (height, width):
        raise PhotoError(
            f"{path} is {image.width} x {image.height} pixels, the image {width} x {height}; "
            "a mask is as large as its image"
        )
    if image.mode not in ("1", "L", "P", "RGB", "LA", "RGBA"):
        raise PhotoError(
            f"{path} has pixels of the kind {image.mode!r}; save the mask as 8-bit grey"
        )
    values = np.asarray(image.convert("RGBA"))  # (H, W, 4)
    grey = values[:, :, 0]
    same = (values[:, :, :3] == grey[:, :, None]).all() and (values[:, :, 3] == 255).all()
    if not same or not np.isin(grey, (0, 255)).all():
        raise PhotoError(
            f"{path} is not of black (known) and white (missing) alone, without transparency; "
            "draw it with a hard brush and save it as PNG"
        )
    return (grey == 255) != invert


def lossless(path: Path) -> Path:
    """The path, if what is written there keeps every bit.

    Raises:
        PhotoError: for another suffix than those of PNG and TIFF.
    """
    if Path(path).suffix.lower() not in LOSSLESS:
        raise PhotoError(
            f"{path} would not keep the known pixels as they are; name a file that ends in "
            f"{' or '.join(LOSSLESS)}"
        )
    return Path(path)


def write_photo(photo: Photo, path: Path) -> None:
    """Write an image with its alpha channel and colour profile, whole or not at all.

    Raises:
        PhotoError: for a kind of file that would change pixels.
    """
    values = photo.pixels
    if photo.alpha is not None:
        values = np.concatenate([values, photo.alpha[:, :, None]], axis=2)
    values = values[:, :, 0] if values.shape[2] == 1 else values
    keep = {"icc_profile": photo.profile} if photo.profile else {}
    with files.whole(lossless(path)) as aside:
        Image.fromarray(np.ascontiguousarray(values)).save(aside, **keep)


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError as error:
        raise PhotoError(f"{path} is not there") from error
    # A damaged file can raise errors of many classes; all mean the same here.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path} cannot be read as an image ({error})") from error
    return image


def _sixteen_bits(image: Image.Image, path: Path) -> bool:
    """Whether the file holds grey of 16 bits; colour of 16 bits is refused.

    Pillow reads that as 8 bits, and says nothing.
    """
    if image.format not in READ:
        raise PhotoError(
            f"{path} is a {image.format} file, of which some bits might be lost in reading; save "
            "it as PNG or TIFF"
        )
    if image.mode == "F":
        raise PhotoError(
            f"{path} has floating-point pixels; convert it to 8 bits, or to grey of 16 bits"
        )
    depths = (8,)
    if image.format == "PNG":
        with open(path, "rb") as opened:
            depths = (opened.read(25)[24],)  # the header's bit depth
    elif image.format == "TIFF":
        depths = image.tag_v2.get(BITS_PER_SAMPLE, (8,))
    grey = image.mode in ("I", "I;16", "I;16B", "I;16L")
    if max(depths) == 16 and grey:
        return True
    if max(depths) > 8:
        raise PhotoError(
            f"{path} has {max(depths)} bits for each colour, of which only 8 would be read; "
            "convert it to 8 bits, or to grey of 16 bits"
        )
    return False
