"""A keogram is 5760 x 360 pixels from noon to noon UTC; anything else is refused by name."""

import io
import pickle
import struct
import zlib
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aurora import keogram
from aurora.keogram import KeogramError

NAME = "20210105.png"
COLOURS = np.array([[0, 0, 0], [33, 161, 85], [184, 150, 101]], dtype=np.uint8)
CV2 = {  # as OpenCV 5.0 converts them
    (12, 200, 13): (60, 240, 200),
    (13, 37, 200): (116, 238, 200),
    (255, 1, 254): (150, 254, 255),
    (90, 91, 90): (60, 3, 91),
    (250, 128, 3): (15, 252, 250),
    (33, 161, 85): (72, 203, 161),
}


def saved(picture, kind="PNG"):
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def picture(width=keogram.WIDTH, height=keogram.HEIGHT):
    """Draw stripes of the three colours, the first of which is black."""
    stripes = np.arange(width) // 100 % 3
    drawn = Image.frombytes("P", (width, height), stripes.astype(np.uint8).tobytes() * height)
    drawn.putpalette(COLOURS.tobytes())
    return drawn


def chunk(kind, body):
    """Give a chunk of a PNG: length, kind, content, checksum."""
    whole = kind + body
    return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))


def header(width, height):
    """Give the start of a PNG that states a size, and the content of a few pixels."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"few"))


PNG = saved(picture())


def test_colours_are_converted_as_opencv_does():
    found = keogram.opencv_hsv(np.array(list(CV2), dtype=np.uint8))
    assert [tuple(hsv) for hsv in found.tolist()] == list(CV2.values())


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1))
def test_value_is_the_largest_part_and_grey_has_no_hue(colours):
    found = keogram.opencv_hsv(np.array(colours, dtype=np.uint8))
    assert found[:, 2].tolist() == [max(colour) for colour in colours]
    assert (found[:, 0] < 180).all()
    grey = [len(set(colour)) == 1 for colour in colours]
    assert not found[grey, :2].any()


def test_a_picture_is_read_from_a_file(tmp_path):
    (tmp_path / NAME).write_bytes(PNG)
    found = keogram.read(tmp_path / NAME)
    assert (found.day, found.pixels.shape) == (date(2021, 1, 5), (360, 5760))
    assert (found.palette[:3] == COLOURS).all() and found.palette.shape == (256, 3)


def test_column_0_is_noon_utc_of_the_date_in_the_name():
    assert keogram.decode(PNG, NAME).start == datetime(2021, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(("mode", "kind"), [("P", "GIF"), ("RGB", "PNG"), ("RGBA", "PNG")])
def test_other_ways_to_store_a_picture_give_the_same_colours(mode, kind):
    one = keogram.decode(PNG, NAME)
    other = keogram.decode(saved(picture().convert(mode), kind), NAME)
    assert (one.palette[one.pixels] == other.palette[other.pixels]).all()


def test_a_grey_picture_has_grey_colours():
    grey = keogram.decode(saved(Image.new("L", (5760, 360), 7)), NAME)
    assert (grey.palette[grey.pixels] == 7).all()


def test_black_minutes_are_those_with_the_camera_off():
    night = keogram.decode(PNG, NAME)
    assert night.lit.shape == (1440,)
    assert night.lit.tolist() == [minute // 25 % 3 > 0 for minute in range(1440)]
    assert (night.cells[:, 30] == COLOURS[1]).all() and night.cells.shape == (90, 1440, 3)


@pytest.mark.parametrize("name", ["20210105.png", "dark_keo20210105.gif", "a/b-20210105.PNG"])
def test_the_date_ends_the_name(name):
    assert keogram.day_of(name) == date(2021, 1, 5)


@pytest.mark.parametrize(
    "name", ["", "20210105", "120210105.png", "20210230.png", "00010101.png", "keogram.png"]
)
def test_a_name_without_a_date_is_refused(name):
    with pytest.raises(KeogramError, match="has no date"):
        keogram.day_of(name)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>\n<head><title>404 Not Found</title></head>", "is an HTML page"),
        (b"\n <!DOCTYPE html><p>moved", "is an HTML page"),
        (b"", "is damaged or no picture"),
        (saved(picture(5761)), "is 5761 x 360 pixels, not 5760 x 360"),
        (saved(picture(360, 5760)), "is 360 x 5760 pixels"),
        (saved(Image.new("RGB", (5760, 360)), "JPEG"), "is damaged or no picture"),
        (header(10_000, 10_000), "pixels"),
        (header(60_000, 60_000), "far more"),
        (bytes(keogram.MAX_BYTES + 1), "has more than 8,388,608 bytes"),
        (PNG[: len(PNG) // 2], "is damaged"),
        (header(5760, 360), "is damaged"),
    ],
)
def test_what_is_no_keogram_is_refused_with_its_name_and_the_reason(data, reason):
    with pytest.raises(KeogramError, match=f"^{NAME} .*{reason}"):
        keogram.decode(data, NAME)


def test_a_picture_of_another_size_is_not_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(KeogramError, match="is 9000 x 9000 pixels"):
        keogram.decode(header(9000, 9000), NAME)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KeogramError, match="cannot be read"):
        keogram.read(tmp_path / NAME)


def test_the_error_travels_between_processes():
    error = pickle.loads(pickle.dumps(KeogramError("a.png", "is empty")))  # noqa: S301
    assert (str(error), error.reason) == ("a.png is empty.", "is empty")


@given(st.binary(max_size=2000))
def test_random_bytes_are_refused(data):
    with pytest.raises(KeogramError):
        keogram.decode(data, NAME)


@settings(deadline=None)
@given(st.integers(0, len(PNG) - 13))
def test_a_truncated_picture_is_refused_wherever_it_ends(length):
    with pytest.raises(KeogramError):
        keogram.decode(PNG[:length], NAME)


@settings(deadline=None)
@given(st.integers(0, len(PNG) - 1), st.integers(1, 255), st.sampled_from(["PNG", "GIF"]))
def test_a_changed_byte_is_noticed_or_does_not_matter(place, change, kind):
    data = bytearray(PNG if kind == "PNG" else saved(picture(), "GIF")[: len(PNG)])
    data[place] ^= change
    try:
        found = keogram.decode(bytes(data), NAME)
    except KeogramError:
        return
    whole = keogram.decode(PNG, NAME)
    assert kind == "GIF" or (found.palette[found.pixels] == whole.palette[whole.pixels]).all()
