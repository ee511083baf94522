"""Recipes: written into films of every format, read back from files that nobody vouches for."""

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.engine.codecs import Codec
from artgan.engine.images import read_recipe
from artgan.engine.video import FORMATS, read_film_recipe, write_video
from artgan.errors import UsageError
from tests.filming import decoded_frames, described, plain, write_tone

RECIPE: dict[str, Any] = {
    "kind": "walk",
    "seeds": [0, 1, 4],
    "text": "a=b;c#d\\e\n[f] 'g' \"h\" %d %s ü 🎞 \u0000 --",
    "settings": {"psi": 0.7, "loop": True, "none": None},
    "long": "x;" * 100_000,  # longer than a command line takes, and than the old tags of a .mov
}
EVERY_FORMAT = [*FORMATS, ""]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("suffix", EVERY_FORMAT)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_film_says_how_it_was_made(suffix: str, frames: int, tmp_path: Path) -> None:
    path, bare = tmp_path / f"film{suffix}", tmp_path / f"bare{suffix}"
    write_video(path, plain(frames, 21, 35), recipe=RECIPE)
    write_video(bare, plain(frames, 21, 35))
    assert read_film_recipe(path) == RECIPE
    for found, expected in zip(decoded_frames(path), decoded_frames(bare), strict=True):
        assert np.array_equal(found, expected)
    with pytest.raises(UsageError, match="does not say how it was made"):
        read_film_recipe(bare)


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "prores"), (".mov", "hevc"), (".mkv", "lossless")])
def test_with_sound_and_other_codecs(suffix: str, codec: Codec, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.mp3", 1)
    write_video(tmp_path / f"film{suffix}", plain(5), codec=codec, sound=tone, recipe=RECIPE)
    assert read_film_recipe(tmp_path / f"film{suffix}") == RECIPE


def test_tags_of_the_sound_stay_out(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", plain(5), sound=write_tone(tmp_path / "tone.wav", 1), recipe={"kind": "a"})
    write_video(tmp_path / "b.mp4", plain(5), sound=tmp_path / "a.mp4")
    with pytest.raises(UsageError):
        read_film_recipe(tmp_path / "b.mp4")
    assert "comment" not in described(tmp_path / "b.mp4")


def test_every_png_of_a_folder_says_which_frame_it_is(tmp_path: Path) -> None:
    write_video(tmp_path / "film", plain(3), recipe={"kind": "walk"})
    assert [read_recipe(path) for path in sorted((tmp_path / "film").iterdir())] == [
        {"kind": "walk", "frame": number} for number in range(3)
    ]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_webp_announces_its_recipe(frames: int, tmp_path: Path) -> None:
    """Readers look for it only when the header says so, and others find it as the description of a photo."""
    write_video(tmp_path / "film.webp", plain(frames), recipe={"kind": "walk"})
    data = (tmp_path / "film.webp").read_bytes()
    assert data[12:16] == b"VP8X"
    assert data[20] & 0x08
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    with Image.open(tmp_path / "film.webp") as film:
        assert film.getexif()[0x010E] == '{"artgan": {"kind": "walk"}}'


def test_stills_and_animated_pngs_speak_alike(tmp_path: Path) -> None:
    write_video(tmp_path / "film.png", plain(3), recipe={"kind": "walk"})
    assert read_recipe(tmp_path / "film.png") == {"kind": "walk"}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".gif", ".webp", ".apng"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(), json_values, min_size=1, max_size=4))
def test_any_json_comes_back(suffix: str, values: dict[str, Any], tmp_path: Path) -> None:
    write_video(tmp_path / f"film{suffix}", plain(2, 8, 8), recipe=values)
    assert read_film_recipe(tmp_path / f"film{suffix}") == values


def test_what_is_no_json_is_found_before_a_frame_is_drawn(tmp_path: Path) -> None:
    drawn = plain(3)
    with pytest.raises(TypeError):
        write_video(tmp_path / "film.mp4", drawn, recipe={"path": tmp_path})
    assert len(list(drawn)) == 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif", ".webp", ".apng"])
def test_damaged_films_are_refused_in_one_sentence(suffix: str, tmp_path: Path) -> None:
    """Cut off or overwritten anywhere: the recipe, or a refusal, and nothing else."""
    path = tmp_path / f"film{suffix}"
    write_video(path, plain(2), recipe={"kind": "walk"})
    whole, draw = path.read_bytes(), np.random.default_rng(0)
    for number in range(24):
        damaged = bytearray(whole)
        at = int(draw.integers(len(whole)))
        if number % 2:
            damaged[at : at + 8] = draw.bytes(8)
        else:
            del damaged[at:]
        path.write_bytes(damaged)
        with contextlib.suppress(UsageError):
            assert isinstance(read_film_recipe(path), dict)


def test_files_that_lie_are_refused(tmp_path: Path) -> None:
    comment = b'{"artgan": ' + b"[" * 100_000
    header = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    pieces = b"".join(bytes([len(comment[i : i + 255])]) + comment[i : i + 255] for i in range(0, len(comment), 255))
    lies = {
        "deep.gif": header + b"\x21\xfe" + pieces + b"\x00;",
        "endless.gif": header + b"\x21\xfe\x13" + b'{"artgan":{"a": 1}}' + (b"\xff" + b" " * 255) * 70_000 + b"\x00;",
        "list.gif": header + b"\x21\xfe\x0e" + b'{"artgan":[1]}' + b"\x00;",
        "huge.webp": b"RIFF\x00\x00\x00\x00WEBPEXIF\xff\xff\xff\xff",
        "list.mp4": b"ffconcat version 1.0\nfile film.mp4\n",
        "empty.mp4": b"",
    }
    for name, data in lies.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "still.png")
    for name in (*lies, "folder", "still.png", "missing.mp4"):
        with pytest.raises(UsageError, match=f"{name} does not say how it was made"):
            read_film_recipe(tmp_path / name)
