"""A pack is a zip from a stranger: whatever it holds, it is refused in one sentence; nothing is unpacked or run."""

import hashlib
import json
import os
import pickle
import random
import resource
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.errors import ArtganError
from artgan.models.packed import MEMBERS, pack_bytes
from artgan.models.trained import load
from tests.hostile import commands
from tests.sharing import shareable

GENERATOR, MANIFEST = "generator.safetensors", "manifest.json"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a good pack holds."""
    from artgan.sharing.pack import pack

    folder = tmp_path_factory.mktemp("pack")
    file = pack(shareable(folder / "runs", "dcgan", z_dim=4, base_channels=4), folder / "good.artgan").file
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "x.artgan"


def refused(path: Path) -> str:
    """Drawing from it and exporting it must both fail, cheaply; nothing else appears beside it."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    told = commands.refused("sample", path, code=5, longest=600)
    assert "x.artgan" in told
    assert "x.artgan" in commands.refused("export", path, "-f", "html", code=5, longest=600)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    assert time.process_time() - started < 5
    assert list(path.parent.iterdir()) == [path]
    return told


def zipped(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)


def described(raw: bytes) -> dict[str, Any]:
    return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def with_generator(members: dict[str, bytes], raw: bytes) -> dict[str, bytes]:
    """A pack whose manifest fits another generator, as an attacker would make it."""
    files = {**json.loads(members[MANIFEST])["files"], GENERATOR: described(raw)}
    manifest = json.dumps({"format": "artgan-model/1", "files": files}).encode()
    return {**members, GENERATOR: raw, MANIFEST: manifest}


def test_a_good_one_is_read_and_draws(members: dict[str, bytes], path: Path) -> None:
    rest = {name: raw for name, raw in members.items() if name != MANIFEST}
    path.write_bytes(pack_bytes(rest))
    assert load(path, device="cpu").nimg == 64
    result = CliRunner().invoke(app, ["sample", str(path), "--seeds", "0", "-o", "out.png"])
    assert result.exit_code == 0, result.stderr
    assert {file.name for file in path.parent.iterdir()} == {"x.artgan", "out.png"}


BYTES: dict[str, bytes] = {
    "nothing": b"",
    "text": b"not a zip at all",
    "a pickle": pickle.dumps({"a": 1}),
    "an empty zip": b"PK\5\6" + b"\0" * 18,
    "a directory beyond the end": b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 2**31, 2**31, 0),
    "65,535 members that are not there": b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 22, 0, 0),
}


@pytest.mark.parametrize("what", BYTES)
def test_what_is_no_zip_is_refused(path: Path, what: str) -> None:
    path.write_bytes(BYTES[what])
    refused(path)


NAMES = ["../../evil.py", "/etc/passwd", "..\\evil", "C:\\evil", "code.py", "x" * 60_000, "\x1b[31m", "a/", "é\u202e"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12].encode("unicode_escape").decode())
def test_a_member_that_leads_elsewhere_is_refused(members: dict[str, bytes], path: Path, name: str) -> None:
    zipped(path, {**members, name: b"x"})
    told = refused(path)
    assert "which no model has" in told or len(name) > 4000


def test_a_member_that_is_there_twice_is_refused(members: dict[str, bytes], path: Path) -> None:
    zipped(path, members)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(GENERATOR, b"other")
    assert "twice" in refused(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_not_unpacked(members: dict[str, bytes], path: Path, kind: int) -> None:
    zipped(path, {**members, GENERATOR: bytes(1 << 20)}, kind)
    assert "is compressed" in refused(path)


def test_a_size_that_lies_is_refused(members: dict[str, bytes], path: Path) -> None:
    zipped(path, members)
    raw = path.read_bytes()
    size = len(members[GENERATOR])
    for claimed in (2**31 + 1, 2**32 - 2, size + 10, 3):
        path.write_bytes(raw.replace(struct.pack("<II", size, size), struct.pack("<II", claimed, claimed)))
        refused(path)


def test_a_member_of_gigabytes_is_not_read(members: dict[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive, archive.open(GENERATOR, "w", force_zip64=True) as entry:
        entry.write(b"x")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<II", 1, 1), struct.pack("<II", 2**31 + 2, 2**31 + 2)))
    assert "too large" in refused(path)


def test_a_directory_of_gigabytes_is_not_read(members: dict[str, bytes], path: Path) -> None:
    for size in (2**30, 2**31):
        with path.open("wb") as file:
            file.truncate(size)  # takes no room: the file is a hole
            file.seek(0, os.SEEK_END)
            file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 9, 9, size, 0, 0))
        assert "no zip of artgan's" in refused(path)
    zipped(path, members)
    raw = path.read_bytes()
    path.write_bytes(raw[:-22] + b"PK\6\7" + struct.pack("<IQI", 0, 0, 1) + raw[-22:])
    assert "no zip of artgan's" in refused(path)


@pytest.mark.parametrize("name", [GENERATOR, MANIFEST])
def test_a_member_that_is_missing_is_named(members: dict[str, bytes], path: Path, name: str) -> None:
    zipped(path, {key: raw for key, raw in members.items() if key != name})
    assert f"{name}' is missing" in refused(path)


def test_a_member_that_was_changed_is_refused(members: dict[str, bytes], path: Path) -> None:
    other = bytearray(members[GENERATOR])
    other[-1] ^= 1
    zipped(path, {**members, GENERATOR: bytes(other)})
    assert "does not match the manifest" in refused(path)


MANIFESTS: dict[str, bytes] = {
    "another version": b'{"format": "artgan-model/2", "files": {}}',
    "no version": b'{"files": {}}',
    "a version nested deep": b'{"format": ' + b"[" * 900 + b"]" * 900 + b"}",
    "nested 100,000 deep": b"[" * 100_000,
    "a list": b"[]",
    "a number": b"3",
    "files that are a list": b'{"format": "artgan-model/1", "files": []}',
    "a hash of nothing": b'{"format": "artgan-model/1", "files": {"generator.safetensors": null}}',
    "no UTF-8": b"\xff\xfe",
    "a pickle": pickle.dumps({"format": "artgan-model/1"}),
    "empty": b"",
    "control characters": b'{"format": "\\u001b[31m\\u0000\\n"}',
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_damaged_manifest_is_refused(members: dict[str, bytes], path: Path, what: str) -> None:
    zipped(path, {**members, MANIFEST: MANIFESTS[what]})
    told = refused(path)
    other = what in ("another version", "a version nested deep", "control characters")
    assert ("reads artgan-model/1" in told) == other


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def of(raw: bytes) -> bytes:
        length = int.from_bytes(raw[:8], "little")
        head = json.loads(raw[8 : 8 + length])
        change(head)
        text = json.dumps(head).encode()
        return struct.pack("<Q", len(text)) + text + raw[8 + length :]

    return of


GENERATORS: dict[str, Callable[[bytes], bytes]] = {
    "a pickle": lambda raw: pickle.dumps({"w": 1}),
    "empty": lambda raw: b"",
    "cut short": lambda raw: raw[:-100],
    "more at its end": lambda raw: raw + b"x",
    "a header of exabytes": lambda raw: struct.pack("<Q", 2**60) + raw[8:],
    "a header beyond the end": lambda raw: struct.pack("<Q", len(raw)) + raw[8:],
    "another format": changed(lambda head: head["__metadata__"].update(format="artgan-generator/9")),
    "no metadata": changed(lambda head: head.pop("__metadata__")),
    "names of directions and none there": changed(lambda head: head["__metadata__"].update(directions='["warm"]')),
    "a number format that PyTorch lacks": changed(lambda head: head["layers.1.weight"].update(dtype="F4")),
    "another tensor name": changed(lambda head: head.update(other=head.pop("layers.1.weight"))),
    "settings of 25 GB": changed(
        lambda head: head["__metadata__"].update(
            settings=head["__metadata__"]["settings"].replace('"base_channels": 4', '"base_channels": 512')
        )
    ),
}


@pytest.mark.parametrize("what", GENERATORS)
def test_a_generator_that_is_none_is_refused(members: dict[str, bytes], path: Path, what: str) -> None:
    zipped(path, with_generator(members, GENERATORS[what](members[GENERATOR])))
    refused(path)


def test_any_byte_may_be_another(members: dict[str, bytes], path: Path) -> None:
    rest = {name: raw for name, raw in members.items() if name != MANIFEST}
    rest["samples.png"] = rest["README.md"] = rest["config.toml"] = b"x"
    whole, draw, survived = pack_bytes(rest), random.Random(0), 0
    for _ in range(150):
        raw = bytearray(whole)
        for _ in range(draw.choice([1, 1, 3, 30])):
            at = draw.choice([draw.randrange(len(raw)), len(raw) - 1 - draw.randrange(500), draw.randrange(1500)])
            raw[at] = draw.randrange(256)
        path.write_bytes(raw[: draw.choice([len(raw), len(raw), draw.randrange(len(raw))])])
        try:
            model = load(path, device="cpu")
        except ArtganError:
            continue
        survived += 1
        assert model.nimg == 64
    assert survived < 75


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    refused(path)
    path.unlink()
    path.mkdir()
    refused(path)


def test_members_are_known_by_name() -> None:
    assert len(MEMBERS) == 5
