"""Zips are untrusted: nothing is written outside the cache, memory and time are bounded, and no entry is lost."""

import contextlib
import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.config import DataSettings
from artgan.data import decoding
from artgan.data.cache import decode_source
from artgan.data.sources import scan
from artgan.errors import DatasetError

SMALL = DataSettings(resolution=8)


def picture(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Entry:
    """One entry of a zip, true or not; what is None is what it should be."""

    name: bytes
    packed: bytes
    method: int = 0
    size: int | None = None
    crc: int | None = None
    flags: int = 0
    mode: int = 0o100644
    at: int | None = None
    name_inside: bytes | None = None

    def describe(self) -> tuple[int, int, int, int, int]:
        size = len(self.packed) if self.size is None else self.size
        crc = zlib.crc32(self.packed) if self.crc is None else self.crc
        return self.flags, self.method, crc, len(self.packed), size


def zip64(size: int) -> tuple[int, bytes]:
    """A size as the header has it, and the extra field that holds it when it is too large for that."""
    return (size, b"") if size < 2**32 - 1 else (2**32 - 1, struct.pack("<HHQ", 1, 8, size))


def build(path: Path, entries: list[Entry]) -> Path:
    """A zip of these entries and six good pictures."""
    good = [Entry(f"good{n}.png".encode(), picture(n)) for n in range(6)]
    body, directory = bytearray(), bytearray()
    for entry in [*good, *entries]:
        flags, method, crc, packed, size = entry.describe()
        told, extra = zip64(size)
        at = len(body) if entry.at is None else entry.at
        inside = entry.name if entry.name_inside is None else entry.name_inside
        if entry.at is None:
            head = struct.pack("<4s2H", b"PK\3\4", 20, flags), struct.pack("<H2HIII", method, 0, 0, crc, packed, told)
            body += b"".join(head) + struct.pack("<2H", len(inside), len(extra)) + inside + extra + entry.packed
        directory += struct.pack("<4s4B2H", b"PK\1\2", 20, 3, 20, 0, flags, method)
        directory += struct.pack("<2HIII3H", 0, 0, crc, packed, told, len(entry.name), len(extra), 0)
        directory += struct.pack("<2HII", 0, 0, entry.mode << 16, at) + entry.name + extra
    count = len(good) + len(entries)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    path.write_bytes(bytes(body + directory) + end)
    return path


def zeros(mebibytes: int) -> bytes:
    """So many MiB of zeros, deflated; made of one piece that is repeated, so that 10 GB take no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start * mebibytes + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


NAMES: dict[bytes, str] = {
    b"../../x.png": "leads out",
    b"..\\..\\x.png": "leads out",
    b"a/../../../x.png": "leads out",
    b"/../x.png": "leads out",
    b"..": "leads out",
    b"": "leads out",
    b"\0hidden.png": "leads out",
    b"/etc/x.png": "",
    b"//server/share/x.png": "",
    b"C:\\windows\\x.png": "",
    b"x.png\0.exe": "",
    b"\x1b[31m\x07red.png": "",
    b"[/x][bold].png": "",
    b"line\nbreak.png": "",
    b"caf\x82.png": "",  # cp437
    b"\xff\xfe.png": "",
    b"a" * 5000 + b".png": "",
    b"a/" * 2000 + b"x.png": "",
    b"con.png": "",
    b"notes.txt": "by its name",
    b"../notes.txt": "by its name",
    b"inner.zip": "by its name",
    b"program.exe": "not a picture",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_nowhere_and_is_accounted_for(tmp_path: Path, artgan_cache: Path, name: bytes) -> None:
    home = tmp_path / "a" / "b" / "c"
    home.mkdir(parents=True)
    content = b"MZ" if name == b"program.exe" else picture(9)
    path = build(home / "set.zip", [Entry(name, content)])
    before = everything_below(tmp_path)
    ready = decode_source(path, SMALL).ready
    assert ready.files + len(ready.skipped) == 7
    assert [NAMES[name] in reason for _, reason in ready.skipped] == [True] * (1 if NAMES[name] else 0)
    assert everything_below(tmp_path) == before
    assert {file.split("/")[0] for file in everything_below(artgan_cache)} == {"pictures"}


def test_names_are_shown_as_they_are_and_obeyed_by_nobody(tmp_path: Path) -> None:
    names = [b"\x1b[31m\x07red.png", b"[/x][bold].png", b"line\nbreak.png", b"caf\x82.png", b"\xc2\x9b31m.png"]
    path = build(tmp_path / "set.zip", [Entry(name, b"no picture") for name in names])
    tiny = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
    done = CliRunner().invoke(app, ["train", str(path), *tiny, "--kimg", "0.004", "--runs", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.exception
    for shown in ("\\x1b[31m\\x07red.png", "[/x][bold].png", "line\\x0abreak.png", "café.png"):
        assert f"Skipped {shown}: not a picture" in done.stderr
    assert not any(letter in done.stderr for letter in "\x1b\x07\x9b")
    info = json.loads((Path(done.stdout.strip()) / "run.json").read_text())
    assert len(info["data"]["skipped"]) == len(names)


def test_class_folders_that_lead_elsewhere_are_only_names(tmp_path: Path) -> None:
    names = ["/cats/a.png", "//cats//b.png", "./dogs/c.png", "\x1b[31m/d.png", "[x]/e.png", "C:\\x/f.png"]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(zipfile.ZipInfo(name), picture(number))
    assert scan(tmp_path / "set.zip").classes == ("\x1b[31m", "C:\\x", "[x]", "cats", "dogs")
    assert decode_source(tmp_path / "set.zip", SMALL).ready.files == 6


def bombs() -> dict[str, tuple[Entry, str]]:
    large = io.BytesIO()
    head = struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    large.write(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head)
    large.write(struct.pack(">I", zlib.crc32(b"IHDR" + head)))
    pixels = b"IDAT" + zlib.compress(bytes(1 << 20), 9)
    large.write(struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels)))
    flags = {"encrypted": 1, "strongly encrypted": 0x41}
    return {
        "10 GB of zeros": (Entry(b"x.png", zeros(10_000), 8, size=10_000 << 20), "larger than 1 GiB"),
        "10 GB said to be 1000 bytes": (Entry(b"x.png", zeros(10_000), 8, size=1000), "Bad CRC-32"),
        "10 GB said to be nothing": (Entry(b"x.png", zeros(10_000), 8, size=0), "empty file"),
        "200 MB of zeros": (Entry(b"x.png", zeros(200), 8, size=200 << 20, crc=zlib.crc32(bytes(200 << 20))), "not a"),
        "1000 bytes said to be 10 EB": (Entry(b"x.png", b"x" * 1000, size=10**19), "larger than 1 GiB"),
        "1000 bytes said to be 1 GB": (Entry(b"x.png", b"x" * 1000, size=10**9), "not a picture"),
        "60,000 x 60,000": (Entry(b"x.png", large.getvalue()), "179 megapixels"),
        "bzip2": (Entry(b"x.png", b"BZh9", 12, size=1000), "not deflate"),
        "lzma": (Entry(b"x.png", b"\x09\x04\x05\0", 14, size=1000), "not deflate"),
        "an unknown method": (Entry(b"x.png", b"x", 99), "not deflate"),
        "a broken stream": (Entry(b"x.png", b"\xff" * 100, 8, size=100), "cannot be read"),
        "a stream cut short": (Entry(b"x.png", zeros(1)[:500], 8, size=1 << 20), "cannot be read"),
        "a wrong checksum": (Entry(b"x.png", picture(9), crc=1), "Bad CRC-32"),
        "another name inside": (Entry(b"x.png", picture(9), name_inside=b"../../y.png"), "differ"),
        "a link": (Entry(b"x.png", b"../../../etc/passwd", mode=0o120777), "not a picture"),
        "a device": (Entry(b"x.png", b"", mode=0o020666), "empty file"),
        "a name that is there already": (Entry(b"good0.png", picture(9)), "same name"),
        "the same bytes again": (Entry(b"x.png", picture(0), at=0, name_inside=b"good0.png"), "overlaps"),
        "beyond the end": (Entry(b"x.png", picture(0), at=2**31), "cannot be read"),
        **{what: (Entry(b"x.png", picture(9), flags=flag), "locked") for what, flag in flags.items()},
    }


BOMBS = bombs()


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_skipped_for_its_reason(tmp_path: Path, what: str) -> None:
    entry, reason = BOMBS[what]
    started = time.monotonic()
    ready = decode_source(build(tmp_path / "set.zip", [entry]), SMALL).ready
    assert time.monotonic() - started < 5
    assert ready.files + len(ready.skipped) == 7
    assert ready.files >= 5
    assert reason in ready.skipped[0][1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs to know its own peak memory")
def test_ten_gigabytes_take_no_memory(tmp_path: Path) -> None:
    entries = [BOMBS[what][0] for what in ("10 GB of zeros", "10 GB said to be 1000 bytes", "60,000 x 60,000")]
    for number, entry in enumerate(entries):
        entry.name = f"{number}.png".encode()
    path = build(tmp_path / "set.zip", entries)
    program = (
        "import pathlib, re, sys\n"
        "from artgan.config import DataSettings\n"
        "from artgan.data.cache import decode_source\n"
        "ready = decode_source(pathlib.Path(sys.argv[1]), DataSettings(resolution=8)).ready\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]\n"
        "print(ready.files, len(ready.skipped), peak)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    used, skipped, peak = map(int, done.stdout.split())
    assert (used, skipped) == (6, 3)
    assert peak < 200 << 10, "KiB"


def test_twenty_thousand_entries_are_all_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            archive.writestr(f"good{number}.png", picture(number))
        for number in range(20_000):
            archive.writestr(f"folder/{number}.png", b"x")
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ready = decode_source(path, SMALL).ready
    assert (ready.files, len(ready.skipped)) == (4, 20_000)
    assert time.monotonic() - started < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_of_two_entries_with_one_name_the_last_is_used_as_unzip_does(tmp_path: Path) -> None:
    source = scan(build(tmp_path / "set.zip", [Entry(b"same.png", picture(8)), Entry(b"same.png", picture(9))]))
    assert source.reader()(source.files[-1]) == picture(9)
    assert [name for name, _ in source.passed_over] == ["same.png"]


def test_a_zip_in_a_zip_is_not_opened(tmp_path: Path) -> None:
    inner = build(tmp_path / "inner.zip", []).read_bytes()
    entries = [Entry(b"inner.zip", inner), Entry(b"inner.png", inner), Entry(b"inner", inner)]
    ready = decode_source(build(tmp_path / "set.zip", entries), SMALL).ready
    assert ready.files == 6
    assert sorted(ready.skipped) == [
        ("inner", "not a picture"),
        ("inner.png", "not a picture"),
        ("inner.zip", "not a picture, by its name"),
    ]


def test_any_byte_may_be_another(tmp_path: Path) -> None:
    whole = build(
        tmp_path / "set.zip", [Entry("ü/x.png".encode(), zeros(1), 8, size=1 << 20, flags=0x800)]
    ).read_bytes()
    draw, path = random.Random(0), tmp_path / "x.zip"
    start = whole.index(b"PK\1\2")
    for number in range(300):
        raw = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2, 5, 20])):
            raw[draw.randrange(start if number % 2 else 0, len(raw))] = draw.randrange(256)
        if number % 5 == 0:
            del raw[draw.randrange(len(raw)) :]
        path.write_bytes(raw)
        with contextlib.suppress(DatasetError):
            assert decode_source(path, SMALL).ready.files >= 4


@pytest.mark.parametrize("cut", [1, 22, 100, 500])
def test_a_zip_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = build(tmp_path / "set.zip", [])
    path.write_bytes(path.read_bytes()[:-cut])
    result = CliRunner().invoke(app, ["train", str(path), "--runs", str(tmp_path / "runs")])
    assert result.exit_code == 3, result.exception
    assert len(result.stderr.splitlines()) == 2
    assert "set.zip" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_neither_folder_nor_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "loop.zip").symlink_to(tmp_path / "loop.zip")
    for name in ("pipe.zip", "loop.zip"):
        result = CliRunner().invoke(app, ["train", str(tmp_path / name), "--runs", str(tmp_path / "runs")])
        assert result.exit_code == 3, result.exception
        assert name in result.stderr


def test_large_files_wait_for_one_another() -> None:
    room, lock, draw = decoding._Room(100), threading.Lock(), random.Random(0)
    inside: list[int] = []
    most: list[int] = []

    def work(amount: int) -> None:
        with room.take(amount):
            with lock:
                inside.append(amount)
                most.append(len(inside) if amount > 100 else sum(inside))
            time.sleep(0.002)
            with lock:
                inside.remove(amount)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [draw.choice([0, 30, 60, 100]) for _ in range(60)]))
        assert 60 < max(most) <= 100
        most.clear()
        list(pool.map(work, [1000] * 10))
        assert max(most) == 1
