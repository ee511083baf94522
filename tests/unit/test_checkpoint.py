"""Checkpoints: bit for bit what was saved, damage is noticed, old ones are thinned out, and none can run code."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from artgan.engine import checkpoint
from artgan.engine.checkpoint import (
    GENERATOR,
    MANIFEST,
    STATE,
    GeneratorFile,
    best_checkpoint,
    copied,
    load_generator,
    load_state,
    newest_checkpoint,
    read_newest,
    save_checkpoint,
    set_aside,
    verify,
    whole_names,
)
from artgan.engine.storage import Run, create_run
from artgan.errors import CheckpointError, StorageError


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has no checkpoint yet."""
    return create_run(tmp_path / "runs", "test")


def generator_file(nimg: int = 1000, **tensors: torch.Tensor) -> GeneratorFile:
    settings = {"model": {"z_dim": 4}, "augment": {"policy": ["color"]}, "shape": [3, 8, 8]}
    return GeneratorFile(tensors or {"w": torch.arange(6.0)}, settings, ("cäts", "dogs"), nimg, "00000-test")


def state() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {
        "float": torch.randn(3, 4, generator=draw),
        "channels_last": torch.randn(2, 3, 4, 5, generator=draw).to(memory_format=torch.channels_last),
        "transposed": torch.randn(3, 4, generator=draw).T,
        "bf16": torch.randn(7, generator=draw).to(torch.bfloat16),
        "double": torch.randn(2, generator=draw, dtype=torch.float64),
        "count": torch.tensor(2**60 + 1),
        "bytes": torch.arange(256, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "empty": torch.empty(0, 3),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def bits(tensor: torch.Tensor) -> bytes:
    raw: bytes = tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return raw


def test_a_state_comes_back_bit_for_bit(run: Run) -> None:
    saved = state()
    loaded = load_state(save_checkpoint(run, generator_file(), saved))
    assert loaded.keys() == saved.keys()
    for name, tensor in saved.items():
        assert loaded[name].dtype == tensor.dtype, name
        assert loaded[name].shape == tensor.shape, name
        assert bits(loaded[name]) == bits(tensor), name


def test_a_generator_comes_back_whole(run: Run) -> None:
    saved = generator_file(w=torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last), b=torch.zeros(0))
    folder = save_checkpoint(run, saved, state())
    for path in (folder, folder / GENERATOR):
        loaded = load_generator(path)
        assert (loaded.settings, loaded.classes, loaded.nimg, loaded.run) == (
            saved.settings,
            saved.classes,
            saved.nimg,
            saved.run,
        )
        assert {name: bits(tensor) for name, tensor in loaded.tensors.items()} == {
            name: bits(tensor) for name, tensor in saved.tensors.items()
        }


def test_a_checkpoint_is_named_by_nimg_and_latest_points_at_it(run: Run) -> None:
    assert newest_checkpoint(run) is None
    for nimg in (1000, 20_000):
        folder = save_checkpoint(run, generator_file(nimg), state())
        assert folder == run.checkpoints / f"{nimg:09d}"
        assert (run.folder / "latest").read_text().strip() == folder.name
        assert newest_checkpoint(run) == folder
        assert sorted(path.name for path in folder.iterdir()) == sorted([GENERATOR, STATE, MANIFEST])
        verify(folder)


def test_the_last_three_and_every_tenth_are_kept(run: Run) -> None:
    for number in range(1, 24):
        save_checkpoint(run, generator_file(number * 100), {"x": torch.zeros(1)})
        newest = [n * 100 for n in range(max(1, number - 2), number + 1)]
        tenths = [n * 100 for n in range(10, number + 1, 10)]
        assert [int(folder.name) for folder in whole_names(run)] == sorted({*newest, *tenths})


def test_the_best_is_kept_until_another_is_the_best(run: Run) -> None:
    def save(number: int, best: bool) -> None:
        save_checkpoint(run, generator_file(number * 100), {"x": torch.zeros(1)}, best)

    for number in range(1, 9):
        save(number, best=number == 2)
    assert [int(folder.name) for folder in whole_names(run)] == [200, 600, 700, 800]
    assert best_checkpoint(run) == run.checkpoints / "000000200"
    assert (run.folder / "latest").read_text() == "000000800\n"
    save(9, best=True)
    assert [int(folder.name) for folder in whole_names(run)] == [700, 800, 900]
    assert best_checkpoint(run) == newest_checkpoint(run) == run.checkpoints / "000000900"


@pytest.mark.parametrize("content", [b"", b"000000200", b"..", b"/etc", b"\xff\xfe", b"1" * 1000, "²".encode()])
def test_a_best_that_names_no_checkpoint_is_none(run: Run, content: bytes) -> None:
    assert best_checkpoint(run) is None
    save_checkpoint(run, generator_file(100), {"x": torch.zeros(1)}, best=True)
    run.best.write_bytes(content)
    assert best_checkpoint(run) is None
    run.best.unlink()
    run.best.mkdir()
    assert best_checkpoint(run) is None


def test_saving_the_same_position_again_keeps_what_is_there(run: Run) -> None:
    first = save_checkpoint(run, generator_file(), {"x": torch.zeros(1)})
    again = save_checkpoint(run, generator_file(), {"x": torch.ones(1)})
    assert again == first
    assert load_state(first)["x"].item() == 0


def flip_a_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", [GENERATOR, STATE, MANIFEST])
@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, Path.unlink])
def test_damage_is_noticed_and_named(run: Run, name: str, damage: Any) -> None:
    folder = save_checkpoint(run, generator_file(), state())
    if name == MANIFEST and damage is flip_a_bit:
        (folder / name).write_text((folder / name).read_text().replace('"sha256": "', '"sha256": "0'))
    else:
        damage(folder / name)
    with pytest.raises(CheckpointError) as caught:
        verify(folder)
    assert str(folder) in caught.value.message
    assert "artgan resume" in caught.value.hint
    with pytest.raises(CheckpointError):
        load_state(folder)


@pytest.mark.parametrize("content", [[], "text", 3, {}, {"format": 1}, {"format": 1, "files": 3}])
def test_a_manifest_of_another_form_is_refused(run: Run, content: object) -> None:
    folder = save_checkpoint(run, generator_file(), state())
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="not whole"):
        verify(folder)


def test_another_version_is_refused_by_its_number(run: Run) -> None:
    folder = save_checkpoint(run, generator_file(), state())
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(CheckpointError, match="99"):
        verify(folder)


def test_an_unfinished_checkpoint_is_none(run: Run) -> None:
    folder = save_checkpoint(run, generator_file(), state())
    (run.checkpoints / ".000002000.1.2.tmp").mkdir()
    (run.checkpoints / "notes").mkdir()
    assert whole_names(run) == [folder]


def test_a_failure_leaves_older_checkpoints_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = save_checkpoint(run, generator_file(1000), state())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(StorageError, match="000002000"):
        save_checkpoint(run, generator_file(2000), state())
    assert [path.name for path in run.checkpoints.iterdir()] == [first.name]
    assert newest_checkpoint(run) == first
    verify(first)


def test_a_drive_that_is_gone_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "is_dir", fail)
    with pytest.raises(StorageError, match="000002000"):
        save_checkpoint(run, generator_file(2000), state())


# --- the newest that is whole


@pytest.fixture
def three(run: Run) -> list[Path]:
    """Three checkpoints, oldest first."""
    return [save_checkpoint(run, generator_file(nimg), {"x": torch.tensor(nimg)}) for nimg in (1000, 2000, 3000)]


def read(folder: Path) -> int:
    return int(load_state(folder)["x"])


def test_without_a_checkpoint_there_is_none_to_read(run: Run) -> None:
    assert read_newest(run, read) == (None, ())


def test_the_newest_is_read_and_no_other(run: Run, three: list[Path]) -> None:
    asked: list[Path] = []

    def ask(folder: Path) -> int:
        asked.append(folder)
        return read(folder)

    assert read_newest(run, ask) == (3000, ())
    assert asked == three[-1:]


def test_damaged_ones_are_passed_over_and_told_of_newest_first(run: Run, three: list[Path]) -> None:
    flip_a_bit(three[2] / STATE)
    (three[1] / GENERATOR).unlink()
    found, refused = read_newest(run, read)
    assert found == 1000
    assert [error.message.split(" ")[0] for error in refused] == [str(three[2] / STATE), str(three[1] / GENERATOR)]
    flip_a_bit(three[0] / STATE)
    with pytest.raises(CheckpointError, match="None of the 3 checkpoints") as caught:
        read_newest(run, read)
    assert str(three[2]) in caught.value.message
    assert [path.name for path in whole_names(run)] == [path.name for path in three], "nothing is moved by reading"


def test_only_damage_is_passed_over(run: Run, three: list[Path]) -> None:
    def fail(folder: Path) -> int:
        raise MemoryError

    with pytest.raises(MemoryError):
        read_newest(run, fail)


def test_what_is_set_aside_is_kept_under_another_name_and_is_no_checkpoint(run: Run, three: list[Path]) -> None:
    before = (three[2] / STATE).read_bytes()
    aside = set_aside(run, newer_than=1000)
    assert aside == [folder.with_name(f"{folder.name}.set-aside") for folder in three[1:]]
    assert whole_names(run) == three[:1]
    assert (aside[1] / STATE).read_bytes() == before
    assert set_aside(run, newer_than=1000) == []
    # Its place is free again, and what lay there before gives way to what is set aside later.
    save_checkpoint(run, generator_file(3000), {"x": torch.tensor(7)})
    assert read_newest(run, read) == (7, ())
    assert set_aside(run, newer_than=2999) == [aside[1]]
    assert int(load_state(aside[1])["x"]) == 7


def test_copies_are_plain_and_stay_as_they_were() -> None:
    tensors = state()
    before = {name: bits(tensor) for name, tensor in tensors.items()}
    copies = copied(tensors)
    for name, tensor in tensors.items():
        assert copies[name].dtype == tensor.dtype
        assert copies[name].is_contiguous()
        assert not copies[name].requires_grad
        with torch.no_grad():
            tensor.zero_()
    assert {name: bits(tensor) for name, tensor in copies.items()} == before


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_disk_that_fills_up_is_told_in_one_sentence(run: Run) -> None:
    program = (
        "import pathlib, resource, signal, sys, torch\n"
        "from artgan.engine.checkpoint import GeneratorFile, save_checkpoint\n"
        "from artgan.engine.storage import Run\n"
        "from artgan.errors import StorageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    file = GeneratorFile({'w': torch.zeros(1000)}, {}, (), 1000, 'x')\n"
        "    save_checkpoint(Run(pathlib.Path(sys.argv[1])), file, {})\n"
        "except StorageError as error:\n"
        "    print(error.message, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run.folder)], capture_output=True, text=True, check=False)
    assert str(run.checkpoints / "000001000") in done.stdout, done.stderr
    assert "disk space" in done.stdout
    assert list(run.checkpoints.iterdir()) == []


class Trap:
    """Whoever unpickles this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_in_disguise_is_refused_and_not_run(tmp_path: Path, kind: str) -> None:
    path, sprung = tmp_path / GENERATOR, tmp_path / "sprung"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        torch.save({"w": Trap(sprung)}, path)
    with pytest.raises(CheckpointError, match=GENERATOR):
        load_generator(path)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 64, b"<html>404</html>"])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / GENERATOR
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=GENERATOR):
        load_generator(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "x.safetensors"):
        with pytest.raises(CheckpointError, match="safetensors"):
            load_generator(path)


HEADER = {"format": "artgan-generator/1", "settings": "{}", "classes": "[]", "nimg": "5", "run": "r"}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "artgan-generator/99"},
        {"format": "artgan-state/1"},
        {"settings": "[]"},
        {"settings": "{"},
        {"classes": '"cats"'},
        {"nimg": "many"},
        {"run": None},
        {"format": None},
    ],
)
def test_a_header_that_is_not_ours_is_refused(tmp_path: Path, change: dict[str, str | None]) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.zeros(1)}, path, HEADER)
    assert load_generator(path).nimg == 5
    save_file(
        {"w": torch.zeros(1)}, path, {key: value for key, value in {**HEADER, **change}.items() if value is not None}
    )
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        load_generator(path)


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "diffusion.safetensors"
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not a generator"):
        load_generator(path)
