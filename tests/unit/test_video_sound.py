"""Sound: beside the frames for just as long as they last, and read for its own sake."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from artgan.engine.codecs import Codec
from artgan.engine.sound import read_sound, sound_length
from artgan.engine.video import check_video, write_video
from artgan.errors import UsageError
from tests.filming import decoded_film, described, plain, run_ffmpeg, waves, write_tone


def heard(path: Path) -> NDArray[np.float32]:
    """The sound in a film, as a player plays it: (samples, 2) at 48 kHz."""
    form = ("-af", "aresample=async=1:first_pts=0", "-f", "f32le", "-ar", "48000", "-ac", "2", "-")  # gaps are silence
    raw = run_ffmpeg("-v", "error", "-i", path, "-map", "0:a", *form).stdout
    return np.frombuffer(raw, np.float32).reshape(-1, 2)


def pitch(samples: NDArray[np.float32], rate: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[spectrum[1:].argmax() + 1])


@pytest.mark.parametrize(
    ("suffix", "codec", "kind"),
    [
        (".mp4", "h264", "aac (LC)"),
        (".mov", "h264", "aac (LC)"),
        (".mkv", "h264", "aac (LC)"),
        (".mp4", "hevc", "aac (LC)"),
        (".mkv", "lossless", "aac (LC)"),
        (".mov", "prores", "pcm_s16le"),
    ],
)
@pytest.mark.parametrize("seconds", [0.6, 3.0])
def test_a_film_is_as_long_as_its_frames(suffix: str, codec: Codec, kind: str, seconds: float, tmp_path: Path) -> None:
    """Whether its sound is shorter or longer: 36 frames at 24 a second are 1.5 seconds."""
    tone = write_tone(tmp_path / "tone.wav", seconds)
    path = tmp_path / f"film{suffix}"
    assert write_video(path, waves(36), fps=24, codec=codec, sound=tone, recipe={"kind": "walk"}) == 36
    said = described(path)
    assert len(decoded_film(path)) == 36
    assert " 24 fps" in said
    assert kind in said
    assert re.search(r"Duration: 00:00:01.(50|52)", said)
    sound = heard(path)
    assert abs(len(sound) / 48000 - 1.5) < 0.03  # AAC comes in pieces of 21 ms
    assert pitch(sound[:24000, 0], 48000) == pytest.approx(440, abs=3)
    assert np.abs(sound[:2400]).max() > 0.05  # from the start
    assert (np.abs(sound[40000:]).max() > 0.05) == (seconds > 1.5)
    if suffix != ".mkv":
        raw = path.read_bytes()
        assert raw.index(b"moov") < raw.index(b"mdat")
        assert codec != "hevc" or "(hvc1 /" in said


def test_frames_are_not_coded_again_and_bytes_are_the_same(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.mp3", 4)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, waves(40), sound=tone)
    write_video(tmp_path / "silent.mp4", waves(40))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert np.array_equal(decoded_film(tmp_path / "a.mp4"), decoded_film(tmp_path / "silent.mp4"))


def test_odd_names_and_films_as_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-i.wav", "a:b 100%d.flac", "'\"\n;.m4a"):
        write_tone(Path(name), 0.5)
        assert sound_length(Path(name)) == pytest.approx(0.5, abs=0.05)
        write_video(Path("film.mp4"), plain(5), sound=Path(name))
        write_video(Path("again.mov"), plain(5), sound=Path("film.mp4"))
        assert "Audio: aac" in described(Path("again.mov"))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".m4a"])
def test_length_and_samples(suffix: str, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / f"tone{suffix}", 2.5)
    assert sound_length(tone) == pytest.approx(2.5, abs=0.03)
    for rate in (8000, 22050):
        samples = read_sound(tone, rate)
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert len(samples) / rate == pytest.approx(2.5, abs=0.03)
        assert pitch(samples, rate) == pytest.approx(440, abs=1)
        assert 0.05 < np.abs(samples).max() < 1


def test_a_sound_that_starts_late_starts_with_the_film(tmp_path: Path) -> None:
    """So the samples that a film was drawn to and the sound in it stay together."""
    tone = write_tone(tmp_path / "tone.wav", 1)
    write_video(tmp_path / "silent.mkv", plain(40))
    late = ("-i", tmp_path / "silent.mkv", "-itsoffset", "0.5", "-i", tone, "-c:v", "copy", tmp_path / "late.mkv")
    assert run_ffmpeg("-v", "error", *late).returncode == 0
    assert sound_length(tmp_path / "late.mkv") == pytest.approx(1, abs=0.03)
    assert len(read_sound(tmp_path / "late.mkv", 8000)) == pytest.approx(8000, abs=240)
    write_video(tmp_path / "film.mov", plain(40), codec="prores", sound=tmp_path / "late.mkv")
    sound = np.abs(heard(tmp_path / "film.mov"))
    assert sound[:2400].max() > 0.05
    assert sound[52800:].max() < 0.01


def test_samples_of_a_wav_come_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-30000, 30000, 4000).astype("<i2")
    (tmp_path / "raw").write_bytes(values.tobytes())
    run_ffmpeg("-f", "s16le", "-ar", "8000", "-ac", "1", "-i", tmp_path / "raw", tmp_path / "noise.wav")
    assert np.allclose(read_sound(tmp_path / "noise.wav", 8000), values / 32768, atol=1e-6)


def test_long_sounds_are_refused(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.wav", 3)
    assert sound_length(tone, most_seconds=3) == 3
    assert len(read_sound(tone, 8000, most_seconds=3)) == 24000
    for ask in (lambda: sound_length(tone, most_seconds=2.9), lambda: read_sound(tone, 8000, most_seconds=2.9)):
        with pytest.raises(UsageError, match=r"tone.wav is longer than 2.9 seconds"):
            ask()


def bad_sources(folder: Path) -> dict[str, Path]:
    """A missing file, a folder, a film without sound, noise, an empty file, and a playlist that names a sound."""
    write_video(folder / "silent.mp4", plain(2))
    (folder / "broken.mp3").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "empty.wav").write_bytes(b"")
    write_tone(folder / "tone.wav", 1)
    (folder / "cut.wav").write_bytes((folder / "tone.wav").read_bytes()[:40])
    (folder / "list.wav").write_text("ffconcat version 1.0\nfile tone.wav\n")
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\ntone.wav\n#EXT-X-ENDLIST\n")
    (folder / "folder").mkdir()
    names = "missing.wav folder silent.mp4 broken.mp3 empty.wav cut.wav list.wav list.m3u8"
    return {name: folder / name for name in names.split()}


def test_what_gives_no_sound_is_named(tmp_path: Path) -> None:
    asking: list[Callable[[Path], object]] = [
        sound_length,
        lambda path: read_sound(path, 8000),
        lambda path: check_video(tmp_path / "film.mp4", 25, sound=path),
    ]
    for name, path in bad_sources(tmp_path).items():
        for ask in asking:
            with pytest.raises(UsageError) as caught:
                ask(path)
            assert name in caught.value.message
            assert caught.value.hint
            assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["film.gif", "film.webp", "film.apng", "film.png", "film"])
def test_formats_without_a_place_for_sound(name: str, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.wav", 1)
    drawn = plain(3)
    with pytest.raises(UsageError, match=r"no place for the sound of .*tone.wav") as caught:
        write_video(tmp_path / name, drawn, sound=tone)
    assert ".mp4" in caught.value.hint
    assert len(list(drawn)) == 3
