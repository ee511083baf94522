"""What units of a generator do: a planted one that paints a single corner is found, ranked, placed and shown."""

import pytest
import torch
from torch import nn

from artgan.errors import Interrupted
from artgan.interpretation.draws import Draws, Working
from artgan.interpretation.units import FIRST, belongs_to, dissect, early_layers, effect_of, place_of

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
CORNER, FAINT = 2, 1


class Planted(nn.Module):
    """Four units of 4 x 4 cells: one brightens the upper left corner, one all of it a little, two do nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        maps = torch.zeros(len(z), 4, 4, 4)
        maps[:, CORNER, :2, :2] = 1
        maps[:, FAINT] = 1
        maps[:, 3] = 1
        units = torch.relu(self.norm(maps))
        light = 0.8 * units[:, CORNER] + 0.05 * units[:, FAINT]
        return nn.functional.interpolate(light[:, None] - 0.5, scale_factor=4)


def some_draws(count: int = 16, kinds: tuple[int, ...] = ()) -> Draws:
    z = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return Draws(z, None, ("apple", "pear") if kinds else (), kinds, tuple(range(count)))


def test_the_unit_that_paints_a_corner_comes_first_and_is_shown_there() -> None:
    events: list[Working] = []
    (found,) = dissect(Planted().eval(), some_draws(), CPU, most=3, shown=2, tell=events.append)
    assert (found.layer.name, found.layer.units, found.layer.quiet) == ("4 x 4", 4, 2)
    first, second, third = found.layer.strongest
    assert (first.number, second.number) == (CORNER, FAINT)
    assert first.place == "upper left"
    assert first.effect == "makes it lighter"
    assert second.place == "everywhere"
    assert first.change > 3 * second.change > third.change == 0
    example = found.examples[0][0]
    assert len(found.examples[0]) == 2
    assert example.title == "seed 0"
    assert float(example.difference[:8, :8].min()) > 0.2
    assert float(example.difference[8:].max()) == 0
    assert example.active is not None
    assert bool((example.active > 0.5).equal(torch.nn.functional.pad(torch.ones(2, 2), (0, 2, 0, 2)) > 0))
    assert float((example.painted - example.without)[0, 0, 0]) == pytest.approx(0.8, abs=1e-3)
    assert float((example.strong - example.painted)[0, 0, 0]) == pytest.approx(3 * 0.8, abs=1e-3)
    assert (events[-1].done, events[-1].total) == (4 * FIRST + 4 * 16, 4 * FIRST + 4 * 16)


def test_the_network_is_left_as_it_was() -> None:
    network = Planted().eval()
    drawn = some_draws()
    before = network(drawn.z)
    dissect(network, drawn, CPU)
    assert network(drawn.z).equal(before)
    assert not network.norm._forward_hooks


def test_a_network_without_maps_has_units_but_no_places_for_them() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3 * 16), nn.Unflatten(1, (3, 4, 4))
    )

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, z: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
            pictures: torch.Tensor = torch.tanh(self.inner(z))
            return pictures

    (found,) = dissect(Wrapped().eval(), some_draws(), CPU)
    assert (found.layer.name, found.layer.units) == ("1", 5)
    assert all(one.active is None for some in found.examples for one in some)


def test_only_layers_of_few_cells_are_early() -> None:
    active = {f"norm{side}": torch.zeros(1, 2, side, side) for side in (4, 8, 16, 32)}
    assert early_layers(active) == ["norm4", "norm8", "norm16"]
    assert early_layers({"a": torch.zeros(1, 2), "b": torch.zeros(1, 2), "c": torch.zeros(1, 2)}) == ["a", "b"]


def test_it_stops_when_asked() -> None:
    with pytest.raises(Interrupted):
        dissect(Planted().eval(), some_draws(), CPU, should_stop=lambda: True)


def test_a_unit_belongs_to_the_class_that_wakes_it() -> None:
    kinds = [0, 1, 2] * 4
    noise = 0.1 * torch.randn(12, generator=torch.Generator().manual_seed(0))
    woken = torch.tensor([1.0 if kind == 1 else 0.0 for kind in kinds])
    assert belongs_to(woken + noise, kinds) == 1
    assert belongs_to(noise, kinds) is None
    assert belongs_to(woken[:3], kinds[:3]) is None  # too few of each to say
    assert belongs_to(woken, []) is None


@pytest.mark.parametrize(
    ("rows", "columns", "place"),
    [
        (slice(0, 3), slice(7, 10), "upper right"),
        (slice(7, 10), slice(4, 6), "lower"),
        (slice(4, 6), slice(4, 6), "middle"),
        (slice(4, 6), slice(0, 2), "left"),
        (slice(None), slice(None), "everywhere"),
        (slice(0, 0), slice(0, 0), "nowhere"),
    ],
)
def test_places_in_words(rows: slice, columns: slice, place: str) -> None:
    changes = torch.zeros(10, 10)
    changes[rows, columns] = 1
    assert place_of(changes) == place


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ((0.2, 0.0, 0.0), "makes it lighter"),
        ((-0.2, 0.0, 0.0), "makes it darker"),
        ((0.0, 0.1, 0.1), "makes it redder and yellower"),
        ((0.0, -0.1, 0.02), "makes it greener"),
        ((0.0, 0.0, 0.0), "nothing"),
    ],
)
def test_effects_in_words(step: tuple[float, ...], words: str) -> None:
    assert effect_of(torch.tensor(step)[None, :, None, None].expand(2, 3, 4, 4)) == words


def test_light_against_dark_is_a_form() -> None:
    steps = torch.zeros(1, 3, 4, 4)
    steps[:, 0, :, :2], steps[:, 0, :, 2:] = 0.2, -0.2
    assert effect_of(steps).startswith("lightens some")
