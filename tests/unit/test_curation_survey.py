"""Reading the files of a source: what is found out about each, and the processes that do it."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from artgan.curation.borders import Found
from artgan.curation.survey import SEEN_AT, Seen, inside, pixel_digest, see, survey
from artgan.data.sources import PictureFile, scan
from artgan.errors import StorageError
from tests.curating import make, on_paper, saved, textured

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def seen(data: bytes) -> Seen:
    return see(PictureFile("x", None, "", len(data)), lambda file: data)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def test_a_picture_is_measured_upright_whatever_its_size() -> None:
    large = textured(0, 700, 400)
    for kind in ("JPEG", "PNG"):
        one = seen(saved(large, kind))
        assert (one.reason, one.size) == ("", (700, 400))
        assert one.quality is not None
        assert (one.quality.width, one.quality.height) == (700, 400)
    lying = seen(saved(large, "JPEG", exif=turned(6)))
    assert lying.size == (400, 700)
    assert lying.look is not None
    assert lying.look.aspect == pytest.approx(400 / 700, abs=0.01)
    with Image.open(io.BytesIO(one.thumbnail)) as thumbnail:
        assert (thumbnail.format, max(thumbnail.size)) == ("JPEG", 160)
    assert SEEN_AT > 160


def test_only_files_that_lose_nothing_are_plain() -> None:
    picture = textured(1)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clear = picture.convert("RGBA")
    clear.putalpha(100)
    assert seen(saved(picture, "JPEG")).plain == ".jpg"
    assert seen(saved(picture, "PNG")).plain == ".png"
    assert seen(saved(picture.convert("L"), "PNG")).plain == ".png"
    others = {
        "webp": saved(picture, "WEBP"),
        "turned": saved(picture, "JPEG", exif=turned(3)),
        "profile": saved(picture, "JPEG", icc_profile=profile),
        "print": saved(picture.convert("CMYK"), "JPEG"),
        "alpha": saved(clear, "PNG"),
        "palette": saved(picture.convert("P"), "PNG"),
        "transparent": saved(picture, "PNG", transparency=(0, 0, 0)),
    }
    assert {name: seen(data).plain for name, data in others.items()} == dict.fromkeys(others, "")


def test_what_is_wrong_with_a_file_becomes_its_reason() -> None:
    whole = saved(textured(2), "JPEG")
    for data, reason in ((b"<html>404</html>", "not a picture"), (whole[: len(whole) // 2], "broken: ")):
        one = seen(data)
        assert one.reason.startswith(reason)
        assert len(one.sha256) == 64
        assert (one.look, one.quality, one.thumbnail) == (None, None, b"")

    def gone(file: PictureFile) -> bytes:
        raise OSError(5, "Input/output\nerror")

    lost = see(PictureFile("x", None, "", 1), gone)
    assert lost.reason == "cannot be read: [Errno 5] Input/output error"
    assert lost.sha256 == ""


def test_paper_is_no_part_of_the_look() -> None:
    picture = textured(3)
    page = np.asarray(on_paper(picture))
    cut = inside(page, Found((24 / 208, 24 / 168, 184 / 208, 144 / 168), 0.0, ("margin",), 1.0, ""))
    assert np.abs(cut[1:119, 1:159].astype(int) - np.asarray(picture)[1:119, 1:159]).max() == 0
    assert inside(page, None) is page
    assert inside(page, Found((0.5, 0.5, 0.5, 0.5), 1.0, ("margin",), 1.0, "")).shape == (1, 1, 3)


def test_the_digest_of_pixels_does_not_depend_on_the_file() -> None:
    picture = textured(4)
    digest = pixel_digest(saved(picture, "PNG"))
    assert pixel_digest(saved(picture, "BMP")) == digest
    assert pixel_digest(saved(picture.transpose(Image.Transpose.ROTATE_90), "PNG", exif=turned(6))) == digest
    other = picture.copy()
    other.putpixel((0, 0), (1, 2, 3))
    assert pixel_digest(saved(other, "PNG")) != digest
    clear = picture.convert("RGBA")
    clear.putalpha(254)
    assert pixel_digest(saved(clear, "PNG")) != digest


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Thirty files, two of which are broken: enough for several processes."""
    files = {f"{number:02}.png": saved(textured(number, 48, 40), "PNG") for number in range(28)}
    return make(tmp_path / "many", {**files, "03.png": b"no picture", "09.png": files["09.png"][:300]})


def test_several_processes_tell_what_one_tells(many: Path) -> None:
    source = scan(many)
    alone = list(survey(source, 1))
    assert list(survey(source, 2)) == alone
    assert [bool(one.reason) for one in alone] == [number in (3, 9) for number in range(28)]


@posix
def test_a_killed_process_is_one_sentence_and_no_hang(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = ProcessPoolExecutor.map

    def murder(self: ProcessPoolExecutor, *words: object, **options: object) -> Iterator[object]:
        found: Iterator[object] = started(self, *words, **options)  # type: ignore[arg-type]
        for process in self._processes.values():
            os.kill(process.pid or 0, signal.SIGKILL)
        return found

    monkeypatch.setattr(ProcessPoolExecutor, "map", murder)
    with pytest.raises(StorageError, match="A process that read pictures was killed") as caught:
        list(survey(scan(many), 2))
    assert "--processes 1" in caught.value.hint


def test_a_script_without_a_main_guard_may_curate(many: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import artgan\n"
        "print('once')\n"
        f"print(artgan.curate({str(many)!r}, processes=2, copies='off').counts['failed'])\n"
    )
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["once", "2"]), done.stderr
