"""Codecs: what each writes, what goes together with what, how near it comes, and how it is tagged."""

from pathlib import Path

import numpy as np
import pytest

from artgan.engine.codecs import Codec
from artgan.engine.video import check_video, write_video
from artgan.errors import UsageError
from tests.filming import decoded_film, described, noise, waves

PAIRS: list[tuple[Codec, str]] = [
    *(("h264", suffix) for suffix in (".mp4", ".mov", ".mkv")),
    *(("hevc", suffix) for suffix in (".mp4", ".mov", ".mkv")),
    ("prores", ".mov"),
    *(("lossless", suffix) for suffix in (".mp4", ".mov", ".mkv")),
]
SAID = {
    "h264": ("h264 (High)", "yuv420p(tv, bt709, progressive)"),
    "hevc": ("hevc (Main)", "yuv420p(tv, bt709, progressive)"),
    "prores": ("prores (HQ)", "yuv422p10le(tv, bt709, progressive)"),
    "lossless": ("h264 (High 4:4:4 Predictive)", "gbrp(pc, gbr/bt709/bt709, progressive)"),
}


@pytest.mark.parametrize(("codec", "suffix"), PAIRS)
def test_frames_speed_size_and_tags(codec: Codec, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    assert write_video(path, waves(31, 49, 65), codec=codec, fps=30) == 31
    film, said = decoded_film(path), described(path)
    rows, columns = {"lossless": (49, 65), "prores": (49, 66)}.get(codec, (50, 66))  # even where colours are shared
    assert film.shape == (31, rows, columns, 3)
    assert "Duration: 00:00:01.03" in said
    assert " 30 fps" in said
    for words in SAID[codec]:
        assert words in said
    if suffix != ".mkv":
        raw = path.read_bytes()
        assert raw.index(b"moov") < raw.index(b"mdat")  # the index comes first
    if codec == "hevc" and suffix != ".mkv":
        assert "(hvc1 /" in said  # the only name that Apple's players know
    errors = film[:, :49, :65].astype(float) - np.stack(list(waves(31, 49, 65)))
    assert np.sqrt((errors**2).mean()) < {"lossless": 1e-9, "prores": 1}.get(codec, 4)
    assert np.sqrt((errors[:, :, -1] ** 2).mean()) < {"lossless": 1e-9, "prores": 3}.get(codec, 6)  # to the edge


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_lossless_keeps_every_bit_of_noise(suffix: str, tmp_path: Path) -> None:
    write_video(tmp_path / f"film{suffix}", noise(5, 33, 17), codec="lossless")
    assert np.array_equal(decoded_film(tmp_path / f"film{suffix}"), np.stack(list(noise(5, 33, 17))))


@pytest.mark.parametrize(("codec", "suffix"), PAIRS)
def test_same_frames_same_bytes_and_no_dates(codec: Codec, suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        write_video(path, waves(40), codec=codec, recipe={"kind": "walk"})
    assert first.read_bytes() == second.read_bytes()
    assert "creation_time" not in described(first)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_quality_is_a_matter_of_bytes(codec: Codec, tmp_path: Path) -> None:
    sizes = []
    for quality in (10, 75, 95):
        write_video(tmp_path / "film.mp4", noise(4, 96, 96), quality=quality, codec=codec)
        sizes.append((tmp_path / "film.mp4").stat().st_size)
    assert sizes[0] < sizes[1] / 2
    assert sizes[1] < sizes[2] / 1.2


@pytest.mark.parametrize(
    ("name", "codec", "words", "hint"),
    [
        ("film.mp4", "prores", "A .mp4 file does not hold prores", "Write a .mov file"),
        ("film.mkv", "prores", "A .mkv file does not hold prores", "Write a .mov file"),
        ("film.gif", "h264", "A .gif file does not hold h264", ".mp4 or .mov or .mkv"),
        ("film", "lossless", "A folder of PNGs does not hold lossless", "leave --codec away"),
        ("film.mp4", "av1", "--codec av1 is not a codec", "h264, hevc, prores, lossless"),
    ],
)
def test_what_does_not_go_together(name: str, codec: Codec, words: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        check_video(tmp_path / name, 25, codec=codec)
    assert hint in caught.value.hint
