"""Networks: the shapes they promise, the same seed the same weights, and the class's share of the logit."""

import pytest
import torch
from torch import nn

from artgan.config import ModelSettings
from artgan.engine.device import Engine
from artgan.models import build_discriminator, build_generator
from artgan.models.layers import ClassLatent, Projection
from artgan.models.render import AT_ONCE, render

Shape = tuple[int, int, int]

DCGAN = ModelSettings(name="dcgan", z_dim=6, base_channels=4, max_channels=8, embed_dim=3)
MLP = DCGAN.model_copy(update={"name": "mlp"})
PAINTER = DCGAN.model_copy(update={"name": "painter"})
CONVOLUTIONAL: list[Shape] = [
    *((3, side, side) for side in (8, 16, 24, 32, 64, 128, 256)),
    *((3, 8, 16), (3, 24, 16), (3, 32, 96), (3, 64, 48)),
    *((1, 16, 16), (4, 16, 16), (4, 8, 24)),
]
ANY: list[Shape] = [(1, 28, 28), (3, 8, 8), (4, 9, 17), (3, 33, 10)]


def both(settings: ModelSettings, shape: Shape, c_dim: int, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(seed)
    return build_generator(settings, shape, c_dim), build_discriminator(settings, shape, c_dim)


def fake(G: nn.Module, count: int, classes: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
    z = torch.randn(count, DCGAN.z_dim, generator=torch.Generator().manual_seed(1))
    c = torch.arange(count) % classes if classes else None
    return G(z, c), c


@pytest.mark.parametrize("c_dim", [0, 3])
@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        *((settings, shape) for settings in (DCGAN, PAINTER) for shape in CONVOLUTIONAL),
        *((MLP, shape) for shape in ANY),
    ],
)
def test_pictures_have_the_shape_asked_for_and_logits_are_one_each(
    settings: ModelSettings, shape: Shape, c_dim: int
) -> None:
    G, D = both(settings, shape, c_dim)
    pictures, c = fake(G, 2, c_dim)
    assert pictures.shape == (2, *shape)
    assert pictures.abs().max() <= 1
    logits = D(pictures, c)
    assert logits.shape == (2,)
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in G.parameters())
    assert all(parameter.grad is not None for parameter in D.parameters())


@pytest.mark.parametrize("settings", [DCGAN, MLP])
@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_every_normalisation_learns_and_only_batch_ties_pictures_together(settings: ModelSettings, norm: str) -> None:
    chosen = ModelSettings.model_validate({**settings.model_dump(), "d_norm": norm})
    G, D = both(chosen, (3, 16, 16), 2)
    D.train()
    pictures, c = fake(G, 6, 2)
    assert c is not None
    pictures = pictures.detach()
    D(pictures, c).sum().backward()
    assert all(parameter.grad is not None for parameter in D.parameters())
    with torch.no_grad():
        D(pictures, c)  # spectral norm settles a little at every step
        D.eval()
        torch.testing.assert_close(D(pictures[:3], c[:3]), D(pictures, c)[:3], rtol=1e-4, atol=1e-6)
        D.train()
        alone, together = D(pictures[:3], c[:3]), D(pictures, c)[:3]
    assert torch.allclose(alone, together, rtol=1e-3, atol=1e-5) == (norm != "batch")


@pytest.mark.parametrize("settings", [DCGAN, MLP])
@pytest.mark.parametrize("c_dim", [0, 3])
def test_the_same_seed_is_the_same_network(settings: ModelSettings, c_dim: int) -> None:
    for one, two, other in zip(*(both(settings, (3, 16, 16), c_dim, seed) for seed in (5, 5, 6)), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("settings", [DCGAN, MLP])
def test_a_class_makes_a_difference_to_both_networks(settings: ModelSettings) -> None:
    G, D = both(settings, (3, 16, 16), 2)
    G.eval()
    z = torch.randn(1, DCGAN.z_dim)
    zero, one = torch.tensor([0]), torch.tensor([1])
    assert not torch.equal(G(z, zero), G(z, one))
    picture = G(z, zero)
    assert not torch.equal(D(picture, zero), D(picture, one))


@pytest.mark.parametrize("side", [8, 64, 256])
def test_an_untrained_network_passes_its_signal_on_however_deep(side: int) -> None:
    G, D = both(DCGAN, (3, side, side), 0)
    with torch.no_grad():
        pictures, _ = fake(G, 4)
        assert pictures.std() > 1e-2
        assert D(pictures).std() > 1e-3


def test_the_classes_share_of_the_logit_is_an_inner_product() -> None:
    projection = Projection(3, 2)
    assert projection.embedding is not None
    with torch.no_grad():
        projection.embedding.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    features = torch.tensor([[1.0, 10.0], [1.0, 10.0], [2.0, 0.5]])
    shares = projection(features, torch.tensor([0, 2, 1]))
    assert shares.tolist() == [1 + 20, 5 + 60, 6 + 2]


@pytest.mark.parametrize("settings", [DCGAN, MLP])
def test_the_logit_is_the_unconditional_one_plus_the_classes_share(settings: ModelSettings) -> None:
    """Miyato & Koyama 2018, equation 3: the logits of two classes differ by <embed(a) - embed(b), features>."""
    _, D = both(settings, (3, 8, 8), 3)
    pictures = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    embedding = D.get_submodule("projection").embedding
    with torch.no_grad():
        features = D.get_submodule("layers")(pictures)
        features = features.sum((2, 3)) if features.dim() == 4 else features
        by_class = [D(pictures, torch.full((4,), c)) for c in range(3)]
        assert isinstance(embedding, nn.Embedding)
        expected = features @ (embedding.weight[2] - embedding.weight[0])
        torch.testing.assert_close(by_class[2] - by_class[0], expected, rtol=1e-3, atol=1e-5)
        embedding.weight.zero_()
        assert torch.equal(D(pictures, torch.zeros(4, dtype=torch.long)), D(pictures, torch.ones(4, dtype=torch.long)))


def test_the_class_stands_beside_the_latent() -> None:
    layer = ClassLatent(4, 2, 3)
    assert layer.embedding is not None
    z, c = torch.randn(2, 4), torch.tensor([1, 0])
    both_together = layer(z, c)
    assert torch.equal(both_together[:, :4], z)
    assert torch.equal(both_together[:, 4:], layer.embedding.weight[[1, 0]])


def test_without_classes_latent_and_logit_are_bare() -> None:
    z = torch.randn(2, 4)
    assert ClassLatent(4, 0, 3)(z, None) is z
    assert Projection(0, 4)(z, None).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["dcgan", "mlp"])
@pytest.mark.parametrize("c_dim", [0, 3])
def test_a_latent_gives_the_same_picture_in_any_company(name: str, c_dim: int) -> None:
    settings = ModelSettings.model_validate({"name": name, "base_channels": 32, "max_channels": 128})
    G, _ = both(settings, (3, 16, 16), c_dim)
    engine = Engine.detect("cpu", "float32")
    z = torch.randn(AT_ONCE + 5, settings.z_dim, generator=torch.Generator().manual_seed(0))
    c = torch.arange(len(z)) % c_dim if c_dim else None
    together = render(G, engine, z, c)
    assert together.shape == (len(z), 3, 16, 16)
    assert together.dtype == torch.float32
    for row in (0, 3, AT_ONCE, AT_ONCE + 4):
        alone = render(G, engine, z[row : row + 1], c[row : row + 1] if c is not None else None)
        assert torch.equal(alone[0], together[row])


def test_rendering_leaves_the_network_as_it_was() -> None:
    G, _ = both(DCGAN, (3, 8, 8), 0)
    before = {name: value.clone() for name, value in G.state_dict().items()}
    for training in (True, False):
        G.train(training)
        assert not render(G, Engine.detect("cpu", "float32"), torch.randn(3, DCGAN.z_dim), None).requires_grad
        assert G.training == training
    assert all(torch.equal(before[name], value) for name, value in G.state_dict().items())
