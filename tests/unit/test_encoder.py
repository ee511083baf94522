"""The embedded encoder: maps that lie over their picture, gradients for every pixel, a file that knows its origin."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from artgan.engine.device import Engine
from artgan.errors import StorageError, UsageError
from artgan.models import encoder as module
from artgan.models.encoder import Encoder, load_encoder, origin

ENGINE = Engine.detect("cpu", "float32")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(ENGINE)


def smooth(seed: int, count: int = 1, height: int = 64, width: int = 64) -> torch.Tensor:
    """Pictures (count, 3, height, width) of soft blobs of colour, each with contents of its own."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=draw) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 3), height=st.integers(16, 70), width=st.integers(16, 70))
def test_the_sides_of_a_map_are_halves_rounded_up(count: int, height: int, width: int) -> None:
    maps = Encoder()(noise(0, count, 3, height, width))
    wanted = [(count, c, -(-height // 2**level), -(-width // 2**level)) for level, c in enumerate(Encoder.channels)]
    assert [tuple(found.shape) for found in maps] == wanted


def test_maps_are_finite_and_never_negative(encoder: Encoder) -> None:
    for x in (smooth(0), noise(0, 1, 3, 17, 40), torch.ones(1, 3, 32, 32), -torch.ones(1, 3, 32, 32)):
        for found in encoder(x):
            assert torch.isfinite(found).all()
            assert found.min() >= 0
            assert found.max() > 0


def test_the_embedding_is_the_average_of_the_last_map_in_any_company(encoder: Encoder) -> None:
    x = smooth(1, 5)
    embedding = encoder.embed(x)
    assert embedding.shape == (5, 512)
    torch.testing.assert_close(embedding, encoder(x)[-1].mean((2, 3)))
    torch.testing.assert_close(encoder.embed(x[3:4])[0], embedding[3], rtol=1e-4, atol=1e-5)


def test_all_maps_begin_with_the_stem_and_end_when_told(encoder: Encoder) -> None:
    x = smooth(2)
    maps = encoder.all_maps(x)
    assert [found.shape[1] for found in maps] == [24, 96, 128, 128, 256, 256, 384, 384, 512, 512]
    assert [found.shape[2] for found in maps] == [64, 32, 16, 16, 16, 8, 8, 8, 8, 4]
    for chosen, found in zip((0, 1, 4, 8, 9), encoder(x), strict=True):
        assert torch.equal(maps[chosen], found)
    assert len(encoder.all_maps(x, 2)) == 2
    assert all(torch.equal(a, b) for a, b in zip(encoder.all_maps(x, 4), maps, strict=False))


@pytest.mark.parametrize("at", [(0, 0), (37, 90), (95, 40)])
def test_a_change_in_a_picture_is_seen_at_its_own_place_of_every_map(encoder: Encoder, at: tuple[int, int]) -> None:
    x = smooth(3, 1, 96, 96)
    changed = x.clone()
    changed[:, :, max(0, at[0] - 1) : at[0] + 2, max(0, at[1] - 1) : at[1] + 2] *= -1
    for level, (before, after) in enumerate(zip(encoder(x), encoder(changed), strict=True)):
        change = (after - before).abs().sum((0, 1))
        row, column = divmod(int(change.argmax()), change.shape[1])
        assert abs(row - at[0] // 2**level) <= 1
        assert abs(column - at[1] // 2**level) <= 1


def test_loading_again_gives_the_same_and_another_network(encoder: Encoder) -> None:
    again = load_encoder(ENGINE)
    x = smooth(4)
    assert all(torch.equal(a, b) for a, b in zip(encoder(x), again(x), strict=True))
    assert again is not encoder
    with torch.no_grad():
        again.first.weight.zero_()
    assert encoder.first.weight.abs().max() > 0


def test_the_network_is_ready_frozen_and_exact(encoder: Encoder) -> None:
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    saved = load_file(module.FILE)
    assert encoder.state_dict().keys() == saved.keys()
    for name, weight in encoder.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, saved[name].float())


def test_loading_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    load_encoder(ENGINE)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_sees_nearly_the_same(encoder: Encoder) -> None:
    engine, x = Engine.detect("cpu", "bf16"), smooth(5, 2)
    with engine.autocast():
        rough = load_encoder(engine)(x)
    for found, wanted in zip(rough, encoder(x), strict=True):
        assert (found.float() - wanted).norm() < 0.05 * wanted.norm()


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("kind", ["smooth", "noise", "grey", "black", "white"])
def test_a_gradient_reaches_every_pixel(encoder: Encoder, level: int, kind: str) -> None:
    flat = torch.zeros(1, 3, 48, 48)
    pictures = {"smooth": smooth(6, 1, 48, 48), "noise": noise(1, 1, 3, 48, 48), "grey": flat}
    x = pictures.get(kind, flat + (1 if kind == "white" else -1)).clone().requires_grad_()
    encoder(x)[level].square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum(1).min() > 0


@pytest.mark.parametrize("level", range(1, 5))
def test_no_pixel_is_favoured_for_its_place_in_a_cell(encoder: Encoder, level: int) -> None:
    """What a stride favours shows as a checkerboard in pictures that are optimised."""
    x = noise(2, 8, 3, 96, 96).requires_grad_()
    encoder(x)[level].square().sum().backward()
    assert x.grad is not None
    step = 2**level
    inner = x.grad[:, :, 16:80, 16:80].abs().mean((0, 1))
    by_place = inner.unflatten(0, (-1, step)).unflatten(2, (-1, step)).mean((0, 2))
    assert by_place.min() > 0.75 * by_place.mean()
    assert by_place.max() < 1.3 * by_place.mean()


def test_a_shift_changes_the_embedding_less_than_other_contents_do(encoder: Encoder) -> None:
    x = smooth(7, 6, 100, 100)
    here = encoder.embed(x[:, :, :96, :96])
    shifted = encoder.embed(x[:, :, 2:98, 1:97])
    distance = torch.cdist(shifted, here)
    assert distance.argmin(1).tolist() == [*range(6)]
    assert distance.diag().mean() < 0.3 * torch.pdist(here).mean()


def test_grey_is_a_picture_of_three_equal_channels(encoder: Encoder) -> None:
    x = noise(3, 2, 1, 32, 24)
    for one, three in zip(encoder(x), encoder(x.repeat(1, 3, 1, 1)), strict=True):
        assert torch.equal(one, three)


def test_alpha_lays_a_picture_over_white(encoder: Encoder) -> None:
    colours, opaque = noise(4, 2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    torch.testing.assert_close(encoder.embed(torch.cat([colours, opaque], 1)), encoder.embed(colours))
    torch.testing.assert_close(encoder.embed(torch.cat([colours, -opaque], 1)), encoder.embed(torch.ones(2, 3, 32, 32)))
    half = torch.cat([colours, 0 * opaque], 1)
    torch.testing.assert_close(encoder.embed(half), encoder.embed(colours / 2 + 0.5))


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 2, 32, 32), (1, 5, 32, 32), (32, 32)])
def test_what_is_no_batch_of_pictures_is_refused(encoder: Encoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="shape") as caught:
        encoder(torch.zeros(shape))
    assert "1, 3 or 4" in caught.value.hint


@pytest.mark.parametrize(("height", "width"), [(15, 64), (64, 15), (1, 1)])
def test_too_small_a_picture_is_refused(encoder: Encoder, height: int, width: int) -> None:
    with pytest.raises(UsageError, match=f"{width} x {height}") as caught:
        encoder.embed(torch.zeros(1, 3, height, width))
    assert "16" in caught.value.hint


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage", "folder"])
def test_a_damaged_file_is_artgans_own_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    path, whole = tmp_path / "encoder.safetensors", module.FILE.read_bytes()
    contents = {"empty": b"", "cut": whole[:-1], "garbage": b"\xff" * 1000}
    if damage in contents:
        path.write_bytes(contents[damage])
    elif damage == "folder":
        path.mkdir()
    monkeypatch.setattr(module, "FILE", path)
    for ask in (lambda: load_encoder(ENGINE), origin):
        with pytest.raises(StorageError, match="artgan's own file") as caught:
            ask()
        assert str(path) in caught.value.message
        assert "Install artgan again" in caught.value.hint


@pytest.mark.parametrize("change", ["lacks", "has more", "other shape"])
def test_a_file_of_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    tensors = load_file(module.FILE)
    if change == "lacks":
        del tensors["fires.7.three.bias"]
    elif change == "has more":
        tensors["fourth.weight"] = torch.zeros(1)
    else:
        tensors["first.bias"] = torch.zeros(25)
    save_file(tensors, tmp_path / "encoder.safetensors")
    monkeypatch.setattr(module, "FILE", tmp_path / "encoder.safetensors")
    with pytest.raises(StorageError, match="artgan's own file"):
        load_encoder(ENGINE)


def test_the_file_is_small_and_says_where_it_comes_from() -> None:
    assert module.FILE.stat().st_size <= 3_000_000
    facts = origin()
    assert "SqueezeNet" in facts["teacher"]
    assert all(word in facts["licence"] for word in ("BSD", "copyright notice", "AS IS"))
    assert facts["recipe"] == "artgan/models/train_encoder.py"
    assert facts["folders"]
    assert facts["hardware"]
    assert all(facts[name].isdecimal() for name in ("seed", "steps", "pictures"))
    assert int(facts["minutes"].partition(",")[0]) > 0
    shares = json.loads(facts["explained"])
    assert all(0.3 < share < 1 for share in shares.values())
    assert {"conv1", "fire9", "embedding"} <= shares.keys()
