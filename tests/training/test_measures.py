"""What is measured without a pretrained network, against sets of pictures for which the answer is known."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from artgan.config import DataSettings
from artgan.data.pictures import Pictures, load_pictures
from artgan.training import measures
from artgan.training.health import find_facts
from artgan.training.measures import TWIN, Reference, class_share, describe, spread

SIDE = 16


def flat(*greys: float, channels: int = 3, side: int = SIDE) -> torch.Tensor:
    """One picture of a single grey for each value."""
    return torch.tensor(greys).view(-1, 1, 1, 1).expand(-1, channels, side, side)


def same_class(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.int64)


# --- how varied pictures are


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("side", [8, 16, 40, 64])
def test_the_distance_of_two_plain_pictures_is_their_difference(channels: int, side: int) -> None:
    """Whatever their size and channels: from black to white it is 2."""
    rows = describe(flat(-1.0, 1.0, 0.5, channels=channels, side=side))
    distances = torch.cdist(rows, rows)
    torch.testing.assert_close(distances, torch.tensor([[0.0, 2.0, 1.5], [2.0, 0.0, 0.5], [1.5, 0.5, 0.0]]))
    assert spread(rows, same_class(3)) == pytest.approx((2 + 1.5 + 0.5) / 3, rel=1e-5)


def test_fine_grain_does_not_count_and_layout_does() -> None:
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1  # one pixel to a square
    halves = (torch.arange(64) < 32).float()[:, None].expand(64, 64) * 2 - 1
    grey, fine, coarse = describe(torch.stack([torch.zeros(64, 64), board, halves])[:, None])
    assert (grey - fine).norm().item() == pytest.approx(0, abs=1e-6)
    assert (grey - coarse).norm().item() == pytest.approx(1)


@pytest.mark.parametrize("count", [2, 25, 64])
def test_one_picture_again_and_again_has_no_spread(count: int) -> None:
    rows = describe(torch.rand(1, 3, SIDE, SIDE)).expand(count, -1)
    assert spread(rows, same_class(count)) == pytest.approx(0, abs=2e-3)  # many distances at once are rounded


def test_spread_is_within_classes_and_every_class_counts_the_same() -> None:
    rows = describe(flat(0.0, 0.2, 0.5, 0.5, 0.5, 0.5, 0.9))
    assert spread(rows, torch.tensor([0, 0, 1, 1, 1, 1, 2])) == pytest.approx((0.2 + 0) / 2)  # one alone is no pair
    assert spread(rows, torch.arange(7)) == 0


greys = st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=12)


@given(values=greys, data=st.data())
def test_spread_does_not_depend_on_order(values: list[float], data: st.DataObject) -> None:
    labels = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values))))
    order = torch.tensor(data.draw(st.permutations(range(len(values)))))
    rows = describe(flat(*values))
    found = spread(rows, labels)
    assert spread(rows[order], labels[order]) == pytest.approx(found, abs=1e-5)
    assert class_share(rows[order], labels[order]) == pytest.approx(class_share(rows, labels), abs=1e-4)
    assert spread(rows / 2 + 0.1, labels) == pytest.approx(found / 2, abs=1e-5), "half the contrast is half the spread"


# --- how much of that is the classes'


def test_the_classes_share_is_none_or_all() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    assert class_share(describe(flat(0.1, 0.5, 0.9, 0.1, 0.5, 0.9)), labels) == pytest.approx(0, abs=1e-6)
    assert class_share(describe(flat(0.1, 0.1, 0.1, 0.7, 0.7, 0.7)), labels) == pytest.approx(1)
    assert class_share(describe(flat(*[0.3] * 6)), labels) == 0


def test_the_classes_share_of_a_known_mixture() -> None:
    """Means 0 and 2, and 1 to either side of them: as much between the classes as within."""
    assert class_share(describe(flat(-1.0, 1.0, 1.0, 3.0)), torch.tensor([0, 0, 1, 1])) == pytest.approx(0.5)


# --- training pictures among themselves


def write(path: Path, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def load(folder: Path, **settings: object) -> Pictures:
    return load_pictures(folder, DataSettings.model_validate({"resolution": SIDE, **settings}))


def reference(pictures: Pictures, crops: int = 1, mirror: bool = False, **options: Any) -> Reference:
    return Reference(pictures, crops, mirror, seed=0, **options)


def shown(pictures: Pictures) -> torch.Tensor:
    return pictures.at(list(range(len(pictures)))).float() / 127.5 - 1


@pytest.mark.parametrize("channels", ["rgb", "rgba", "grey"])
def test_copies_of_training_pictures_are_found_out(channels: str, paintings: Path) -> None:
    pictures = load(paintings, channels=channels)
    found = reference(pictures).measure(shown(pictures), None)
    assert found["nearest"] == pytest.approx(0, abs=1e-4)
    assert found["nearest_ratio"] == pytest.approx(0, abs=1e-4)
    assert found["diversity"] == pytest.approx(1)
    assert found.keys() == {"nearest", "nearest_ratio", "diversity"}


def test_mirrored_copies_are_copies_where_mirrored_pictures_are_trained_on(paintings: Path) -> None:
    pictures = load(paintings)
    mirrored = shown(pictures).flip(3)
    assert reference(pictures, mirror=True).measure(mirrored, None)["nearest"] == pytest.approx(0, abs=1e-4)
    assert reference(pictures, mirror=True).measure(shown(pictures), None)["nearest"] == pytest.approx(0, abs=1e-4)
    assert reference(pictures, mirror=False).measure(mirrored, None)["nearest"] > 0.3


def test_one_training_picture_again_and_again_is_a_copy_without_diversity(paintings: Path) -> None:
    pictures = load(paintings)
    found = reference(pictures).measure(shown(pictures)[:1].expand(16, -1, -1, -1), None)
    assert found["diversity"] == pytest.approx(0, abs=1e-3)
    assert found["nearest"] == pytest.approx(0, abs=1e-4)


def test_the_other_half_of_a_set_is_about_as_near_as_its_own_pictures(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(120):
        half = "shown" if number % 2 else "kept back"
        write(tmp_path / half / f"{number}.png", draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    found = reference(load(tmp_path / "shown")).measure(shown(load(tmp_path / "kept back")), None)
    assert found["nearest"] == pytest.approx(1, abs=0.05)
    assert found["diversity"] == pytest.approx(1, abs=0.05)


def test_twins_are_found_even_when_they_are_mirrored_or_saved_again(paintings: Path) -> None:
    assert reference(load(paintings)).facts.twins == 0
    first, second, third = sorted(paintings.glob("*.png"))[:3]
    with Image.open(first) as picture:
        picture.save(first.with_name("again.webp"), lossless=True)
    with Image.open(second) as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(second.with_name("mirrored.png"))
    shutil.copy(third, third.with_name("copy.png"))
    pictures = load(paintings)
    count = len(pictures)
    assert reference(pictures, mirror=False).facts.twins * count == pytest.approx(4)
    assert reference(pictures, mirror=True).facts.twins * count == pytest.approx(6)


def test_crops_of_one_file_are_no_neighbours(tmp_path: Path) -> None:
    """Crops of a plain picture are all alike: as strangers they would be twins."""
    for grey in (40, 90, 140, 190):
        write(tmp_path / "set" / f"{grey}.png", np.full((40, 40, 3), grey, np.uint8))
    pictures = load(tmp_path / "set", crops=3)
    facts = reference(pictures, crops=3).facts
    assert facts.pictures == len(pictures) == 12
    assert facts.twins == 0
    assert facts.nearest == pytest.approx(50 / 127.5, rel=1e-3)
    assert reference(pictures, crops=1).facts.twins == 1


def test_crops_of_a_single_file_still_give_numbers(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    write(tmp_path / "set" / "large.png", draw.integers(0, 256, (96, 96, 3), np.uint8))
    pictures = load(tmp_path / "set", crops=8)
    of_it = reference(pictures, crops=8)
    assert 0 < of_it.facts.nearest < 2
    assert of_it.measure(torch.rand(8, 3, SIDE, SIDE) * 2 - 1, None)["nearest"] > 0.5


def in_colours(folder: Path, count: int = 12) -> Path:
    """Three classes that differ in colour by more than the pictures of one class do."""
    draw = np.random.default_rng(0)
    for label, colour in enumerate([(200, 40, 40), (40, 200, 40), (40, 40, 200)]):
        for number in range(count):
            grain = draw.integers(-30, 31, (SIDE, SIDE, 3))
            write(folder / f"class{label}" / f"{number}.png", (np.array(colour) + grain).astype(np.uint8))
    return folder


def test_labels_that_mean_something_are_told_from_shuffled_ones(tmp_path: Path) -> None:
    folder = in_colours(tmp_path / "set")
    facts = reference(load(folder)).facts
    assert facts.chance is not None
    assert facts.class_share is not None
    assert facts.neighbours == 1
    assert facts.class_share > 0.9
    mean, deviation = facts.chance
    # Of the 35 others, 11 are of one's own class.
    assert mean == pytest.approx(11 / 35, abs=0.05)
    assert 0 < deviation < 0.06

    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    table = {name: f"class{number % 3}" for number, name in enumerate(files)}
    (tmp_path / "labels.json").write_text(json.dumps(table))
    shuffled = reference(load(folder, labels=str(tmp_path / "labels.json"))).facts
    assert shuffled.class_share is not None
    assert shuffled.neighbours is not None
    assert shuffled.class_share < 0.1
    assert abs(shuffled.neighbours - mean) < 4 * deviation
    assert shuffled.spread > 2 * facts.spread, "classes of everything are as wide as everything"


def test_generated_classes_are_measured_by_the_training_pictures(tmp_path: Path) -> None:
    pictures = load(in_colours(tmp_path / "set"))
    of_them = reference(pictures)
    assert of_them.measure(shown(pictures), pictures.labels)["class_share"] == pytest.approx(1)
    regardless = torch.arange(len(pictures)) % 3
    assert of_them.measure(shown(pictures), regardless)["class_share"] < 0.1
    assert of_them.measure(shown(pictures), pictures.labels)["diversity"] == pytest.approx(1)


def test_without_classes_nothing_is_said_of_them(paintings: Path) -> None:
    facts = reference(load(paintings)).facts
    assert (facts.class_share, facts.neighbours, facts.chance) == (None, None, None)


def test_facts_that_were_written_down_give_the_same_measures(class_folders: Path) -> None:
    pictures = load(class_folders)
    first = reference(pictures, mirror=True)
    assert find_facts([{"nimg": 0}, {"nimg": 0, "facts": {"pictures": 14}}]) is None
    written = json.loads(json.dumps({"nimg": 0, "facts": dataclasses.asdict(first.facts)}))
    again = reference(pictures, mirror=True, facts=find_facts([written]))
    assert again.facts == first.facts
    generated, c = torch.rand(12, 3, SIDE, SIDE), torch.arange(12) % 3
    assert again.measure(generated, c) == first.measure(generated, c)
    assert reference(pictures, mirror=True).facts == first.facts


def test_of_a_large_set_only_some_are_compared(paintings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = load(paintings)
    everything = reference(pictures)
    monkeypatch.setattr(measures, "MOST", 5)
    some = reference(pictures)
    assert some.rows.shape == (5, everything.rows.shape[1])
    assert len({tuple(row.tolist()) for row in some.rows}) == 5
    assert some.facts.pictures == len(pictures)
    whole = {tuple(row.tolist()) for row in everything.rows}
    assert {tuple(row.tolist()) for row in some.rows} < whole
    assert torch.equal(some.rows, reference(pictures).rows), "and always the same ones"
    assert some.measure(shown(pictures), None)["nearest"] > 0


def test_a_twin_is_a_hundredth_from_black_to_white() -> None:
    nearly, hardly = describe(flat(0.0, TWIN * 0.9)), describe(flat(0.0, TWIN * 1.1))
    assert (nearly[0] - nearly[1]).norm() < TWIN < (hardly[0] - hardly[1]).norm()
    assert TWIN == 2 / 100
