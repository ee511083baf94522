"""Feature networks: the same figures as the originals, in any company, whatever the size; and what is refused."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from artgan.engine import weights
from artgan.engine.device import Engine
from artgan.engine.vision import torch_fidelity, torchvision
from artgan.engine.weights import Weights
from artgan.errors import UsageError, WeightsError
from artgan.metrics.networks import FeatureNetwork, inception_network, open_network, trained_network
from artgan.models import encoder
from artgan.models.inception import Inception, resized
from artgan.models.vgg import DEVIATION, MEAN, VGG, random_vgg
from tests.bench.fid import random_extractor

Table = dict[str, torch.Tensor]
FLOAT32 = Engine.detect("cpu", "float32")


def pictures(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Blobs with a little grain: (count, 3, height, width), uint8."""
    draw = torch.Generator().manual_seed(seed)
    coarse = nn.functional.interpolate(torch.rand(count, 3, 5, 5, generator=draw), (height, width), mode="bilinear")
    grain = torch.rand(count, 3, height, width, generator=draw)
    return (coarse * 230 + grain * 25).to(torch.uint8)


def apart(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest distance of a row from the one wanted, by its length."""
    return float(((found - wanted).norm(dim=1) / wanted.norm(dim=1)).max())


@pytest.fixture(scope="module")
def original() -> Any:
    """torch-fidelity's own extractor with weights drawn here, batch norms that do something among them."""
    return random_extractor()


@pytest.fixture(scope="module")
def table(original: Any) -> Table:
    """Its weights by name, with no count of the batches that batch norms saw: old files have none."""
    return {name: tensor for name, tensor in original.state_dict().items() if "num_batches" not in name}


@pytest.fixture(scope="module")
def inception(table: Table) -> FeatureNetwork:
    return inception_network(table, "digest", FLOAT32)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (299, 299), (47, 120), (400, 310)])
def test_inception_is_the_original_but_for_rounding(
    original: Any, inception: FeatureNetwork, height: int, width: int
) -> None:
    batch = pictures(2, height, width)
    with torch.inference_mode():
        wanted, classified = original(batch)
    features, logits = inception(batch)
    assert logits is not None
    assert features.shape == (2, 2048)
    assert logits.shape == (2, 1008)
    assert features.dtype == logits.dtype == torch.float32
    assert apart(features, wanted) < 1e-5
    assert apart(logits, classified) < 1e-5
    assert apart(wanted[:1], wanted[1:]) > 1e-2  # different pictures do differ


def test_a_picture_has_the_same_features_in_any_company(inception: FeatureNetwork) -> None:
    batch = pictures(10, 40, 40)
    together, logits = inception(batch)
    assert logits is not None
    for rows in ([3], [9, 0, 3]):
        features, classified = inception(batch[rows])
        assert classified is not None
        assert apart(features, together[rows]) < 1e-5
        assert apart(classified, logits[rows]) < 1e-5


def test_features_can_be_worked_with(inception: FeatureNetwork) -> None:
    features, _ = inception(pictures(1, 32, 32).contiguous(memory_format=torch.channels_last))
    features -= features.mean()
    assert not features.requires_grad


def test_bf16_is_near_and_has_a_key_of_its_own(table: Table, inception: FeatureNetwork) -> None:
    rough = inception_network(table, "digest", Engine.detect("cpu", "bf16"))
    batch = pictures(3, 64, 64)
    features, logits = rough(batch)
    wanted, classified = inception(batch)
    assert features.dtype == torch.float32
    assert logits is not None
    assert classified is not None
    assert 1e-5 < apart(features, wanted) < 0.03
    assert apart(logits, classified) < 0.03
    assert rough.key != inception.key
    assert "bf16" in rough.title


def test_making_one_draws_no_random_numbers(table: Table) -> None:
    before = torch.random.get_rng_state()
    Inception(table)
    random_vgg(3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_torch_fidelity_the_extra_is_named(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(WeightsError, match="torch-fidelity") as caught:
        Inception(table)
    assert "artgan[fid]" in caught.value.hint


@settings(deadline=None, max_examples=50)
@given(height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 60))
def test_a_slope_is_resized_to_the_slope_it_is(height: int, width: int, side: int) -> None:
    down, across = torch.arange(height)[:, None] * 3, torch.arange(width) * 2
    ramp = (down + across).to(torch.uint8).expand(1, 2, height, width)
    place = torch.arange(side, dtype=torch.float64) / side
    wanted = (place * height).clamp(max=height - 1)[:, None] * 3 + (place * width).clamp(max=width - 1) * 2
    assert torch.allclose(resized(ramp, side).double(), wanted.expand(1, 2, side, side), atol=1e-3)


@settings(deadline=None, max_examples=25)
@given(height=st.integers(2, 400), width=st.integers(2, 400), seed=st.integers(0, 1000))
def test_the_resize_is_that_of_tensorflow(height: int, width: int, seed: int) -> None:
    reference = torch_fidelity().feature_extractor_inceptionv3.interpolate_bilinear_2d_like_tensorflow1x
    batch = torch.randint(
        0, 256, (1, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    wanted = reference(batch.float(), size=(299, 299), align_corners=False)
    assert torch.allclose(resized(batch, 299), wanted, atol=1e-3)


@pytest.fixture(scope="module")
def sequence() -> nn.Sequential:
    """The convolutions of torchvision's VGG-19, no weights in them yet."""
    with torch.device("meta"):
        sequence: nn.Sequential = torchvision().models.vgg19().features
    return sequence


def test_vgg_is_torchvisions(sequence: nn.Sequential) -> None:
    network = random_vgg(5)
    tensors = network.state_dict()
    assert {n: t.shape for n, t in tensors.items()} == {
        f"features.{n}": t.shape for n, t in sequence.state_dict().items()
    }
    sequence.load_state_dict({name.removeprefix("features."): t for name, t in tensors.items()}, assign=True)
    unit = pictures(2, 48, 64) / 255
    mean, deviation = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.inference_mode():
        maps = network(unit * 2 - 1, ["relu2_1", "relu5_4"])
        assert list(maps) == ["relu2_1", "relu5_4"]
        assert torch.allclose(maps["relu2_1"], sequence[:7]((unit - mean) / deviation), atol=1e-4)
        assert torch.allclose(maps["relu5_4"], sequence[:36]((unit - mean) / deviation), atol=1e-3, rtol=1e-4)
        assert torch.allclose(network.embed(unit * 2 - 1), maps["relu5_4"].mean((2, 3)), rtol=1e-4)


def test_layers_behind_the_last_one_wanted_are_not_computed() -> None:
    network = VGG().requires_grad_(False)
    network.features[7] = nn.Unflatten(0, (0, 0))  # fails when it is called
    maps = network(torch.zeros(1, 3, 16, 24), ["relu2_1", "relu1_2"])
    assert {name: tuple(found.shape) for name, found in maps.items()} == {
        "relu1_2": (1, 64, 16, 24),
        "relu2_1": (1, 128, 8, 12),
    }
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, 16, 24), ["relu2_2"])


def test_random_weights_keep_the_scale_of_their_input() -> None:
    weights = [tensor for tensor in random_vgg(0).state_dict().values() if tensor.dim() == 4]
    assert len(weights) == 16
    for tensor in weights:
        fan_in = tensor[0].numel()
        assert float(tensor.square().mean() * fan_in / 2) == pytest.approx(1, abs=5 / tensor.numel() ** 0.5)


def test_a_seed_is_a_network() -> None:
    batch = pictures(2, 32, 32)
    first, again, other = (open_network(f"random:{seed}", FLOAT32) for seed in (7, 7, 8))
    assert (first.name, first.dim, first.side) == ("random7", 512, 128)
    assert first.key == again.key != other.key
    assert torch.equal(first(batch)[0], again(batch)[0])
    assert apart(first(batch)[0], other(batch)[0]) > 0.1
    assert first(batch)[1] is None


@pytest.mark.parametrize("features", ["", "Inception", "vgg16", "random", "random:", "random:-1", "random:1.5", "clip"])
def test_an_unknown_network_is_refused(features: str) -> None:
    with pytest.raises(UsageError, match="--features") as caught:
        open_network(features, FLOAT32)
    for choice in ("artgan", "inception", "vgg19", "random:SEED"):
        assert choice in caught.value.hint


@pytest.mark.parametrize("features", ["artgan", "random:1"])
def test_networks_that_take_no_weights_refuse_them(features: str) -> None:
    with pytest.raises(UsageError, match="--weights"):
        open_network(features, FLOAT32, Path("w.pth"))


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Table], Path]:
    """A function that saves tensors and makes them the published ones."""
    monkeypatch.setenv("ARTGAN_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def save(name: str, tensors: Table) -> Path:
        file = tmp_path / f"{name}.pth"
        torch.save(tensors, file)
        content = file.read_bytes()
        entry = Weights(name, "http://127.0.0.1:9/w", len(content), hashlib.sha256(content).hexdigest(), "", "", ("w",))
        monkeypatch.setitem(weights.WEIGHTS, name, entry)
        return file

    return save


def test_inception_opens_from_its_file(
    inception: FeatureNetwork, table: Table, publish: Callable[[str, Table], Path]
) -> None:
    file = publish("inception", table)
    opened = open_network("inception", FLOAT32, file)
    assert (opened.name, opened.dim, opened.side) == ("inception", 2048, None)
    assert "2015" in opened.title
    batch = pictures(1, 20, 20)
    assert torch.equal(opened(batch)[0], inception(batch)[0])
    with pytest.raises(WeightsError, match="not here"):
        open_network("inception", FLOAT32)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"inception\.pth"):
        open_network("inception", FLOAT32, file)


def test_vgg19_opens_from_its_file_and_leaves_its_classifier(publish: Callable[[str, Table], Path]) -> None:
    table = dict(random_vgg(2).state_dict())
    file = publish("vgg19", {**table, "classifier.0.weight": torch.zeros(3, 3)})
    opened = open_network("vgg19", FLOAT32, file)
    assert (opened.name, opened.dim, opened.side) == ("vgg19", 512, 128)
    batch = pictures(2, 32, 32)
    assert torch.equal(opened(batch)[0], open_network("random:2", FLOAT32)(batch)[0])
    assert trained_network(table, "other", FLOAT32).key != opened.key


def test_the_embedded_encoder_is_known_by_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    batch = pictures(9, 32, 48)
    for seed in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = encoder.Encoder().eval().requires_grad_(False)
        monkeypatch.setattr(encoder, "FILE", tmp_path / f"{seed}.safetensors")
        save_file(network.state_dict(), encoder.FILE)
        opened = open_network("artgan", FLOAT32)
        assert (opened.name, opened.dim, opened.side) == ("artgan", 512, 128)
        assert apart(opened(batch)[0], network.embed(FLOAT32.pictures(batch))) < 1e-5
        assert apart(opened(batch[8:])[0], opened(batch)[0][8:]) < 1e-5
        keys.add(opened.key)
    assert len(keys) == 2
