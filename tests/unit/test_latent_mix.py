"""Mixing: whose layers are where, what identical models give, who is a relative, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import artgan
from artgan.engine.checkpoint import GeneratorFile, generator_bytes
from artgan.engine.tensors import read_tensors
from artgan.errors import CheckpointError, UsageError
from artgan.latent.mix import kin, mixed, settled, strangers
from artgan.models import build_generator
from artgan.models.trained import LoadedGenerator, load
from artgan.presets import resolve
from tests.generators import untrained_run

pytestmark = pytest.mark.usefixtures("one_thread")
Z_DIM = 8


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("runs"), ("apple", "pear"), z_dim=Z_DIM)


@pytest.fixture
def a(home: Path) -> LoadedGenerator:
    return load(home)


def shaken(model: LoadedGenerator, by: float, seed: int = 0) -> LoadedGenerator:
    """The same model with other weights: by 0.1 a relative, by 100 a stranger."""
    other = load(model.home)
    generator = torch.Generator().manual_seed(seed)
    for parameter in other.network.parameters():
        parameter.data += by * parameter.std() * torch.randn(parameter.shape, generator=generator)
    return other


def written(model: LoadedGenerator, path: Path) -> Path:
    settings = {**model.settings.model_dump(mode="json"), "shape": [3, 16, 16]}
    path.write_bytes(generator_bytes(GeneratorFile(model.network.state_dict(), settings, model.classes, 64, path.stem)))
    return path


def test_coarse_layers_stay_and_fine_ones_come_from_the_other(a: LoadedGenerator) -> None:
    b = shaken(a, 0.1)
    ours, theirs = a.network.state_dict(), b.network.state_dict()
    found, share = mixed(a, b, 8, 1.0)
    origin = {name: "b" if torch.equal(found[name], theirs[name]) else "a" for name in found if "weight" in name}
    # 4 px, 8 px and the picture of 16 px, with the norms that follow
    expected = {"layers.0": "a", "layers.1": "a", "layers.3": "a", "layers.4": "a", "layers.6": "b"}
    assert {name.removesuffix(".weight"): each for name, each in origin.items() if "layers" in name} == expected
    assert origin["class_latent.embedding.weight"] == "a"
    assert 0 < share < 0.5
    half, _ = mixed(a, b, None, 0.5)
    name = "layers.3.weight"
    assert torch.allclose(half[name], (ours[name] + theirs[name]) / 2)


def test_painters_are_cut_where_their_levels_are(tmp_path: Path) -> None:
    settings = resolve(None, {"model.name": "painter", "data.resolution": 32, "model.base_channels": 4})
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks.append(build_generator(settings.model, (3, 32, 32), 0).eval())
    models = []
    for place, network in enumerate(networks):
        path = tmp_path / f"{place}.safetensors"
        values = {**settings.model_dump(mode="json"), "shape": [3, 32, 32]}
        path.write_bytes(generator_bytes(GeneratorFile(network.state_dict(), values, (), 64, f"r{place}")))
        models.append(load(path))
    found, _ = mixed(models[0], models[1], 8, 1.0)
    theirs = models[1].network.state_dict()
    swapped = {name for name in found if name.endswith("weight") and torch.equal(found[name], theirs[name])}
    fine = ("doublings.1.", "last.", "grain.")
    assert swapped - {"grain.weight"} == {
        name for name in found if name.endswith("weight") and name.startswith(fine) and "grain" not in name
    }
    assert len(swapped) >= 5


@pytest.mark.parametrize("asked", [{"at": 4}, {"amount": 0.3}, {"at": 8, "amount": 0.0}])
def test_a_model_mixed_with_itself_is_itself(home: Path, tmp_path: Path, asked: dict[str, float]) -> None:
    result = artgan.mix(home, home, **asked, out=tmp_path / "m.safetensors")  # type: ignore[arg-type]
    model, made = load(home), load(result.file)
    assert result.kinship == pytest.approx(1)
    for name, tensor in made.network.state_dict().items():
        if not name.endswith(("running_mean", "running_var")):
            assert torch.allclose(tensor, model.network.state_dict()[name], atol=1e-6), name
    assert made.classes == model.classes
    assert made.run == "m"


def test_statistics_are_those_of_the_mixture(a: LoadedGenerator) -> None:
    tensors, _ = mixed(a, shaken(a, 0.3), 4, 1.0)
    found = settled(a, tensors)
    changed = [name for name in tensors if not torch.equal(tensors[name], found[name])]
    assert changed
    assert all(name.endswith(("running_mean", "running_var")) for name in changed)
    mixture = load(a.home)
    mixture.network.load_state_dict(found)
    seen: list[torch.Tensor] = []
    mixture.network.get_submodule("layers.4").register_forward_hook(lambda module, given, out: seen.append(out.clone()))
    with torch.no_grad():
        z = torch.randn(512, Z_DIM, generator=torch.Generator().manual_seed(9))
        mixture.network(z, torch.arange(512) % 2)
    norm = mixture.network.get_submodule("layers.4")
    plain = (seen[0] - norm.bias[None, :, None, None]) / norm.weight[None, :, None, None]  # type: ignore[index]
    assert plain.detach().std((0, 2, 3)).mean().item() == pytest.approx(1, abs=0.1)


def test_the_file_is_drawn_from_and_says_what_it_was_mixed_of(a: LoadedGenerator, tmp_path: Path) -> None:
    other = written(shaken(a, 0.1), tmp_path / "relative.safetensors")
    artgan_mix = artgan.mix(a.home, other, at="4", out=tmp_path / "m.safetensors")
    assert artgan_mix.kinship > 0.9
    _, header = read_tensors(artgan_mix.file)
    told = json.loads(header["mixed"])
    assert told == {"of": [a.run, "relative"], "nimg": [64, 64], "at": "4", "amount": 1.0}
    artgan.sample(artgan_mix.file, seeds="0", class_name="pear", out=tmp_path / "p.png")
    first = artgan_mix.file.read_bytes()
    artgan.mix(a.home, other, at="4", out=tmp_path / "m.safetensors", overwrite=True)
    assert read_tensors(artgan_mix.file)[1] == header
    assert len(artgan_mix.file.read_bytes()) == len(first)


def test_strangers_are_refused(a: LoadedGenerator, tmp_path: Path) -> None:
    stranger = written(shaken(a, 100), tmp_path / "stranger.safetensors")
    assert abs(kin(a, load(stranger))) < 0.2
    with pytest.raises(CheckpointError, match="are strangers") as caught:
        artgan.mix(a.home, stranger, at=4, out=tmp_path / "m.safetensors")
    assert "--from" in caught.value.hint
    small = untrained_run(tmp_path / "runs", ("apple", "pear"), resolution=8, z_dim=Z_DIM)
    with pytest.raises(CheckpointError, match="built differently"):
        artgan.mix(a.home, small, out=tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_runs_that_began_apart_are_strangers_however_alike(a: LoadedGenerator, tmp_path: Path) -> None:
    """As two runs of one seed are."""
    for name, origin in (("one", None), ("two", None), ("child", "one"), ("sister", "one"), ("grandchild", "child")):
        shutil.copytree(a.home, tmp_path / name)
        info = {"data": {}, **({"from": {"run": origin, "path": str(tmp_path / origin)}} if origin else {})}
        (tmp_path / name / "run.json").write_text(json.dumps(info))
    assert strangers(tmp_path / "one", tmp_path / "two")
    for kindred in ("one", "child", "sister"):
        assert not strangers(tmp_path / kindred, tmp_path / "grandchild")
    with pytest.raises(CheckpointError, match="are strangers"):
        artgan.mix(tmp_path / "one", tmp_path / "two", at=4, out=tmp_path / "m.safetensors")
    artgan.mix(tmp_path / "one", tmp_path / "grandchild", at=4, out=tmp_path / "m.safetensors")
    shutil.rmtree(tmp_path / "one")
    assert not strangers(tmp_path / "child", tmp_path / "sister")
    assert not strangers(tmp_path / "child", tmp_path / "nowhere")  # a file without its run: the weights decide
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_text(json.dumps({"from": {"path": str(tmp_path / "child")}}))
    assert not strangers(tmp_path / "child", tmp_path / "one")  # a circle ends


def test_bad_mixtures_are_refused(home: Path, tmp_path: Path) -> None:
    for asked, named in [
        ({"at": 16}, "--at 16: there is no such layer"),
        ({"at": "x"}, "--at x: there is no such layer"),
        ({"amount": 1.5}, "--amount 1.5"),
        ({"amount": float("nan")}, "--amount nan"),
        ({"out": tmp_path / "m.png"}, "does not end in .safetensors"),
    ]:
        with pytest.raises(UsageError, match=named):
            artgan.mix(home, home, **{"out": tmp_path / "m.safetensors", **asked})  # type: ignore[arg-type, dict-item]
    (tmp_path / "m.safetensors").touch()
    with pytest.raises(UsageError, match="exists"):
        artgan.mix(home, home, out=tmp_path / "m.safetensors")
