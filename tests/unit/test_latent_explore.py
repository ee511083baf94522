"""Directions: what is found in a generator whose directions are known, their order, their names, and their use."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import artgan
from artgan.engine.images import read_recipe
from artgan.errors import CheckpointError, Interrupted, UsageError
from artgan.latent import directions, explore
from artgan.latent.directions import Found, principal, sefa
from artgan.latent.explore import ExploreResult, _Look, distinct
from artgan.latent.latents import latents_from
from artgan.latent.sliders import known_directions
from artgan.latent.steering import Sliders
from artgan.models import dcgan, mlp, painter
from artgan.models.directions import read_directions, write_directions
from artgan.models.trained import LoadedGenerator, load
from tests.generators import untrained_run

pytestmark = pytest.mark.usefixtures("one_thread")
SHAPE, Z_DIM = (3, 16, 16), 6


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directions, "_FITTED", 128)
    monkeypatch.setattr(directions, "_MEASURED", 64)
    monkeypatch.setattr(explore, "_LOOKED", 2)
    monkeypatch.setattr(explore, "_RANDOM", 1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> LoadedGenerator:
    return load(untrained_run(tmp_path_factory.mktemp("plain"), z_dim=Z_DIM))


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> ExploreResult:
    """The result of exploring a run once, for all tests."""
    home = untrained_run(tmp_path_factory.mktemp("explored"), ("apple", "pear"), z_dim=Z_DIM)
    with pytest.MonkeyPatch.context() as monkeypatch:
        hurry(monkeypatch)
        return artgan.explore(home, num=2, seeds="0-1")


@pytest.fixture
def run(explored: ExploreResult, tmp_path: Path) -> Path:
    """A copy of that run, in which nothing was found yet."""
    home = explored.page.parents[1]
    shutil.copytree(home, tmp_path / "runs" / home.name)
    shutil.rmtree(tmp_path / "runs" / home.name / "explore")
    return tmp_path / "runs" / home.name


@pytest.fixture
def found(explored: ExploreResult, run: Path) -> ExploreResult:
    """What was found, in the copy as well."""
    shutil.copytree(explored.page.parent, run / "explore")
    return explored


def with_network(model: LoadedGenerator, network: nn.Module) -> LoadedGenerator:
    return LoadedGenerator(**{**vars(model), "network": network.eval()})


def leads(network: nn.Module, axis: int) -> None:
    """Let one number of the latent drive the first layer of a network, ten times as much as the others do."""
    first = network.first if isinstance(network, painter.Generator) else network.layers[0]  # type: ignore[index]
    assert isinstance(first, nn.Linear | nn.ConvTranspose2d)
    column = first.weight.data[:, axis] if isinstance(first, nn.Linear) else first.weight.data[axis]
    column.mul_(10)


@pytest.mark.parametrize("kind", [dcgan.Generator, mlp.Generator, painter.Generator])
def test_sefa_finds_the_number_that_drives_the_first_layer(plain: LoadedGenerator, kind: type[nn.Module]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = kind(SHAPE, Z_DIM, 0, 8, 32, 0)
    leads(network, 4)
    first = sefa(with_network(plain, network), 2, [None])[0]
    assert abs(float(first.vector[4])) > 0.95
    assert first.vector.norm() == pytest.approx(1)


def test_batch_norm_is_folded_in(plain: LoadedGenerator) -> None:
    """What a wide spread divides away again does not count; what a gain multiplies does."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = dcgan.Generator(SHAPE, Z_DIM, 0, 8, 32, 0)
    first, norm = network.layers[0], network.layers[1]
    assert isinstance(first, nn.ConvTranspose2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    first.weight.data.mul_(0.01)
    first.weight.data[2, 0] = 1.0  # number 2 drives unit 0, whose spread is as large
    first.weight.data[5, 1] = 0.2  # number 5 drives unit 1
    norm.running_var[0] = 100.0
    assert abs(float(sefa(with_network(plain, network), 1, [None])[0].vector[5])) > 0.99
    norm.weight.data[0] = 100.0
    assert abs(float(sefa(with_network(plain, network), 1, [None])[0].vector[2])) > 0.99


def test_principal_axes_explain_more_than_random_directions(plain: LoadedGenerator) -> None:
    network = dcgan.Generator(SHAPE, Z_DIM, 0, 8, 32, 0)
    leads(network, 3)
    before = torch.random.get_rng_state()
    axes, variance = principal(with_network(plain, network), 1, [None])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert abs(float(axes[0].vector[3])) > 0.9
    assert variance.share > 0.5
    assert variance.share > 3 * variance.random
    again, same = principal(with_network(plain, network), 1, [None])
    assert torch.allclose(again[0].vector, axes[0].vector, atol=1e-5)  # BLAS rounds by where memory lies
    assert same.share == pytest.approx(variance.share, abs=1e-5)


def test_near_duplicates_are_left_out() -> None:
    def look(vector: list[float], change: list[float]) -> _Look:
        nothing = torch.zeros(1)
        unit, changed = (F.normalize(torch.tensor(row, dtype=torch.float32), dim=0) for row in (vector, change))
        return _Look(Found(unit, ""), 1.0, changed, nothing, nothing)

    looks = [
        look([1, 0, 0], [1, 0, 0]),
        look([-1, 0.1, 0], [0, 1, 0]),  # the same direction turned around
        look([0, 1, 0], [1, 0.1, 0]),  # another one that changes the same
        look([0, 1, 1], [0, 0, 1]),
        look([1, 0, -1], [0, 1, 0]),
    ]
    assert [*map(id, distinct(looks, 9))] == [id(looks[0]), id(looks[3]), id(looks[4])]
    assert [*map(id, distinct(looks, 2))] == [id(looks[0]), id(looks[3])]


def test_exploring_writes_a_page_a_sheet_and_what_was_found(run: Path, found: ExploreResult) -> None:
    assert found.page.parts[-3:] == (run.name, "explore", "explore.html")
    assert 1 <= len(found.directions) <= 2
    effects = [one.effect for one in found.directions]
    assert effects == sorted(effects, reverse=True)
    for one in found.directions:
        assert one.vector.norm() == pytest.approx(1, abs=1e-5)
        assert not one.effects[0].strong or one.effects[0].change > 0
    told = json.loads((run / "explore" / "found.json").read_text())
    assert [row["z"] for row in told["directions"]] == [one.vector.tolist() for one in found.directions]
    page = found.page.read_text()
    assert page.count("data:image/png") == 2 * len(found.directions)
    assert "artgan explore name 1 " in page
    with Image.open(found.sheet) as sheet:
        assert sheet.size == (28 + 2 + 2 * 7 * 18, 2 + 18 * len(found.directions))
    assert read_recipe(found.sheet)["kind"] == "explore"
    again = artgan.explore(run, num=2, seeds="0-1")
    assert all(
        torch.allclose(a.vector, b.vector, atol=1e-4) for a, b in zip(found.directions, again.directions, strict=True)
    )


def test_a_name_and_a_number_move_pictures_alike(run: Path, found: ExploreResult, tmp_path: Path) -> None:
    assert artgan.name_direction(1, "warmth", run) == run
    assert artgan.list_directions(run) == {"warmth": 1}
    ways: list[Sliders] = ["warmth=2", ["1=2"], {"warmth": 2.0}, "warmth=-2", ()]
    files = [
        artgan.sample(run, seeds="3", class_name="pear", sliders=asked, out=tmp_path / f"{place}.png").files[0]
        for place, asked in enumerate(ways)
    ]
    pixels = [np.asarray(Image.open(file)) for file in files]
    assert np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(pixels[0], pixels[2])
    assert not np.array_equal(pixels[0], pixels[3])
    assert not np.array_equal(pixels[0], pixels[4])
    drawn = artgan.Generator.load(run).render(
        artgan.engine.seeds.latents((3,), Z_DIM) + 2 * found.directions[0].vector, "pear"
    )
    assert np.array_equal(((drawn[0].numpy().clip(-1, 1) + 1) * 127.5).round().transpose(1, 2, 0), pixels[0])


def test_a_picture_is_made_again_when_its_slider_is_gone(run: Path, found: ExploreResult, tmp_path: Path) -> None:
    artgan.name_direction(1, "warmth", run)
    (first,) = artgan.sample(run, seeds="3", class_name="pear", sliders="warmth=2", out=tmp_path / "a.png").files
    bred = artgan.breed(["pear:3", "apple:4"], run, children=1, sliders="warmth=2", out=tmp_path / "bred")
    artgan.forget_direction("warmth", run)
    (run / "explore" / "found.json").unlink()
    assert artgan.list_directions(run) == {}
    for made in (first, bred.files[0]):
        assert (
            artgan.again(made, tmp_path / "again.png", overwrite=True, runs_dir=run.parent).read_bytes()
            == made.read_bytes()
        )
    assert read_recipe(first)["command"].endswith("--slider warmth=2")
    assert read_recipe(bred.sheet)["command"].endswith("--slider warmth=2")
    (parent,) = latents_from([first], load(run))
    moved = artgan.engine.seeds.latents((3,), Z_DIM)[0] + 2 * found.directions[0].vector
    assert np.allclose(parent.z, moved, atol=1e-6)


def test_children_are_moved_and_parents_are_not(run: Path, found: ExploreResult, tmp_path: Path) -> None:
    words = ["pear:3", "apple:4"]
    plain, moved = (
        read_recipe(artgan.breed(words, run, children=2, sliders=asked, out=tmp_path / name).sheet)["latents"]
        for asked, name in (((), "plain"), ("1=2", "moved"))
    )
    steps = np.array([b["z"] for b in moved]) - np.array([a["z"] for a in plain])
    assert np.allclose(steps[:2], 0)
    assert np.allclose(steps[2:], 2 * found.directions[0].vector.numpy(), atol=1e-5)


def test_a_walk_goes_there_and_back(run: Path, found: ExploreResult, tmp_path: Path) -> None:
    def frames(name: str, **asked: object) -> list[np.ndarray]:
        artgan.walk(tmp_path / name, run=run, frames=8, class_name="pear", **asked)  # type: ignore[arg-type]
        return [np.asarray(Image.open(file)) for file in sorted((tmp_path / name).iterdir())]

    def sampled(value: float) -> np.ndarray:
        out = tmp_path / "at.png"
        artgan.sample(run, seeds="0", class_name="pear", sliders={"1": value}, out=out, overwrite=True)
        return np.asarray(Image.open(out))

    swing = frames("swing", sliders="1")
    for place, value in ((0, 0), (2, 3), (4, 0), (6, -3)):
        assert np.abs(swing[place].astype(int) - sampled(value)).max() <= 1, place
    there = frames("there", sliders="1=-1..2")
    assert np.abs(there[0].astype(int) - sampled(-1)).max() <= 1
    assert np.abs(there[4].astype(int) - sampled(2)).max() <= 1
    assert np.array_equal(there[1], there[7])
    once = frames("once", sliders="1=-1..2", loop=False)
    assert np.abs(once[7].astype(int) - sampled(2)).max() <= 1
    bend = frames("bend", bends=["4:rotate=0..90"])
    assert np.array_equal(bend[0], sampled(0))
    assert not np.array_equal(bend[4], bend[0])
    assert np.array_equal(bend[1], bend[7])
    still = frames("still", sliders="1=2", keys=["pear:0", "pear:5"])
    assert np.array_equal(still[0], sampled(2))


def test_wrong_sliders_are_refused(run: Path, found: ExploreResult, tmp_path: Path) -> None:
    artgan.name_direction(1, "warmth", run)
    for asked, named, hint in [
        ("warmht=2", "no slider 'warmht'", "Did you mean 'warmth'?"),
        ("zzz=2", "no slider 'zzz'", "There are: warmth"),
        ("99=2", "no slider '99'", "There are"),
        ("warmth", "that is no number", "NAME=VALUE"),
        ("warmth=hot", "that is no number", "NAME=VALUE"),
        ("warmth=inf", "that is no number", "NAME=VALUE"),
        ("warmth=1e6", "beyond 100", "useful range"),
        ("warmth=1..2", "only a walk moves", "NAME=VALUE"),
        ("warmth=1,warmth=2", "given twice", "one value"),
        ("=1", "names no slider", "NAME=VALUE"),
    ]:
        with pytest.raises(UsageError, match="slider") as caught:
            artgan.sample(run, seeds="0", sliders=asked, out=tmp_path / "no.png")
        assert named in caught.value.message, asked
        assert hint in caught.value.hint, asked
    assert not (tmp_path / "no.png").exists()


def test_wrong_names_are_refused(run: Path) -> None:
    with pytest.raises(CheckpointError, match="Nothing was found"):
        artgan.name_direction(1, "warmth", run)
    artgan.explore(run, num=1, seeds="0")
    for name in ("3", "", "a=b", "a,b", "x" * 81, "\x1b[2J"):
        with pytest.raises(UsageError, match="no name for a slider"):
            artgan.name_direction(1, name, run)
    with pytest.raises(UsageError, match="no direction 2"):
        artgan.name_direction(2, "warmth", run)
    with pytest.raises(UsageError, match="no slider 'cold', nor any other"):
        artgan.forget_direction("cold", run)


def test_what_another_run_found_is_no_slider_here(run: Path, found: ExploreResult) -> None:
    told = json.loads((run / "explore" / "found.json").read_text())
    (run / "explore" / "found.json").write_text(json.dumps({**told, "run": "00009-other"}))
    assert known_directions(load(run)) == {}
    (run / "explore" / "found.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"found\.json is damaged"):
        artgan.sample(run, seeds="0", sliders="1=2")
    write_directions(run, {"odd": torch.ones(3)})
    (run / "explore" / "found.json").unlink()
    with pytest.raises(CheckpointError, match="'odd'"):
        artgan.sample(run, seeds="0", sliders="odd=2")
    assert [*read_directions(run)] == ["odd"]


def test_bad_explorations_are_refused(run: Path, tmp_path: Path) -> None:
    for asked, named in [
        ({"num": 0}, "--num 0"),
        ({"num": 65}, "--num 65"),
        ({"seeds": "0-12"}, "13 seeds"),
        ({"seeds": []}, "0 seeds"),
        ({"class_name": "kiwi"}, "no class 'kiwi'"),
    ]:
        with pytest.raises(UsageError, match=named):
            artgan.explore(run, **asked)  # type: ignore[arg-type]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sheet.png").touch()
    with pytest.raises(UsageError, match=r"sheet\.png exists"):
        artgan.explore(run, out=tmp_path / "out")
    with pytest.raises(Interrupted, match="Stopped"):
        artgan.explore(run, should_stop=lambda: True)
    assert not (run / "explore").exists()


def test_an_unconditional_model_is_not_asked_for_classes(plain: LoadedGenerator) -> None:
    with pytest.raises(UsageError, match="trained without classes"):
        artgan.explore(plain.home, class_name="pear")


def test_a_collapsed_model_has_no_directions(plain: LoadedGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    network = dcgan.Generator(SHAPE, Z_DIM, 0, 8, 32, 0)
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            module.weight.data.zero_()
    monkeypatch.setattr(explore, "load", lambda *_, **__: with_network(plain, network))
    with pytest.raises(CheckpointError, match="nearly the same picture"):
        artgan.explore(plain.home, num=2)
    assert not (plain.home / "explore").exists()
