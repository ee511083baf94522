"""What TensorBoard is told, read back with its own reader; without the package, one sentence."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import artgan
from artgan.cli.main import app
from artgan.data.cache import DataEvent
from artgan.errors import UsageError
from artgan.training.events import Event, Notice, RunStarted, Saved, Scored, Stats, Step
from artgan.training.tensorboard import TensorBoard, beside_tensorboard, check_tensorboard

EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0}


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance=EVERYTHING).Reload()


def steps(folder: Path, tag: str = "train/loss_D") -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 3)) for event in read(folder).Scalars(tag)]


def trained(board: TensorBoard, nimgs: Sequence[int], loss: float) -> None:
    for nimg in nimgs:
        board(Step(nimg))
        board(Stats(nimg, {"loss_D": loss, "real_acc": 0.75}, 120.0))


@pytest.fixture
def preview(tmp_path: Path) -> Path:
    path = tmp_path / "fakes000000100.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)).save(path)
    return path


def test_figures_pictures_and_words(tmp_path: Path, preview: Path) -> None:
    board = TensorBoard(tmp_path / "board", 0)
    board(RunStarted(tmp_path, 0, 1000, (), (1, 1)))
    trained(board, [100, 200], 0.5)
    board(Scored(200, {"kid500_artgan64": 0.25}, {"kid500_artgan64": 0.125}, best=True))
    board(Saved("preview", preview, 200))
    board(Saved("checkpoint", tmp_path, 200))
    board(Notice("All is [well]."))
    board.close()
    found = read(tmp_path / "board")
    of_training = ["train/loss_D", "train/real_acc", "train/images_per_second"]
    assert found.Tags()["scalars"] == [*of_training, "score/kid500_artgan64"]
    assert [(event.step, event.value) for event in found.Scalars("score/kid500_artgan64")] == [(200, 0.25)]
    assert [(event.step, event.value) for event in found.Scalars("train/real_acc")] == [(100, 0.75), (200, 0.75)]
    assert [event.value for event in found.Scalars("train/images_per_second")] == [120, 120]
    (picture,) = found.Images("preview")
    assert (picture.step, picture.width, picture.height) == (200, 20, 12)
    (words,) = found.Tensors("notice/text_summary")
    assert words.step == 200
    assert list(words.tensor_proto.string_val) == [b"All is [well]."]


def test_a_resumed_run_has_nothing_twice(tmp_path: Path, preview: Path) -> None:
    first = TensorBoard(tmp_path, 0)
    first(Saved("preview", preview, 0))
    trained(first, [100, 200, 300], 1.0)
    first(Saved("preview", preview, 300))
    first.close()
    second = TensorBoard(tmp_path, 200)  # the checkpoint lay there
    trained(second, [300], 2.0)
    second(Saved("preview", preview, 300))
    trained(second, [400], 2.0)
    second.close()
    assert steps(tmp_path) == [(100, 1), (200, 1), (300, 2), (400, 2)]
    assert [event.step for event in read(tmp_path).Images("preview")] == [0, 300]


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path: Path, preview: Path) -> None:
    for loss in (1.0, 2.0):
        board = TensorBoard(tmp_path, 0)
        board(Saved("preview", preview, 0))
        trained(board, [100, 200], loss)
        board.close()
    assert steps(tmp_path) == [(100, 2), (200, 2)]
    assert [event.step for event in read(tmp_path).Images("preview")] == [0]


@pytest.mark.parametrize("back_to", [0, 200])
def test_training_that_goes_back_within_a_session_has_nothing_twice(
    back_to: int, tmp_path: Path, preview: Path
) -> None:
    board = TensorBoard(tmp_path, 0)
    trained(board, [100, 200, 300], 1.0)
    board(Step(400))  # where it exploded
    if back_to == 0:
        board(Saved("preview", preview, 0))
    trained(board, range(back_to + 100, 600, 100), 2.0)
    board.close()
    assert steps(tmp_path) == [(nimg, 1 if nimg <= back_to else 2) for nimg in range(100, 600, 100)]


def test_training_is_the_same_with_it_and_after_a_resume_nothing_is_there_twice(
    paintings: Path, tmp_path: Path
) -> None:
    def train(name: str, kimg: float, wanted: bool) -> artgan.TrainResult:
        heard: list[Event | DataEvent] = []
        result = artgan.train(
            paintings,
            overrides={"model.base_channels": 4, "model.z_dim": 4, "snapshot.stats_kimg": 0.004},
            resolution=8,
            batch=4,
            kimg=kimg,
            run=name,
            runs_dir=tmp_path,
            tensorboard=wanted,
            on_event=heard.append,
        )
        assert any(isinstance(event, Stats) for event in heard)
        return result

    plain, _, told = train("plain", 0.016, False), train("told", 0.008, True), train("told", 0.016, True)
    weights = [(result.checkpoint / "state.safetensors").read_bytes() for result in (plain, told)]
    assert weights[0] == weights[1]
    assert not (plain.run / "tensorboard").exists()
    found = read(told.run / "tensorboard")
    assert [event.step for event in found.Scalars("train/loss_G")] == [4, 8, 12, 16]
    assert [event.step for event in found.Images("preview")] == [0, 8, 16]


def test_it_is_closed_when_training_fails(tmp_path: Path) -> None:
    def failing() -> None:
        with beside_tensorboard(lambda event: None, True) as on_event:
            on_event(Notice("before the run"))
            on_event(RunStarted(tmp_path, 0, 1000, (), (1, 1)))
            on_event(Stats(100, {"loss_D": 1.0}, 1.0))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        failing()
    assert steps(tmp_path / "tensorboard") == [(100, 1)]


@pytest.fixture
def without_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # what Python keeps for a package that is not there


@pytest.mark.usefixtures("without_tensorboard")
def test_without_the_package_one_sentence_before_anything_begins(paintings: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the package tensorboard") as caught:
        check_tensorboard()
    assert "pip install 'artgan[tensorboard]'" in caught.value.hint
    for words in (["train", str(paintings)], ["resume", "0"]):
        result = CliRunner().invoke(app, [*words, "--tensorboard", "--runs", str(tmp_path / "runs")])
        assert result.exit_code == 2
        assert "--tensorboard needs the package tensorboard." in result.stderr
    assert list(tmp_path.iterdir()) == [paintings]


def test_the_flag(paintings: Path, tmp_path: Path) -> None:
    tiny = ["--resolution", "8", "--batch", "4", "--kimg", "0.004", "--set", "model.base_channels=4"]
    result = CliRunner().invoke(
        app, ["train", str(paintings), *tiny, "--tensorboard", "--runs", str(tmp_path / "runs")]
    )
    assert result.exit_code == 0, result.stderr
    assert [event.step for event in read(Path(result.stdout.strip()) / "tensorboard").Images("preview")] == [0, 4]
