"""Network bending: what each operation does to maps, that nothing stays behind, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import artgan
from artgan.engine.images import read_recipe
from artgan.errors import UsageError
from artgan.latent.bending import Bend, Bent, bent, parse_bends
from artgan.latent.sliders import Range
from artgan.models.anatomy import Layer, layers_of
from artgan.models.trained import LoadedGenerator, load
from tests.generators import untrained_run

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("plain"), z_dim=8)


@pytest.fixture(scope="module")
def model(run: Path) -> LoadedGenerator:
    return load(run)


def done(
    op: str, value: float, maps: torch.Tensor, units: tuple[int, ...] | None = None, seed: int = 0
) -> torch.Tensor:
    bend = Bend("", Layer("8", "", tuple(maps.shape[1:])), op, Range(value, value), units)
    return bent(maps, bend, 0, torch.zeros(len(maps)), [seed] * len(maps))


MAPS = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(1))


def test_operations_are_what_they_are_called() -> None:
    assert torch.equal(done("gain", -2, MAPS), -2 * MAPS)
    assert torch.equal(done("ablate", 0, MAPS, (1,))[:, 1], torch.zeros(2, 8, 6))
    assert torch.equal(done("ablate", 0, MAPS, (1,))[:, [0, 2]], MAPS[:, [0, 2]])
    assert torch.equal(done("threshold", 0.5, MAPS), (MAPS >= 0.5).float())
    for op, neutral in (("scale", 1), ("rotate", 0), ("rotate", 360), ("shift-x", 0), ("shift-y", 0)):
        assert torch.allclose(done(op, neutral, MAPS), MAPS, atol=1e-4), op
    assert torch.allclose(done("rotate", 180, MAPS), MAPS.flip(2, 3), atol=1e-4)
    square = MAPS[:, :, :6]
    assert torch.allclose(done("rotate", 90, square), square.rot90(-1, (2, 3)), atol=1e-4)  # clockwise
    assert torch.allclose(done("shift-x", 0.5, MAPS)[..., 3:], MAPS[..., :3], atol=1e-4)  # to the right
    assert torch.allclose(done("shift-y", 0.25, MAPS)[:, :, 2:], MAPS[:, :, :6], atol=1e-4)  # downwards
    spot = torch.zeros(1, 1, 9, 9)
    spot[0, 0, 3:6, 3:6] = 1
    assert done("scale", 2, spot).sum() == pytest.approx(4 * 9, abs=1)


def test_noise_is_as_strong_as_it_says_and_belongs_to_the_seed() -> None:
    maps = 3 * torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(2))
    added = done("noise", 0.5, maps) - maps
    assert added.std() == pytest.approx(1.5, rel=0.05)
    assert torch.equal(done("noise", 0.5, maps), done("noise", 0.5, maps))
    assert not torch.equal(done("noise", 0.5, maps, seed=1), done("noise", 0.5, maps))


def test_values_go_from_start_to_end() -> None:
    bend = Bend("", Layer("8", "", (3, 8, 6)), "gain", Range(1, 3), None)
    assert torch.equal(bent(MAPS, bend, 0, torch.tensor([0.0, 0.5]), [0, 0]), torch.stack([MAPS[0], 2 * MAPS[1]]))


def test_a_bent_network_leaves_the_model_as_it_was(model: LoadedGenerator) -> None:
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(0)).expand(3, -1)
    bends = parse_bends(["4:gain=2", "8:noise=1"], model)
    with torch.no_grad():
        before = model.network(z)
        network = Bent(model.network, bends, [5, 6])
        carried = torch.cat([z, torch.zeros(3, 1), torch.tensor([[0.0], [1.0], [0.0]])], 1)
        changed = network(carried)
        assert torch.equal(model.network(z), before)
    assert not torch.allclose(changed, before, atol=1e-3)
    assert torch.equal(changed[0], changed[2])  # both have the noise of seed 5
    assert not torch.equal(changed[0], changed[1])


def test_layers_are_named_by_their_sides(model: LoadedGenerator) -> None:
    assert [layer.name for layer in layers_of(model)] == ["4", "8"]
    assert [layer.shape[1:] for layer in layers_of(model)] == [(4, 4), (8, 8)]


@pytest.mark.parametrize(
    ("text", "named", "hint"),
    [
        ("16:scale=2", "there is no layer '16'", "There are 4, 8; the nearest is 8."),
        ("5px:scale=2", "there is no layer '5px'", "the nearest is 4"),
        ("conv:scale=2", "there is no layer 'conv'", "There are 4, 8."),
        ("8:skale=2", "there is no operation 'skale'", "Did you mean scale?"),
        ("8:dance=2", "there is no operation 'dance'", "There are scale, rotate"),
        ("8:scale=big", "'big' is no number", "LAYER:OP=VALUE"),
        ("8:scale=nan", "'nan' is no number", "LAYER:OP=VALUE"),
        ("8:scale=0", "out of range", "scale takes 0.05 to 20"),
        ("8:scale=1..2", "only a walk moves", "LAYER:OP=VALUE"),
        ("8:ablate=9", "layer 8 has no unit 9", "0 to 7"),
        ("8:gain=2@99", "layer 8 has no unit 99", "0 to 7"),
        ("8:gain=2@-", "is no list of units", "LAYER:OP=VALUE"),
        ("8:ablate=1@2", "names units twice", "8:ablate=3,17"),
        ("8", "is no bend", "LAYER:OP=VALUE"),
    ],
)
def test_bad_bends_are_refused(model: LoadedGenerator, text: str, named: str, hint: str) -> None:
    with pytest.raises(UsageError, match="--bend") as caught:
        parse_bends([text], model)
    assert named in caught.value.message
    assert hint in caught.value.hint


def test_a_bent_picture_is_the_same_in_any_company_and_is_made_again(run: Path, tmp_path: Path) -> None:
    bends = ["8:noise=0.5", "4:rotate=20@0-3"]
    many = artgan.sample(run, seeds="3-20", bends=bends, out=tmp_path / "many").files
    (alone,) = artgan.sample(run, seeds="5", bends=bends, out=tmp_path / "one.png").files
    (plain,) = artgan.sample(run, seeds="5", out=tmp_path / "plain.png").files
    pixels = [np.asarray(Image.open(file)) for file in (many[2], alone, plain)]
    assert np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[1], pixels[2])
    recipe = read_recipe(alone)
    assert recipe["bends"] == bends
    assert recipe["command"].endswith("--bend 8:noise=0.5 --bend 4:rotate=20@0-3")
    assert artgan.again(alone, tmp_path / "again.png", runs_dir=run.parent).read_bytes() == alone.read_bytes()
