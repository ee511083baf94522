"""Pictures find their latents: a model's own come back, others as near as it can paint, broken ones stop nobody."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import artgan
from artgan.engine.device import Engine
from artgan.engine.images import read_recipe
from artgan.errors import ArtganError, CheckpointError, DatasetError, Interrupted, UsageError
from artgan.latent.latents import draw, latents_from
from artgan.latent.likeness import Likeness
from artgan.latent.project import FAR, finder
from artgan.latent.projector import Projector
from artgan.models.trained import LoadedGenerator
from tests.conftest import painted
from tests.generators import untrained_run
from tests.painting import pixels

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("apple", "pear", "plum")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedGenerator:
    """A model without classes, in runs/00000-tiny; the working folder is empty but for runs."""
    monkeypatch.chdir(tmp_path)
    return artgan.load(untrained_run(Path("runs")))


def test_nine_of_ten_own_samples_come_back(model: LoadedGenerator) -> None:
    """To within a twentieth of the distance between two of them, after an eighth of the usual steps."""
    projector = Projector(model, steps=25)
    own = draw(model, latents_from(["1000-1009"], model))
    found = [projector.find(picture, "x") for picture in own]
    assert sum(distance < 0.05 for _, distance in found) >= 9
    painted_again = draw(model, [latent for latent, _ in found])
    errors = (painted_again - own).abs().mean((1, 2, 3))
    strangers = (own - own.roll(1, 0)).abs().mean((1, 2, 3))
    assert sum(errors < 0.1 * strangers) >= 9


def test_the_class_of_own_samples_is_found(tmp_path: Path) -> None:
    model = artgan.load(untrained_run(tmp_path, CLASSES))
    projector = Projector(model, steps=12)
    own = latents_from([f"{name}:{seed}" for seed in (50, 51) for name in CLASSES], model)
    found = [projector.find(picture, "x")[0].class_name for picture in draw(model, own)]
    assert sum(a == b.class_name for a, b in zip(found, own, strict=True)) >= 5
    given, _ = projector.find(draw(model, own[:1])[0], "x", "plum")
    assert given.class_name == "plum"
    with pytest.raises(UsageError, match="no class 'kiwi'"):
        projector.find(draw(model, own[:1])[0], "x", "kiwi")


def test_a_latent_stays_on_its_shell(model: LoadedGenerator) -> None:
    """Pure colours pull z far out: it stays as long as all but few draws are."""
    projector = Projector(model, steps=12)
    for value in (-1.0, 1.0):
        latent, _ = projector.find(torch.full((3, 16, 16), value), "x")
        assert abs(np.linalg.norm(latent.z) - np.sqrt(15.5)) < np.sqrt(2) + 1e-4


def test_a_picture_finds_the_same_latent_in_any_company_and_more_steps_come_nearer(model: LoadedGenerator) -> None:
    pictures = draw(model, latents_from(["70-71"], model))
    projector = Projector(model, steps=6)
    first, distance = projector.find(pictures[1], "x")
    projector.find(pictures[0], "x")
    again, _ = projector.find(pictures[1], "x")
    assert np.array_equal(first.z, again.z)
    assert np.array_equal(Projector(model, steps=6).find(pictures[1], "x")[0].z, first.z)
    assert not np.array_equal(Projector(model, steps=6, seed=1).find(pictures[1], "x")[0].z, first.z)
    assert Projector(model, steps=20).find(pictures[1], "x")[1] < distance


def test_even_one_step_is_no_worse_than_the_best_of_the_search(model: LoadedGenerator) -> None:
    picture = draw(model, latents_from(["70"], model))[0]
    projector = Projector(model, steps=1)
    _, distance = projector.find(picture, "x")
    best = float(projector._likeness.to(picture)(projector._samples).min())
    assert distance <= best * 1.1


@pytest.mark.parametrize(("size", "channels"), [((16, 16), 3), ((20, 16), 1), ((64, 48), 4), ((100, 80), 3)])
def test_likeness_is_a_distance_in_units_of_samples(size: tuple[int, int], channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(24, channels, 4, 4, generator=generator) * 2 - 1
    samples = F.interpolate(small, size, mode="bilinear")
    likeness = Likeness(Engine.detect("cpu", "float32"), samples)
    one = samples[0]
    to_one = likeness.to(one)
    assert to_one(one[None]).item() == pytest.approx(0, abs=1e-6)
    neighbours = [likeness.to(a)(b[None]).item() for a, b in zip(samples, samples.roll(1, 0), strict=True)]
    assert np.mean(neighbours) == pytest.approx(1, rel=1e-4)
    mixed = torch.stack([one + share * (samples[1] - one) for share in (0.1, 0.3, 0.6, 1.0)])
    nearer = to_one(mixed)
    assert (nearer.diff() > 0).all()
    assert nearer[-1].item() == pytest.approx(likeness.to(samples[1])(one[None]).item(), rel=1e-4)
    assert torch.allclose(to_one(mixed[2:3]), nearer[2], rtol=1e-4)
    moved = mixed[2:3].clone().requires_grad_()
    to_one(moved).sum().backward()
    assert moved.grad is not None
    with torch.no_grad():
        assert to_one(moved - 0.01 * moved.grad / moved.grad.abs().max()) < nearer[2]


def test_samples_that_are_all_alike_make_no_infinity() -> None:
    likeness = Likeness(Engine.detect("cpu", "float32"), torch.zeros(4, 3, 16, 16))
    assert likeness.to(torch.zeros(3, 16, 16))(torch.ones(1, 3, 16, 16)).isfinite().all()


def test_what_is_written_says_everything_and_is_a_latent_again(model: LoadedGenerator) -> None:
    painted(0, 40, 20).save("mine.jpg")
    result = artgan.project("mine.jpg", model.home, steps=8, seed=3, out="out")
    (one,) = result.pictures
    assert result.files == (Path("out/mine-projected.png"),)
    assert one.latent == Path("out/mine.npz")
    (kept,), (inside,) = latents_from([one.latent], model), latents_from([result.files[0]], model)
    assert np.array_equal(kept.z, inside.z)
    side_by_side = pixels(result.files[0])
    assert side_by_side.shape == (20, 38, 3)
    drawn = ((draw(model, [kept])[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(side_by_side[2:18, 20:36], drawn)
    # The largest middle part of what was given.
    with Image.open("mine.jpg") as opened:
        middle = np.asarray(opened.resize((16, 16), Image.Resampling.LANCZOS, (10, 0, 30, 20)))
    assert np.abs(side_by_side[2:18, 2:18].astype(int) - middle).mean() < 3
    recipe = read_recipe(result.files[0])
    assert recipe["command"] == f"artgan project mine.jpg --run {model.run} --steps 8 --seed 3"
    assert recipe["distance"] == one.distance
    assert artgan.breed([result.files[0], one.latent], model.home, children=1).parents == (
        "mine-projected.png",
        "mine.npz",
    )


def test_many_pictures_at_once_and_a_broken_one_is_named(model: LoadedGenerator) -> None:
    for seed in range(3):
        Path("photos/deep").mkdir(parents=True, exist_ok=True)
        painted(seed, 20, 20).save(f"photos/{'deep/' if seed == 2 else ''}{seed % 2}.png")
    Path("photos/bad.jpg").write_bytes(b"no picture")
    with zipfile.ZipFile("more.zip", "w") as archive:
        archive.write("photos/0.png", "zipped.png")
    events: list[Any] = []
    result = artgan.project(["photos", "more.zip"], model.home, steps=3, out="out", on_event=events.append)
    names = [path.name for path in Path("out").iterdir() if path.suffix == ".png"]
    assert sorted(names) == ["0-2-projected.png", "0-projected.png", "1-projected.png", "zipped-projected.png"]
    (bad,) = (one for one in result.pictures if one.sheet is None)
    assert bad.picture == Path("photos/bad.jpg")
    assert bad.reason == "photos/bad.jpg: not a picture."
    assert (events[-1].done, events[-1].total) == (15, 15)
    assert [event.done for event in events] == sorted(event.done for event in events)
    distances = {one.picture.name: one.distance for one in result.pictures}
    assert distances["zipped.png"] in [one.distance for one in result.pictures if one.picture.name == "0.png"]


def test_a_picture_far_from_the_models_world_is_told_from_its_own(model: LoadedGenerator) -> None:
    artgan.sample(model.home, seeds="33", out="own.png")
    # A mosaic of pure colours is like nothing that was learnt.
    colors = np.random.default_rng(0).integers(0, 2, (16, 16, 3)) * 255
    Image.fromarray(colors.astype(np.uint8)).save("noise.png")
    own, far = artgan.project(["own.png", "noise.png"], model.home, steps=25, out="out").pictures
    assert own.distance is not None
    assert far.distance is not None
    assert own.distance < 0.1
    assert not own.far
    assert far.distance > FAR
    assert far.far


@pytest.mark.parametrize("channels", ["grey", "rgba"])
def test_pictures_are_taken_in_the_models_own_channels(channels: str, tmp_path: Path) -> None:
    run = untrained_run(tmp_path, channels=channels)
    painted(0, 20, 20).save(tmp_path / "mine.png")
    (one,) = artgan.project(tmp_path / "mine.png", run, steps=2).pictures
    assert one.sheet == run / "projections" / "mine-projected.png"
    assert one.distance is not None
    assert 0 < one.distance < 100


def test_existing_files_are_kept_and_the_runs_own_replaced(model: LoadedGenerator) -> None:
    painted(0, 20, 20).save("mine.png")
    for _ in range(2):
        assert artgan.project("mine.png", model.home, steps=1).files
    for name in ("mine.npz", "mine-projected.png"):
        Path("out").mkdir()
        Path("out", name).write_bytes(b"precious")
        with pytest.raises(UsageError, match=f"{name} exists"):
            artgan.project("mine.png", model.home, steps=1, out="out")
        assert Path("out", name).read_bytes() == b"precious"
        artgan.project("mine.png", model.home, steps=1, out="out", overwrite=True)
        assert Path("out", name).read_bytes() != b"precious"
        shutil.rmtree("out")


def test_an_interruption_keeps_what_was_found(model: LoadedGenerator) -> None:
    for seed in range(2):
        painted(seed, 20, 20).save(f"{seed}.png")
    asked = iter(range(100))
    with pytest.raises(Interrupted):
        artgan.project(["0.png", "1.png"], model.home, steps=3, out="out", should_stop=lambda: next(asked) >= 4)
    assert sorted(path.name for path in Path("out").iterdir()) == ["0-projected.png", "0.npz"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"pictures": "gone.png"}, r"gone\.png does not exist"),
        ({"pictures": []}, "no picture to project"),
        ({"pictures": "empty"}, "no picture to project"),
        ({"pictures": "text.png"}, r"text\.png: not a picture"),
        ({"class_name": "pear"}, "without classes"),
        ({"steps": 0}, "--steps 0"),
        ({"steps": 100_001}, "--steps 100001"),
        ({"seed": -1}, "--seed -1"),
        ({"run": "nothing"}, "no run 'nothing'"),
    ],
)
def test_wrong_requests_are_sentences_and_write_nothing(
    model: LoadedGenerator, words: dict[str, Any], message: str
) -> None:
    painted(0, 20, 20).save("mine.png")
    Path("text.png").write_text("no picture")
    Path("empty").mkdir()
    with pytest.raises(ArtganError, match=message) as caught:
        artgan.project(**{"pictures": "mine.png", "run": model.home, "steps": 1, "out": "out", **words})
    assert caught.value.hint
    assert not Path("out").exists()


def test_a_model_of_numbers_that_are_none_is_refused(model: LoadedGenerator) -> None:
    next(model.network.parameters()).data.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="no numbers"):
        Projector(model)


def test_a_finder_says_which_picture_is_broken(model: LoadedGenerator) -> None:
    Path("text.png").write_text("no picture")
    with pytest.raises(DatasetError, match=r"text\.png: not a picture"):
        latents_from(["text.png"], model, project=finder(model))
