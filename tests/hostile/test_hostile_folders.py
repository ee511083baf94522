"""A folder of torture: every file is used or told of, no name is obeyed, and nothing stops the others."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artgan.config import DataSettings
from artgan.data import decoding
from artgan.data.cache import decode_source
from artgan.data.sources import BESIDE, scan
from artgan.engine.images import decode
from tests.curating import manifest, tree
from tests.running import artgan

TINY = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
SMALL = DataSettings(resolution=8)


def saved(mode: str, kind: str, seed: int = 0, **options: Any) -> bytes:
    """A picture of any mode as a file of any kind."""
    noise = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 10, 3), np.uint8))
    buffer = io.BytesIO()
    noise.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that says it is so large, and has these chunks."""
    head = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    parts = [head, *chunks, b"IEND"]
    told = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(told)


GOOD: dict[str, bytes] = {
    "plain.png": saved("RGB", "PNG"),
    "LOUD.JPG": saved("RGB", "JPEG"),
    "print.jpeg": saved("CMYK", "JPEG"),
    "palette.gif": saved("P", "GIF"),
    "alpha.webp": saved("RGBA", "WEBP"),
    "deep.tif": saved("I;16", "TIFF"),
    "float.tiff": saved("F", "TIFF"),
    "one bit.bmp": saved("1", "BMP"),
    "no suffix": saved("L", "PNG"),
    "lying.txt.png": saved("RGB", "JPEG"),
    "sub/folder/with  spaces/é.PnG": saved("LA", "PNG"),
    "cats [final].png": saved("RGB", "PNG", 1),
    "-rf.png": saved("RGB", "PNG", 2),
    "new\nline.png": saved("RGB", "PNG", 3),
}
BAD: dict[str, tuple[bytes, str]] = {
    "empty.png": (b"", "empty file"),
    "page.jpg": (b"<html>404 Not Found</html>", "not a picture"),
    "half.jpg": (saved("RGB", "JPEG")[:-200], "broken"),
    "half.png": (saved("RGB", "PNG")[:200], "broken"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    "ghost.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n", "not a picture"),
    "huge.png": (png(60_000, 60_000, b"IDAT" + zlib.compress(bytes(99))), "179 megapixels"),
    "endless.png": (png(2**31 - 1, 2**31 - 1), "179 megapixels"),
    "nothing.png": (png(0, 0), "not a picture"),
    "text bomb.png": (png(9, 9, b"zTXta\0\0" + zlib.compress(bytes(1 << 27), 9)), "broken"),
    "profile bomb.png": (png(9, 9, b"iCCPa\0\0" + zlib.compress(bytes(1 << 27), 9)), "broken"),
    "code.pkl": (b"cposix\nsystem\n(S'touch sprung'\ntR.", "not a picture"),
    "\x1b[31m\x07red.png": (b"x", "not a picture"),
    "[/x][bold].png": (b"x", "not a picture"),
    "bell\x07\rover.png": (b"x", "not a picture"),
}
BESIDE_THEM = ["notes.txt", "letter.DOC", "Thumbs.db", "film.mp4", "more.zip", "sub/labels.csv", "sub/read me.MD"]
HIDDEN = [".DS_Store", "._plain.png", ".git/HEAD", "__MACOSX/plain.png", "sub/.thumbnails/x.png"]


@pytest.fixture
def torture(tmp_path: Path) -> Path:
    """A folder of odd, broken and hostile files."""
    root = tmp_path / "torture"
    files = {**GOOD, **{name: content for name, (content, _) in BAD.items()}}
    for name, content in {**files, **dict.fromkeys([*BESIDE_THEM, *HIDDEN], b"x")}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_every_file_is_used_or_skipped_with_its_reason(torture: Path, tmp_path: Path) -> None:
    done = artgan("train", torture, *TINY, "--kimg", "0.004", "--runs", tmp_path / "runs")
    assert done.exit_code == 0, done.exception
    data = json.loads((Path(done.stdout.strip()) / "run.json").read_text())["data"]
    reasons = dict(data["skipped"])
    assert data["pictures"] == len(GOOD)
    assert reasons.keys() == BAD.keys() | set(BESIDE_THEM)
    for name, (_, reason) in BAD.items():
        assert reason in reasons[name], name
    assert {reasons[name] for name in BESIDE_THEM} == {BESIDE}
    assert [reason for _, reason in data["skipped"][-len(BESIDE_THEM) :]] == [BESIDE] * len(BESIDE_THEM)

    assert "Traceback" not in done.stderr
    assert all(line.isprintable() for line in done.stderr.splitlines())
    assert done.stderr.count("Skipped ") == 5
    assert f"and {len(BAD) - 5} more" in done.stderr
    assert f"{len(BESIDE_THEM)} files beside the pictures were left alone." in done.stderr
    assert "notes.txt" not in done.stderr


def test_every_file_has_its_line_in_a_curation(torture: Path, tmp_path: Path) -> None:
    before = tree(torture)
    done = artgan("curate", torture, tmp_path / "set", "--processes", 1, "--copies", "report", "--defects", "off")
    assert done.exit_code == 0, done.exception
    lines = manifest(tmp_path / "set")
    hidden = {".DS_Store", "._plain.png", ".git", "__MACOSX/plain.png", "sub/.thumbnails"}
    assert lines.keys() == {*GOOD, *BAD, *BESIDE_THEM, *hidden}
    assert {name for name, line in lines.items() if line["output"]} == GOOD.keys()
    for name, (_, reason) in BAD.items():
        assert lines[name]["status"] == "failed"
        assert reason in lines[name]["reason"], name
    assert {name for name, line in lines.items() if line["status"] == "ignored"} == {*BESIDE_THEM, *hidden}
    assert tree(torture) == before
    assert not Path("sprung").exists()
    assert "Traceback" not in done.stderr
    assert all(line.isprintable() for line in done.stderr.splitlines())


def test_what_lies_beside_the_pictures_changes_no_fingerprint(paintings: Path) -> None:
    before = decode_source(paintings, SMALL)
    for name in [*BESIDE_THEM, *HIDDEN]:
        (paintings / name).parent.mkdir(exist_ok=True)
        (paintings / name).write_bytes(b"x")
    after = decode_source(paintings, SMALL)
    assert (after.fingerprint, after.folder) == (before.fingerprint, before.folder)
    assert scan(paintings).hidden == (".DS_Store", "._plain.png", ".git", "__MACOSX/plain.png", "sub/.thumbnails")
    assert after.ready.skipped == tuple((name, BESIDE) for name in sorted(BESIDE_THEM))


def test_one_file_beside_the_pictures_is_one(paintings: Path, tmp_path: Path) -> None:
    (paintings / "notes.txt").touch()
    done = artgan("train", paintings, *TINY, "--kimg", "0.004", "--runs", tmp_path / "runs")
    assert "1 file beside the pictures was left alone." in done.stderr
    assert "Skipped" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="names here are bytes only on Linux")
def test_names_that_are_no_text_are_read_and_shown(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path / "pict") + b"\xfc\x1b[31m"
    for number, folder in enumerate([b"caf\xe9", b"\xff\xfe\x80", b"\x1b]0;x\x07\xc2\x9b"]):
        (path := Path(os.fsdecode(root + b"/" + folder))).mkdir(parents=True)
        for more in range(2):
            (path / os.fsdecode(b"\x80\xff%d.png" % more)).write_bytes(saved("RGB", "PNG", number * 2 + more))
        (path / os.fsdecode(b"\x80\x1b[31m.png")).write_bytes(b"x")
    runs = tmp_path / os.fsdecode(b"runs \xff")
    done = artgan("train", Path(os.fsdecode(root)), *TINY, "--kimg", "0.004", "--runs", runs)
    assert done.exit_code == 0, done.exception
    assert "3 classes" in done.stderr
    assert "Skipped caf\\xdce9/\\xdc80\\x1b[31m.png: not a picture" in done.stderr
    assert not any(letter in done.stderr for letter in "\x1b\x07\x9b")
    info = json.loads(next(runs.glob("*/run.json")).read_text())
    assert (info["data"]["pictures"], len(info["data"]["skipped"])) == (6, 3)
    assert artgan("resume", "0", "--kimg", "0.008", "--runs", runs).exit_code == 0
    assert artgan("cache", "list").exit_code == 0
    done = artgan("sample", "0", "--seeds", "0", "-o", tmp_path / "out", "--runs", runs)
    assert done.exit_code == 0, done.exception
    assert len(list((tmp_path / "out").iterdir())) == 3
    table = tmp_path / os.fsdecode(b"labels \xff.csv")
    table.write_text("file,label\n")
    done = artgan("train", Path(os.fsdecode(root)), "--labels", table, "--runs", runs)
    assert (done.exit_code, len(done.stderr.splitlines())) == (4, 2), done.exception


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes and links")
def test_what_is_no_file_is_told_of_and_not_waited_for(paintings: Path) -> None:
    os.mkfifo(paintings / "pipe.png")
    (paintings / "zero.png").symlink_to("/dev/zero")
    (paintings / "loop.png").symlink_to(paintings / "loop.png")
    (paintings / "gone.png").symlink_to(paintings / "nowhere")
    (paintings / "around").symlink_to(paintings)
    source = scan(paintings)
    assert len(source.files) == 12
    reasons = dict(source.passed_over)
    assert reasons.keys() == {"pipe.png", "zero.png", "loop.png", "gone.png"}
    assert "pipe" in reasons["pipe.png"]
    assert "device" in reasons["zero.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forbid such paths")
def test_folders_may_be_nested_deeper_than_calls(paintings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paintings)
    (paintings / "d").mkdir()
    try:
        for _ in range(1050):
            os.chdir("d")
            Path("d").mkdir()
        Path("deep.png").write_bytes(saved("RGB", "PNG"))
        source = scan(paintings)
        assert [len(file.name.split("/")) for file in source.files].count(1) == 12
        assert len(source.files) == 13
    finally:
        os.chdir(paintings)
        subprocess.run(["rm", "-rf", paintings / "d"], check=True)  # shutil.rmtree calls itself for every level


def test_large_pictures_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def watched(*given: Any) -> Image.Image:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            return decode(*given)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(decoding, "decode", watched)
    monkeypatch.setattr(decoding, "_PIXELS_AT_ONCE", 500 * 500)
    for number in range(8):
        Image.new("RGB", (400, 400), (number, 0, 0)).save(tmp_path / f"{number}.png")
    assert decode_source(tmp_path, SMALL).ready.files == 8
    assert most[0] == 1


@pytest.mark.parametrize("damage", ["[" * 100_000, "{}", "[]", "null", '{"count": 12, "shape": [8, 8, 3]}', "\x00"])
def test_a_damaged_cache_is_made_again(paintings: Path, damage: str) -> None:
    first = decode_source(paintings, SMALL)
    (first.folder / "index.json").write_text(damage)
    assert artgan("cache", "list").exit_code == 0
    again = decode_source(paintings, SMALL)
    assert not again.ready.from_cache
    assert again.index == first.index


def test_a_damaged_memory_of_digests_costs_only_time(paintings: Path, tmp_path: Path) -> None:
    memo = tmp_path / "memo.json"
    for damage in ("[" * 100_000, '{"00.jpg": [[[]]]}', '{"00.jpg": [1, 2, {}]}', "[[1, 2, 3]]"):
        memo.write_text(damage)
        assert scan(paintings, memo=memo) == scan(paintings)
