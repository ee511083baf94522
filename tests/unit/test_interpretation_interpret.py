"""A whole look into small models: what is found, and what is said when something is not there."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import artgan
from artgan.errors import CheckpointError, Interrupted, UsageError
from artgan.interpretation.drawing import as_rgb, glowing, spotlit, strip, two_sided
from artgan.interpretation.draws import Working
from artgan.interpretation.likeness import compare
from artgan.interpretation.page import kimg
from tests.generators import untrained_run
from tests.interpreting import tiny_run

pytestmark = pytest.mark.usefixtures("one_thread")
NUM = 16


def test_all_questions_about_a_run_with_classes(class_folders: Path, tmp_path: Path) -> None:
    run = tiny_run(class_folders, tmp_path / "runs")
    events: list[Working] = []
    found = artgan.interpret(run, seeds="3,5", num=NUM, on_event=events.append)
    assert found.file == run / "interpret.html"
    assert found.file.is_file()
    assert found.missing == {}
    assert (found.run, found.nimg, found.samples) == (run.name, 16, NUM)
    assert [layer.name for layer in found.layers] == ["4 x 4"]
    assert found.attention is not None
    assert (found.attention.reals, found.attention.fakes) == (14, NUM)
    assert 0 <= found.attention.told_apart <= 1
    kinds = [one.kind for one in found.attention.judged]
    assert kinds == ["real"] * 6 + ["fake"] * 6 + ["most"] * 6 + ["least"] * 6
    by_kind = {kind: [one.logit for one in found.attention.judged if one.kind == kind] for kind in kinds}
    assert by_kind["most"] == sorted(by_kind["most"], reverse=True)
    assert by_kind["least"] == sorted(by_kind["least"])
    assert min(by_kind["most"]) >= max(by_kind["least"][:4])
    assert found.likeness is not None
    assert [one.title for one in found.likeness.samples] == ["seed 3, cats", "seed 5, dogs"]
    assert found.atlas is not None
    assert [(kind.name, kind.real) for kind in found.atlas.kinds] == [
        ("cats", 0.5714),
        ("dogs", 0.2857),
        ("owls", 0.1429),
    ]
    assert found.atlas.fakes + found.atlas.hidden == NUM
    assert found.skills is not None
    assert found.skills.nimg[0] == 0
    assert "classes" in {one.name for one in found.skills.skills}
    assert {event.part for event in events} >= {"Drawing samples", "Switching units off", "Asking the discriminator"}
    again = artgan.interpret(run, seeds="3,5", num=NUM)
    assert (again.layers, again.attention, again.atlas) == (found.layers, found.attention, found.atlas)

    one = artgan.interpret(run, tmp_path / "cats.html", num=NUM, class_name="cats")
    assert one.attention is not None
    assert one.attention.reals == 8
    assert one.likeness is not None
    assert all("cats" in sample.title for sample in one.likeness.samples)
    with pytest.raises(UsageError, match="There is no class 'lions'"):
        artgan.interpret(run, num=NUM, class_name="lions")
    with pytest.raises(UsageError, match=r"cats\.html exists"):
        artgan.interpret(run, tmp_path / "cats.html", num=NUM)


@pytest.mark.parametrize("channels", ["grey", "rgba"])
def test_pictures_that_are_no_squares_nor_rgb(paintings: Path, tmp_path: Path, channels: str) -> None:
    run = tiny_run(paintings, tmp_path / "runs", data__shape="16x8", data__channels=channels)
    found = artgan.interpret(run, num=NUM)
    assert found.missing == {}
    assert found.layers[0].name == "8 x 4"
    assert found.atlas is not None
    assert not found.atlas.named
    with pytest.raises(UsageError, match="this model was trained without classes"):
        artgan.interpret(run, num=NUM, class_name="cats")


def test_without_the_training_pictures_the_rest_is_told(paintings: Path, tmp_path: Path) -> None:
    run = tiny_run(paintings, tmp_path / "runs")
    paintings.rename(tmp_path / "elsewhere")
    found = artgan.interpret(run, num=NUM)
    assert set(found.missing) == {"attention", "likeness"}
    assert all("no longer at" in reason for reason in found.missing.values())
    assert found.atlas is not None
    assert (found.atlas.reals, found.atlas.fakes) == (0, NUM)
    assert found.skills is not None
    assert "This part is missing. The pictures of" in found.file.read_text()


def test_a_file_alone_tells_of_units_and_the_map(tmp_path: Path) -> None:
    run = untrained_run(tmp_path / "runs", texts=("red apple", "green pear"))
    alone = shutil.copy(run / "checkpoints" / "000000064" / "generator.safetensors", tmp_path / "shared.safetensors")
    found = artgan.interpret(alone, num=NUM)
    assert found.file == tmp_path / "interpret.html"
    assert set(found.missing) == {"attention", "likeness", "skills"}
    assert [layer.name for layer in found.layers] == ["4 x 4", "8 x 8"]
    assert found.atlas is not None
    assert "seed 0, red apple" in found.file.read_text()


def test_a_run_without_checkpoints_is_refused(paintings: Path, tmp_path: Path) -> None:
    run = tiny_run(paintings, tmp_path / "runs")
    for folder in (run / "checkpoints").iterdir():
        shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        artgan.interpret(run)
    for seeds, num in (("0-20", 20), ("0", 5), ("0", 5000)):
        with pytest.raises(UsageError, match="is not a number of samples"):
            artgan.interpret(run, seeds=seeds, num=num)


@pytest.mark.parametrize("part", ["Drawing samples", "Switching units off", "Looking at samples"])
def test_stopped_anywhere_it_writes_nothing(tmp_path: Path, part: str) -> None:
    run = untrained_run(tmp_path / "runs", resolution=16)
    before = {*run.iterdir()}
    seen: list[str] = []
    with pytest.raises(Interrupted):
        artgan.interpret(run, num=NUM, on_event=lambda event: seen.append(event.part), should_stop=lambda: part in seen)
    assert {*run.iterdir()} == before


def test_a_copy_is_flagged_and_a_kind_without_samples_named() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(60, 8, generator=generator), 30 + torch.randn(40, 8, generator=generator)])
    fake = torch.randn(20, 8, generator=generator)
    fake[7] = real[11] + 1e-4
    titles = [f"seed {number}" for number in range(20)], [f"picture {number}" for number in range(100)]
    found = compare(fake, titles[0], real, titles[1], asked=3)
    assert [one.title for one in found.samples] == ["seed 0", "seed 1", "seed 2"]
    assert (found.closest[0].title, found.closest[0].copy) == ("seed 7", True)
    assert found.closest[0].neighbours[0].title == "picture 11"
    assert found.closest[0].neighbours[0].distance < 0.01
    assert [near.distance for near in found.closest[1].neighbours] == sorted(
        near.distance for near in found.closest[1].neighbours
    )
    assert found.copied == pytest.approx(0.05)
    assert found.reached < found.kinds
    assert all(place >= 60 for _, place in found.missing)


def test_what_is_strong_glows_and_the_rest_is_pale() -> None:
    picture = torch.zeros(3, 8, 8)
    picture[0] = 1
    values = torch.zeros(8, 8)
    values[:, 4:] = 1
    for drawn in (glowing(picture, values), two_sided(picture, values, 1.0), spotlit(picture, values)):
        left, right = drawn[4, 1].astype(int), drawn[4, 6].astype(int)
        assert np.ptp(left) < 3  # grey
        assert np.ptp(right) > 60
    assert (spotlit(picture, values)[4, 7] == as_rgb(picture)[4, 7]).all()
    against = two_sided(picture, -values, 1.0)[4, 6].astype(int)
    assert against[2] > against[0]  # blue
    assert np.ptp(glowing(picture, torch.zeros(8, 8)).astype(int), axis=2).max() < 3
    assert strip([as_rgb(picture)] * 3).shape == (8, 3 * 8 + 2 * 2, 4)
    assert max(as_rgb(torch.zeros(1, 512, 256)).shape) == 128


def test_kimg_in_words() -> None:
    assert [kimg(nimg) for nimg in (0, 512, 2016, 40_000, 1_234_567)] == ["0", "0.51", "2", "40", "1,235"]


def test_a_page_holds_no_markup_of_the_users(class_folders: Path, tmp_path: Path) -> None:
    (class_folders / "cats").rename(class_folders / "<b>cats")
    run = tiny_run(class_folders, tmp_path / "runs")
    page = artgan.interpret(run, num=NUM).file.read_text()
    assert "<b>cats" not in page
    assert "&lt;b&gt;cats" in page
