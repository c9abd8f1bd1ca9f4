"""Keograms: one picture for each night of what an all-sky camera saw, as arrays.

The cameras of the Swedish Institute of Space Physics (IRF, KAGO archive) make one file a day, named
by its date. Measured on the 265 readable files of Kiruna, 2021: 5760 x 360 pixels with a palette of
8 bits; 240 columns are an hour and 4 a minute; column 0 is 12:00 UTC of the file's date, so the
picture runs from noon to noon; columns where the camera was off are black. The upper rows are very
likely the northern sky. The archive serves GIF, copies of it are often PNG.

The pictures belong to IRF: link them and name the source, and never put one into a repository.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from fti.errors import SourceError

WIDTH, HEIGHT = 5760, 360  # pixels
HOURS, MINUTES = 24, 24 * 60  # in a picture
HOUR, MINUTE = WIDTH // HOURS, WIDTH // MINUTES  # pixels
NOON = 12  # UTC hour of column 0
MAX_BYTES = 8 * 2**20  # real files have up to 1.0 MB
BLACK = 16  # of 255; what the camera writes while it is off is 0
SUFFIXES = (".png", ".gif")

# What Pillow raises for bytes that are not the picture they claim to be.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)
OVERSIZED = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class KeogramError(SourceError):
    """A file is no keogram. `reason` says why, without the file's name."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} {reason}.")
        self.name, self.reason = name, reason

    def __reduce__(self):
        return type(self), (self.name, self.reason)


@dataclass(frozen=True)
class Keogram:
    """A picture: `pixels` (360 x 5760) are rows of `palette` (colours x 3: red, green, blue)."""

    day: date
    pixels: np.ndarray
    palette: np.ndarray

    @cached_property
    def cells(self) -> np.ndarray:
        """Mean colour, 0-255, of each minute and 4 rows: int16 of 90 x 1440 x 3.

        The palettes are dithered: a pixel's own colour may be far from the sky's.
        """
        picture = Image.fromarray(np.take(self.palette, self.pixels, axis=0))
        return np.asarray(picture.reduce(MINUTE)).astype(np.int16)

    @cached_property
    def lit(self) -> np.ndarray:
        """Tell for each of the 1440 minutes whether the camera was on."""
        return (self.cells.max(axis=2) > BLACK).mean(axis=0) > 0.5

    @property
    def start(self) -> datetime:
        """The instant of column 0, in UTC."""
        return start_of(self.day)


def read(path: Path) -> Keogram:
    """Read a file named by its date; raise KeogramError naming it and what is wrong."""
    return decode(content(path), path.name)


def content(path: Path) -> bytes:
    """Give the bytes of a file, at most one more than `MAX_BYTES`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeogramError(path.name, f"cannot be read ({error.strerror})") from error


def decode(data: bytes, name: str) -> Keogram:
    """Give the picture that the bytes hold; `name` has its date. Raises KeogramError."""
    day = day_of(name)
    if len(data) > MAX_BYTES:
        raise KeogramError(name, f"has more than {MAX_BYTES:,} bytes")
    if b"<html" in data[:1024].lower() or data.lstrip()[:9].lower() == b"<!doctype":
        raise KeogramError(name, "is an HTML page, not a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Keogram(day, *_colours(_picture(data, name)))
    except OVERSIZED as error:
        raise KeogramError(name, f"is not {WIDTH} x {HEIGHT} pixels, but far more") from error
    except KeogramError:
        raise
    except UNREADABLE as error:
        raise KeogramError(name, f"is damaged or no picture ({_brief(error)})") from error


def day_of(name: str) -> date:
    """Give the date that ends a file's name: `20210105.png`, `dark_keo20210105.gif`."""
    digits = re.search(r"(?<!\d)((19|20|21)\d{6})$", name.rpartition(".")[0], re.ASCII)
    try:
        return datetime.strptime(digits[1] if digits else "", "%Y%m%d").date()
    except ValueError:
        raise KeogramError(name, "has no date (YYYYMMDD) at the end of its name") from None


def start_of(day: date) -> datetime:
    """Give the instant, in UTC, at which the picture of a day begins."""
    return datetime.combine(day, time(NOON), tzinfo=UTC)


def opencv_hsv(colours: np.ndarray) -> np.ndarray:
    """Give hue (0-179), saturation and value (0-255) of 8-bit colours (n x 3), as OpenCV does.

    This is its integer arithmetic, `RGB2HSV_b`: equal to cv2 5.0 for each of the 2**24 colours.
    """
    red, green, blue = colours.astype(np.int64).T
    value, low = colours.max(axis=1).astype(np.int64), colours.min(axis=1)
    spread = value - low
    saturation = (spread * _twelve_bits(255)[value] + 2048) >> 12
    sixths = np.select(
        [value == red, value == green],
        [green - blue, blue - red + 2 * spread],
        red - green + 4 * spread,
    )
    hue = ((sixths * _twelve_bits(180 / 6)[spread] + 2048) >> 12) % 180
    return np.stack([hue, saturation, value], axis=1).astype(np.uint8)


def _twelve_bits(factor):
    """Give factor / n for n of 0-255 in fixed point; for 0 it is 0."""
    return np.rint(np.append(0, factor * 4096 / np.arange(1, 256))).astype(np.int64)


def _picture(data, name):
    """Decode, once the checksums of a PNG are right and the header states the only right size."""
    with Image.open(io.BytesIO(data), formats=("PNG", "GIF")) as picture:
        if picture.size != (WIDTH, HEIGHT):
            found = "{} x {}".format(*picture.size)
            raise KeogramError(name, f"is {found} pixels, not {WIDTH} x {HEIGHT}")
        picture.verify()
    picture = Image.open(io.BytesIO(data), formats=("PNG", "GIF"))
    picture.load()
    return picture


def _colours(picture):
    """Give pixels and palette; a picture without a palette gets the one of its colours."""
    if picture.mode == "P":
        colours = np.array(picture.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[: len(colours)] = colours
        return np.asarray(picture), palette
    codes = np.asarray(picture.convert("RGB")).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1])
    found, pixels = np.unique(codes, return_inverse=True)
    palette = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)
    return pixels.reshape(codes.shape), palette


def _brief(error):
    return str(error).partition("<")[0].strip(" .:") or type(error).__name__
