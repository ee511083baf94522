"""Seeds: what a list means, and that a draw depends on its seed, name and position and on nothing else."""

import pytest
import torch

from artgan.engine.seeds import Streams, latents, parse_seeds
from artgan.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", (7,)),
        ("0,3,5-9", (0, 3, 5, 6, 7, 8, 9)),
        (" 1 , 2 ", (1, 2)),
        ("4-4", (4,)),
        ("3,1,3", (3, 1, 3)),
        ("0", (0,)),
        (str(2**63 - 1), (2**63 - 1,)),
    ],
)
def test_seed_lists(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "1,", "-1", "1-", "a", "1.5", "5-3", "1--3", "1-2-3", "²"),
        *("0-100000", "0-99999,0-99999", str(2**63), "9" * 5000),
    ],
)
def test_what_is_no_seed_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds") as caught:
        parse_seeds(text)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_as_many_seeds_as_promised_are_taken() -> None:
    assert parse_seeds("0-99999") == tuple(range(100_000))


def test_a_stream_is_its_seed_name_and_position() -> None:
    def draw(seed: int, name: str, position: int) -> list[float]:
        drawn: list[float] = Streams(seed).normal(name, position, 2, 3).flatten().tolist()
        return drawn

    assert draw(1, "z", 64) == draw(1, "z", 64)
    others = [draw(2, "z", 64), draw(1, "c", 64), draw(1, "z", 128), draw(11, "z", 4), draw(1, "z6", 4)]
    assert len({tuple(drawn) for drawn in [draw(1, "z", 64), *others]}) == 6


def test_streams_ignore_and_leave_alone_the_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = Streams(5).normal("z", 0, 4)
    latents((1, 2), 4, 0.7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(Streams(5).normal("z", 0, 4), first)


def test_a_stream_as_the_global_generator_for_a_while() -> None:
    cpu = torch.device("cpu")

    def draw(anywhere: int, seed: int = 5, name: str = "dropout", position: int = 0) -> torch.Tensor:
        torch.manual_seed(anywhere)
        before = torch.get_rng_state()
        with Streams(seed).as_global(name, position, cpu):
            drawn = torch.rand(4)
        assert torch.equal(torch.get_rng_state(), before)
        return drawn

    assert torch.equal(draw(1), draw(2))
    others = [draw(1, seed=6), draw(1, name="noise"), draw(1, position=64)]
    assert len({tuple(drawn.tolist()) for drawn in [draw(1), *others]}) == 4


def test_the_global_generator_is_put_back_even_when_something_goes_wrong() -> None:
    def fail() -> None:
        with Streams(0).as_global("dropout", 0, torch.device("cpu")):
            torch.rand(1)
            raise KeyError

    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_numbers_are_normal() -> None:
    drawn = Streams(0).normal("z", 0, 20_000)
    assert drawn.dtype == torch.float32
    assert abs(drawn.mean().item()) < 0.03
    assert abs(drawn.std().item() - 1) < 0.03


def test_a_large_truncation_is_almost_none() -> None:
    torch.testing.assert_close(latents(range_of(50), 64, 8.0), latents(range_of(50), 64), rtol=0, atol=1e-4)


def test_a_small_truncation_is_a_truncated_normal_and_not_a_clipped_one() -> None:
    z = latents(range_of(200), 50, 1.0)
    # The standard deviation of a normal distribution truncated at +-1 is 0.5396.
    assert abs(z.std().item() - 0.5396) < 0.02
    assert abs(z.mean().item()) < 0.02
    assert (z.abs() > 0.999).float().mean() < 0.01


@pytest.mark.parametrize("truncation", [0.0, -1.0, float("nan")])
def test_a_truncation_that_leaves_nothing_is_refused(truncation: float) -> None:
    with pytest.raises(UsageError, match="truncation"):
        latents((0,), 4, truncation)


def range_of(count: int) -> tuple[int, ...]:
    return tuple(range(count))
