"""Checkpoints are data: whatever a file holds, it is refused in one sentence, runs no code and takes no memory."""

import contextlib
import functools
import io
import json
import os
import pickle
import random
import resource
import shutil
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.engine import checkpoint
from artgan.engine.checkpoint import GENERATOR, MANIFEST, STATE, GeneratorFile, load_state, save_checkpoint, verify
from artgan.engine.storage import Run, create_run
from artgan.errors import ArtganError, CheckpointError
from artgan.models import build_generator
from artgan.models.trained import load
from artgan.presets import resolve
from tests.hostile import commands

SETTINGS = resolve(None, {"data.resolution": 8, "model.base_channels": 4, "model.z_dim": 4})
CLASSES = ("cats", "dogs")
DEEP = "[" * 100_000


class Trap:
    """Whoever unpickles this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def pickled(trap: Trap, kind: str) -> bytes:
    """A pickle as torch writes it, or bare, in each of the protocols."""
    buffer = io.BytesIO()
    if kind == "torch zip":
        torch.save({"w": trap}, buffer)
    elif kind == "torch legacy":
        torch.save({"w": trap}, buffer, _use_new_zipfile_serialization=False)
    else:
        pickle.dump({"w": trap}, buffer, protocol=int(kind))
    return buffer.getvalue()


PICKLES = ["0", "2", "5", "torch zip", "torch legacy"]


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A generator.safetensors as artgan writes it."""
    network = build_generator(SETTINGS.model, (3, 8, 8), len(CLASSES))
    return save(network.state_dict(), header())


def header(**change: Any) -> dict[str, str]:
    values = {**SETTINGS.model_dump(mode="json"), "shape": [3, 8, 8]}
    own = {"format": "artgan-generator/1", "settings": json.dumps(values), "classes": json.dumps(CLASSES)}
    return {**own, "nimg": "64", "run": "00000-test", **change}


refused = functools.partial(commands.refused, code=5, longest=2000)


def split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(head: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_a_whole_file_is_read_and_draws(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    path.write_bytes(whole)
    assert load(path, device="cpu").classes == CLASSES
    result = CliRunner().invoke(app, ["sample", str(path), "--seeds", "0", "-o", str(tmp_path / "out.png")])
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("name", ["x.safetensors", GENERATOR, "x.pt", "x.pth", "x.ckpt", "x.bin", "x.pkl"])
def test_a_pickle_under_any_name_is_refused_and_not_run(tmp_path: Path, kind: str, name: str) -> None:
    sprung = tmp_path / "sprung"
    (tmp_path / name).write_bytes(pickled(Trap(sprung), kind))
    assert name in refused("sample", tmp_path / name)
    assert not sprung.exists()


SHAPES = {
    "an empty file": b"",
    "eight zeros": b"\0" * 8,
    "a header of exabytes": joined(b"{}", length=2**60),
    "a header of 2**64 - 1": joined(b"{}", length=2**64 - 1),
    "a header longer than the file": joined(b"{}", length=3000),
    "dimensions that multiply to 2**80": joined({"w": entry([2**40, 2**40], 0, 4)}, b"\0" * 4),
    "dimensions that multiply to 2**64, which is 0": joined({"w": entry([2**32, 2**32], 0, 0)}),
    "dimensions of 2**63": joined({"w": entry([2**63], 0, 4)}, b"\0" * 4),
    "a negative dimension": joined({"w": entry([-1], 0, 4)}, b"\0" * 4),
    "overlapping tensors": joined({"w": entry([1], 0, 4), "v": entry([1], 0, 4)}, b"\0" * 4),
    "a gap": joined({"w": entry([1], 4, 8)}, b"\0" * 8),
    "offsets the wrong way round": joined({"w": entry([1], 4, 0)}, b"\0" * 4),
    "offsets beyond the end": joined({"w": entry([2**30], 0, 2**32)}, b"\0" * 4),
    "bytes after the end": joined({"w": entry([1], 0, 4)}, b"\0" * 8),
    "an unknown dtype": joined({"w": entry([1], 0, 4, "PICKLE")}, b"\0" * 4),
    "a dtype that PyTorch lacks": joined({"w": entry([4], 0, 3, "F6_E2M3")}, b"\0" * 3),
    "a header nested 100,000 deep": joined(DEEP.encode()),
    "metadata nested 100,000 deep": joined(b'{"__metadata__":{"settings":' + DEEP.encode()),
    "metadata that is no text": joined({"__metadata__": {"settings": {}}}),
    "tensors of the wrong form": joined({"w": 3}),
    "a name that is half a letter": joined(b'{"\\ud800":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', b"\0" * 4),
    "a header that is no UTF-8": joined(b'{"\xff":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', b"\0" * 4),
}


@pytest.mark.parametrize("what", SHAPES)
def test_an_absurd_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(SHAPES[what])
    assert "x.safetensors" in refused("sample", path)


def replaced(name: str, dtype: str, shape: list[int]) -> Callable[[bytes], bytes]:
    """A file in which one tensor is of another kind, and everything else is as it should be."""

    def change(raw: bytes) -> bytes:
        head, data = split(raw)
        ours = sorted((key for key in head if key != "__metadata__"), key=lambda key: head[key]["data_offsets"])
        parts = {key: data[slice(*head[key]["data_offsets"])] for key in ours}
        size = {"F16": 2, "BF16": 2, "F32": 4, "I32": 4, "F64": 8, "C64": 8, "I64": 8, "F8_E4M3": 1, "BOOL": 1}[dtype]
        count = 1
        for side in shape:
            count *= side
        parts[name], head[name]["dtype"], head[name]["shape"] = b"\0" * (count * size), dtype, shape
        at = 0
        for key in ours:
            head[key]["data_offsets"] = [at, at + len(parts[key])]
            at += len(parts[key])
        return joined(head, b"".join(parts[key] for key in ours))

    return change


def with_head(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        head, data = split(raw)
        change(head)
        return joined(head, data)

    return changed


def renamed(name: str) -> Callable[[bytes], bytes]:
    return with_head(lambda head: head.update({name: head.pop("layers.0.weight")}))


WEIGHT, COUNT, BIAS = "layers.0.weight", "layers.1.num_batches_tracked", "layers.1.weight"
MISFITS: dict[str, Callable[[bytes], bytes]] = {
    "complex weights": replaced(WEIGHT, "C64", [36, 4, 4, 4]),
    "integer weights": replaced(WEIGHT, "I32", [36, 4, 4, 4]),
    "half weights": replaced(WEIGHT, "F16", [36, 4, 4, 4]),
    "double weights": replaced(WEIGHT, "F64", [36, 4, 4, 4]),
    "tiny floats": replaced(WEIGHT, "F8_E4M3", [36, 4, 4, 4]),
    "truth values": replaced(WEIGHT, "BOOL", [36, 4, 4, 4]),
    "a count that is a float": replaced(COUNT, "F32", []),
    "a shape that would broadcast": replaced(BIAS, "F32", [1]),
    "a number that would broadcast": replaced(BIAS, "F32", []),
    "a hundred thousand dimensions": replaced(BIAS, "F32", [1] * 100_000),
    "a dimension of nothing beside one of 2**62": replaced(BIAS, "F32", [0, 2**62]),
    "a tensor more": lambda raw: joined({**split(raw)[0], "more": entry([0], 0, 0)}, split(raw)[1]),
    "a path as a name": renamed("../../../etc/passwd"),
    "an absolute path as a name": renamed("/etc/passwd"),
    "a name with control characters": renamed("\0\x1b[31m\nlayers"),
    "a name of a method": renamed("__class__.__reduce__"),
    "a name of 100 kB": renamed("x" * 100_000),
    "an empty name": renamed(""),
}


@pytest.mark.parametrize("what", MISFITS)
def test_tensors_that_do_not_fit_exactly_are_refused(whole: bytes, tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(MISFITS[what](whole))
    assert "x.safetensors" in refused("sample", path)


def with_settings(**change: Any) -> dict[str, str]:
    values = {**SETTINGS.model_dump(mode="json"), "shape": [3, 8, 8]}
    for key, value in change.items():
        section, _, name = key.partition("__")
        if name:
            values[section] = {**values[section], name: value}
        else:
            values[section] = value
    return {"settings": json.dumps(values)}


HEADERS: dict[str, dict[str, str]] = {
    "another format": {"format": "artgan-generator/2"},
    "settings nested deep": {"settings": DEEP},
    "settings nested deep, and closed": {"settings": '{"model":' * 5000 + "1" + "}" * 5000},
    "settings cut short": {"settings": '{"model": {'},
    "settings that are a list": {"settings": "[]"},
    "settings that are empty text": {"settings": ""},
    "settings that are a pickle": {"settings": pickle.dumps({"a": 1}, 0).decode()},
    "a section that is a number": with_settings(model=3),
    "an unknown setting": with_settings(model__run="os.system"),
    "an unknown section": with_settings(code="import os"),
    "a setting with markup": with_settings(**{"model__[/x][bold]\x1b[31m": 1}),
    "a setting nested deep": with_settings(model__z_dim=[[[[[[[[1]]]]]]]]),
    "not a number": {"settings": with_settings()["settings"].replace('"g_lr": 0.0002', '"g_lr": NaN')},
    "infinity": {"settings": with_settings()["settings"].replace('"z_dim": 4', '"z_dim": Infinity')},
    "a number of 5000 digits": {"settings": '{"model": {"z_dim": ' + "9" * 5000 + "}}"},
    "settings twice": {"settings": with_settings()["settings"].replace('"z_dim": 4', '"z_dim": 4, "z_dim": 8')},
    "another network": with_settings(model__name="mlp"),
    "a network that is no name": with_settings(model__name="os.system"),
    "another resolution": with_settings(data__resolution=16),
    "more channels": with_settings(data__channels="rgba"),
    "no shape": {"settings": json.dumps(SETTINGS.model_dump(mode="json"))},
    "a negative shape": with_settings(shape=[3, -8, 8]),
    "a shape of truth": with_settings(shape=[3, True, 8]),
    "a shape of seven channels": with_settings(shape=[7, 8, 8]),
    "a shape of 2**63": with_settings(shape=[3, 2**63, 8]),
    "the largest convolutions": with_settings(
        model__base_channels=512, model__max_channels=2048, data__resolution=1024, shape=[3, 1024, 1024]
    ),
    "25 GB of weights": with_settings(
        **{"model__name": "mlp", "model__base_channels": 512, "model__max_channels": 2048},
        **{"data__resolution": 1024, "shape": [3, 1024, 1024]},
    ),
    "a million classes": {"classes": json.dumps([str(n) for n in range(1_000_000)])},
    "classes nested deep": {"classes": DEEP},
    "classes that are text": {"classes": '"cats"'},
    "classes that are lists": {"classes": "[[], {}]"},
    "classes that are numbers": {"classes": "[1, 2]"},
    "a negative nimg": {"nimg": "-1"},
    "an nimg of 4000 digits": {"nimg": "9" * 4000},
    "an nimg of 5000 digits": {"nimg": "9" * 5000},
    "an nimg in words": {"nimg": "NaN"},
    "an nimg in other figures": {"nimg": "٣"},
    "a run that is a path": {"run": "../../etc"},
    "a run that is an absolute path": {"run": "/etc/passwd"},
    "a run with a backslash": {"run": "..\\..\\etc"},
    "a run without a name": {"run": ""},
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_header_that_asks_for_something_else_is_refused(whole: bytes, tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(with_head(lambda head: head.update({"__metadata__": header(**HEADERS[what])}))(whole))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert "x.safetensors" in refused("sample", path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
    assert time.monotonic() - started < 5


def test_a_header_of_90_megabytes_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 90 << 20))
        file.truncate(91 << 20)  # takes no room: the file is a hole
    started = time.monotonic()
    assert "header is too large" in refused("sample", path)
    assert time.monotonic() - started < 2


def test_a_file_larger_than_the_memory_costs_nothing(whole: bytes, tmp_path: Path) -> None:
    path, size = tmp_path / "x.safetensors", 1 << 43
    head, data = split(whole)
    head["more"] = entry([size // 4], len(data), len(data) + size)
    with path.open("wb") as file:
        file.write(joined(head, data))
        try:
            file.truncate(file.tell() + size)
        except OSError:
            pytest.skip("the file system has no files of 8 TB")
    assert "x.safetensors" in refused("sample", path)


def test_class_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    names = ["../../../tmp/x", "[bold]", "\x1b[31m", "half \ud800 a letter", "a\nb"]
    network = build_generator(SETTINGS.model, (3, 8, 8), len(names))
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "x.safetensors"
    path.write_bytes(save(network.state_dict(), header(classes=json.dumps(names))))
    result = CliRunner().invoke(app, ["sample", str(path), "--seeds", "0", "-o", str(tmp_path / "home" / "out")])
    assert result.exit_code == 0, result.exception
    assert len(list((tmp_path / "home" / "out").iterdir())) == len(names)
    assert [file.name for file in tmp_path.iterdir()] == ["home"]
    assert "\x1b" not in result.stdout + result.stderr
    assert "owls" in refused("sample", path, "--class", "owls", code=2)


def test_any_byte_may_be_another(whole: bytes, tmp_path: Path) -> None:
    draw, path = random.Random(0), tmp_path / "x.safetensors"
    length = int.from_bytes(whole[:8], "little") + 8
    survived = 0
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(draw.choice([1, 1, 3, 30])):
            raw[draw.randrange(length)] = draw.randrange(256)
        path.write_bytes(raw[: draw.choice([len(raw), len(raw), draw.randrange(len(raw))])])
        with contextlib.suppress(ArtganError):
            load(path, device="cpu")
            survived += 1
    assert survived < 100


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "loop.safetensors").symlink_to(tmp_path / "loop.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pipe", "loop", "folder"):
        assert f"{name}.safetensors" in refused("sample", tmp_path / f"{name}.safetensors")


# --- whole checkpoints, with a manifest


@pytest.fixture
def folder(whole: bytes, tmp_path: Path) -> Path:
    """A checkpoint of a run, as artgan writes it."""
    run = create_run(tmp_path / "runs", "test")
    network = build_generator(SETTINGS.model, (3, 8, 8), len(CLASSES))
    settings = {**SETTINGS.model_dump(mode="json"), "shape": [3, 8, 8]}
    file = GeneratorFile(dict(network.state_dict()), settings, CLASSES, 64, run.name)
    run.info.write_text(json.dumps({"data": {"path": ".", "fingerprint": "", "pictures": 1}, "engine": {}}))
    return save_checkpoint(run, file, {"nimg": torch.tensor(64)})


def described(folder: Path, **change: Any) -> None:
    """Make the manifest fit what lies there now, as an attacker would."""
    files = {name: checkpoint._describe(folder / name) for name in (GENERATOR, STATE)}
    (folder / MANIFEST).write_text(json.dumps({"format": 1, "nimg": 64, "number": 1, "files": files, **change}))


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("name", [GENERATOR, STATE, MANIFEST])
@pytest.mark.parametrize("fitting", [True, False])
def test_a_pickle_in_a_checkpoint_is_refused_and_not_run(
    folder: Path, tmp_path: Path, kind: str, name: str, fitting: bool
) -> None:
    sprung = tmp_path / "sprung"
    (folder / name).write_bytes(pickled(Trap(sprung), kind))
    if fitting and name != MANIFEST:
        described(folder)
    if name != STATE:
        refused("sample", "0", "--runs", tmp_path / "runs")
    if name != GENERATOR or not fitting:
        with pytest.raises(CheckpointError, match=folder.name):
            load_state(folder)
    assert not sprung.exists()


MANIFESTS: dict[str, object] = {
    "nested 100,000 deep": DEEP,
    "nested 900 deep": '{"format": ' + "[" * 900 + "]" * 900 + "}",
    "half a letter": '{"format": "\ud800"}'.encode("utf-8", "surrogatepass"),
    "not a number": '{"format": NaN, "files": {}}',
    "infinity": '{"format": Infinity, "files": {}}',
    "files nested": '{"format": 1, "files": {"generator.safetensors": [[[[]]]], "state.safetensors": 1}}',
    "files elsewhere": '{"format": 1, "files": {"../../../etc/passwd": {"bytes": 1, "sha256": ""}}}',
    "binary": b"\x80\x04\x95",
    "empty": "",
    "a number": "3",
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_damaged_manifest_is_refused(folder: Path, tmp_path: Path, what: str) -> None:
    content = MANIFESTS[what]
    (folder / MANIFEST).write_bytes(content if isinstance(content, bytes) else str(content).encode())
    with pytest.raises(CheckpointError):
        verify(folder)
    refused("sample", "0", "--runs", tmp_path / "runs")


def test_a_manifest_of_gigabytes_is_not_read(folder: Path) -> None:
    with (folder / MANIFEST).open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(CheckpointError, match="larger than 1 MiB"):
        verify(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", [GENERATOR, STATE, MANIFEST])
def test_a_pipe_in_a_checkpoint_is_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(CheckpointError, match=folder.name):
        load_state(folder)


@pytest.mark.parametrize("latest", ["../../../../etc", "/etc/passwd", "\0", "x" * 100_000, "000000064\n../..", ""])
def test_latest_leads_nowhere_else(folder: Path, tmp_path: Path, latest: str) -> None:
    (folder.parents[1] / "latest").write_text(latest)
    assert load("0", runs_dir=tmp_path / "runs", device="cpu").nimg == 64


@pytest.mark.parametrize(
    "name",
    ["../../etc", "/etc", "..", ".", "/", "~", "\\..\\..", "[/x]", "\x1b[31m", "x" * 300, "9" * 5000, "٣", "-", "%00"],
)
def test_a_run_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "a" / "runs").mkdir(parents=True)
    assert refused("sample", "--runs", tmp_path / "a" / "runs", "--", name)
    assert refused("resume", "--runs", tmp_path / "a" / "runs", "--", name)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a", "etc"]


def test_a_nul_in_a_run_name_is_an_error_of_ours(tmp_path: Path) -> None:
    for name in ("\0", "runs/\0/x.safetensors", "a\0.safetensors"):
        with pytest.raises(CheckpointError):
            load(name, runs_dir=tmp_path, device="cpu")


def test_nothing_is_unpickled_while_sampling(folder: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    listening = True
    # Python tells of every class that a pickle names, whoever reads it; a hook stays until the process ends.
    sys.addaudithook(lambda event, _: heard.append(event) if listening and event.startswith("pickle.") else None)
    pickle.loads(pickle.dumps(Path("x")))
    assert heard
    heard.clear()
    result = CliRunner().invoke(app, ["sample", str(folder), "--seeds", "0", "-o", str(tmp_path / "x.png")])
    listening = False
    assert result.exit_code == 0, result.stderr
    assert heard == []


def test_a_copy_of_a_run_with_one_hostile_checkpoint_is_sampled_as_told(folder: Path, tmp_path: Path) -> None:
    run = Run(folder.parents[1])
    shutil.copytree(folder, run.checkpoints / "999999999999")
    (run.checkpoints / "999999999999" / GENERATOR).write_bytes(b"\x80\x04.")
    result = CliRunner().invoke(app, ["sample", "0", "--runs", str(tmp_path / "runs")])
    assert result.exit_code == 0
    assert "999999999999" in result.stderr.splitlines()[0]
    assert "Drawing from the checkpoint before it" in result.stderr.splitlines()[0]
