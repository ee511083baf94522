"""What a network keeps of another one: the same function wherever that is possible, nothing where it is not."""

from typing import Any

import pytest
import torch
from torch import nn

from artgan.config import Settings
from artgan.models import build_discriminator, build_generator
from artgan.models.transplant import Form, transplant
from artgan.presets import resolve

CHANNELS = {"rgb": 3, "rgba": 4, "grey": 1}


class Pair:
    """Both networks of some settings, with running means and variances of their own."""

    def __init__(self, seed: int, classes: tuple[str, ...] = (), channels: str = "rgb", **options: Any) -> None:
        model = {"base_channels": 4, "z_dim": 6, "embed_dim": 3, "max_channels": 16, **options}
        data = {key: model.pop(key) for key in ("resolution", "shape") if key in model}
        overrides = {f"model.{key}": value for key, value in model.items()}
        overrides |= {"data.resolution": 16} | {f"data.{key}": value for key, value in data.items()}
        self.settings: Settings = resolve(None, overrides)
        width, height = self.settings.data.size
        shape = (CHANNELS[channels], height, width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.G = build_generator(self.settings.model, shape, len(classes)).eval()
            self.D = build_discriminator(self.settings.model, shape, len(classes)).eval()
            for module in self.G.modules():
                if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                    assert module.running_mean is not None
                    assert module.running_var is not None
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2)
        used = self.settings.model
        self.form = Form(shape, classes, used.z_dim, used.embed_dim if classes else 0)

    def keep(self, source: "Pair") -> tuple[dict[str, float], dict[str, float]]:
        """Take over what fits of both networks; the kept shares."""
        return (
            transplant(self.G, source.G, self.form, source.form),
            transplant(self.D, source.D, self.form, source.form),
        )


def plain(network: nn.Module, name: str = "layers") -> nn.Sequential:
    """Layers of a network that follow upon one another."""
    found = network.get_submodule(name)
    assert isinstance(found, nn.Sequential)
    return found


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"classes": ("cats", "dogs")},
        {"d_norm": "spectral"},
        {"d_norm": "batch", "d_dropout": 0.1},
        {"name": "mlp", "classes": ("cats", "dogs")},
        {"shape": "24x16", "channels": "rgba"},
    ],
)
def test_the_same_networks_are_copied_whole(options: dict[str, Any]) -> None:
    new, old = Pair(1, **options), Pair(2, **options)
    kept_G, kept_D = new.keep(old)
    assert {*kept_G.values(), *kept_D.values()} == {1.0}
    for ours, theirs in ((new.G, old.G), (new.D, old.D)):
        found = theirs.state_dict()
        assert all(torch.equal(tensor, found[name]) for name, tensor in ours.state_dict().items())


def test_wider_networks_with_longer_latents_compute_what_they_did() -> None:
    """The channels that are known ignore those that are new, and so does what leaves the network by the old layers."""
    new, old = Pair(1, base_channels=8, z_dim=9, max_channels=32), Pair(2)
    new.keep(old)
    z = drawn(5, 9)
    theirs, ours = z[:, :6, None, None], z[:, :, None, None]
    for one, two in zip([*plain(old.G)][:-2], [*plain(new.G)][:-2], strict=True):
        theirs, ours = one(theirs), two(ours)
        assert torch.allclose(ours[:, : theirs.shape[1]], theirs, atol=1e-6)
    assert torch.allclose(new.G(z), old.G(z[:, :6]), atol=1e-6)
    pictures = drawn(5, 3, 16, 16)
    assert torch.allclose(new.D(pictures), old.D(pictures), atol=1e-5)


def test_a_discriminator_of_rgb_pays_no_heed_to_alpha_at_first() -> None:
    new, old = Pair(1, channels="rgba"), Pair(2)
    kept_G, kept_D = new.keep(old)
    z, pictures = drawn(5, 6), drawn(5, 4, 16, 16)
    assert torch.equal(new.G(z)[:, :3], old.G(z))
    assert torch.allclose(new.D(pictures), old.D(pictures[:, :3]), atol=1e-6)
    assert kept_G["layers.6.weight"] == kept_D["layers.0.weight"] == 0.75
    back = Pair(3)
    assert {*back.keep(new)[0].values()} == {1.0}
    assert torch.equal(back.G(z), old.G(z))


def test_grey_pictures_become_colours_that_are_equal_and_back() -> None:
    grey, colour = Pair(1, channels="grey"), Pair(2)
    colour.keep(grey)
    z, pictures = drawn(5, 6), drawn(5, 1, 16, 16)
    assert torch.allclose(colour.G(z), grey.G(z).expand(5, 3, 16, 16), atol=1e-6)
    assert torch.allclose(colour.D(pictures.expand(5, 3, 16, 16)), grey.D(pictures), atol=1e-5)
    other = Pair(3, channels="grey")
    other.keep(colour)
    assert torch.allclose(other.G(z), grey.G(z), atol=1e-6)
    assert torch.allclose(other.D(pictures), grey.D(pictures), atol=1e-5)


def test_classes_are_known_by_their_names() -> None:
    old, new = Pair(1, classes=("cats", "dogs", "owls")), Pair(2, classes=("bees", "dogs", "owls", "yaks"))
    fresh = Pair(2, classes=new.form.classes)
    new.keep(old)
    z, pictures = drawn(4, 6), drawn(4, 3, 16, 16)
    for ours, theirs in ((1, 1), (2, 2)):
        labels = [torch.full((4,), label) for label in (ours, theirs)]
        assert torch.equal(new.G(z, labels[0]), old.G(z, labels[1]))
        assert torch.allclose(new.D(pictures, labels[0]), old.D(pictures, labels[1]), atol=1e-6)
    for name in ("G.class_latent.embedding.weight", "D.projection.embedding.weight"):
        rows, drawn_rows = (getattr(pair, name[0]).get_parameter(name[2:]) for pair in (new, fresh))
        assert torch.equal(rows[[0, 3]], drawn_rows[[0, 3]])


def test_a_model_with_classes_and_a_longer_latent_keeps_them_apart() -> None:
    old, new = Pair(1, classes=("cats", "dogs")), Pair(2, classes=("dogs", "cats"), z_dim=9)
    new.keep(old)
    z = drawn(4, 9)
    assert torch.allclose(new.G(z, torch.zeros(4).long()), old.G(z[:, :6], torch.ones(4).long()), atol=1e-6)


def test_a_model_without_classes_gets_some() -> None:
    old, new = Pair(1), Pair(2, classes=("cats", "dogs"))
    new.keep(old)
    z = drawn(4, 6)
    assert torch.equal(new.G(z, torch.tensor([0, 1, 0, 1])), old.G(z))


def test_levels_go_by_their_distance_from_the_latent_and_the_logit() -> None:
    """A generator of pictures twice as large makes the same features at each resolution that the other one has."""
    old, new = Pair(1, max_channels=8, resolution=32), Pair(2, max_channels=8, resolution=64)
    kept_G, kept_D = new.keep(old)
    z = drawn(4, 6)
    coarse = [plain(pair.G)[:6](z[:, :, None, None]) for pair in (old, new)]
    assert torch.allclose(coarse[0], coarse[1], atol=1e-6)
    deep = drawn(4, 8, 16, 16)
    theirs, ours = plain(old.D)[2:](deep[:, :4]), plain(new.D)[4:](deep)
    assert torch.allclose(plain(old.D, "logit")(theirs), plain(new.D, "logit")(ours), atol=1e-6)
    assert kept_G["layers.12.weight"] == kept_D["layers.0.weight"] == 1.0, "the layers at the picture"
    assert kept_G["layers.9.weight"] == kept_D["layers.2.weight"] == 0.0, "a level that is new"


def test_a_wider_picture_is_the_old_one_stretched_at_the_coarsest() -> None:
    old, new = Pair(1), Pair(2, shape="24x16")
    nn.init.ones_(old.D.get_parameter("logit.0.weight"))
    kept_G, kept_D = new.keep(old)
    assert {*kept_G.values(), *kept_D.values()} == {1.0}
    grids = [plain(pair.G)[0](drawn(4, 6)[:, :, None, None]) for pair in (old, new)]
    assert grids[1].shape[2:] == (4, 6)
    stretched = nn.functional.interpolate(grids[0], (4, 6), mode="bilinear")
    assert torch.allclose(grids[1], stretched, atol=1e-6)
    logits = [plain(pair.D, "logit")(torch.ones(4, 8, 4, columns)) for pair, columns in ((old, 4), (new, 6))]
    assert torch.allclose(*logits), "more cells, and a logit as large"


def test_pixels_of_another_grid_are_nobody_elses() -> None:
    old, new = Pair(1, name="mlp", shape="8x32"), Pair(2, name="mlp", shape="32x8")
    before = new.G.get_parameter("layers.9.weight").clone()
    kept_G, kept_D = new.keep(old)
    assert torch.equal(new.G.get_parameter("layers.9.weight"), before)
    assert kept_G["layers.9.weight"] == kept_G["layers.9.bias"] == kept_D["layers.1.weight"] == 0.0
    assert kept_G["layers.0.weight"] == 1.0
