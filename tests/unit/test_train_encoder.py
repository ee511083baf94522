"""Teaching the encoder: the teacher's file is read, its maps lie where the student's do, lessons end in a file."""

import json
import random
import struct
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from artgan.engine.device import Engine
from artgan.errors import DatasetError
from artgan.models import encoder as encoder_module
from artgan.models import lessons, train_encoder
from artgan.models.encoder import FIRES, Encoder
from artgan.models.lessons import draw_batches, held_out, read_folders
from artgan.models.train_encoder import Layers, Yardstick, begin, explained, read_teacher, teacher_maps
from tests.conftest import painted

Shape = tuple[int, int, int, int]


def shapes_of(fires: Sequence[tuple[int, int, int]]) -> list[Shape]:
    shapes = [(96, 3, 7, 7)]
    for channels, squeezed, expanded in fires:
        shapes += [(squeezed, channels, 1, 1), (expanded, squeezed, 1, 1), (expanded, squeezed, 3, 3)]
    return shapes


def write_teacher(path: Path, shapes: Sequence[Shape], seed: int = 0) -> Layers:
    """Write a teacher drawn by chance, weight by weight, some left out; returns what is to be read back."""
    rng = random.Random(seed)
    layers, bodies, counts = [], [], []
    for shape in shapes:
        size = shape[0] * shape[1] * shape[2] * shape[3]
        deviation = (2 * 3 / (size / shape[0])) ** 0.5  # two thirds are left out
        table = [0.0] + [struct.unpack("<f", struct.pack("<f", rng.gauss(0, deviation)))[0] for _ in range(255)]
        biases = [struct.unpack("<f", struct.pack("<f", rng.gauss(0, 0.1)))[0] for _ in range(shape[0])]
        values, codes, gaps = [0.0] * size, bytearray(), []
        at = rng.randrange(3)
        gap = at
        while at < size:
            codes.append(rng.randrange(1, 256))
            gaps.append(gap)
            values[at] = table[codes[-1]]
            gap = rng.choice((0, 1, 2, 3, 4, 15)) if rng.random() < 0.1 else rng.randrange(5)
            at += gap + 1
        nibbles = [*gaps, 0]
        packed = bytes(nibbles[i] + 16 * nibbles[i + 1] for i in range(0, len(gaps), 2))
        counts.append(len(gaps))
        bodies.append(struct.pack(f"<256f{shape[0]}f", *table, *biases) + bytes(codes) + packed)
        layers.append((torch.tensor(values).view(shape), torch.tensor(biases)))
    path.write_bytes(struct.pack(f"<{len(counts) + 1}I", *counts, 7) + b"".join(bodies) + b"the classifier")
    return layers


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Layers]:
    """A teacher of the real shape that knows nothing."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.net"
    return path, write_teacher(path, shapes_of(FIRES))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders of pictures, of which each has some that are learnt from and some that are withheld."""
    for folder, count in (("first", 14), ("second/deeper", 9)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            painted(number, 40 + number, 50).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "second" / "a folder.jpg").mkdir()
    return [tmp_path / "first", tmp_path / "second"]


@pytest.fixture
def short_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of four pictures of 32 pixels."""
    monkeypatch.setattr(lessons, "SIDES", (32,))
    monkeypatch.setattr(lessons, "PIXELS", 4 * 32 * 32)


@pytest.mark.parametrize("seed", range(4))
def test_a_teachers_file_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    fires = ((96, 2, 3), (6, 1, 4))
    monkeypatch.setattr(train_encoder, "FIRES", fires)
    written = write_teacher(tmp_path / "teacher.net", shapes_of(fires), seed)
    found = read_teacher(tmp_path / "teacher.net")
    assert len(found) == len(written)
    for (weight, bias), (wanted_weight, wanted_bias) in zip(found, written, strict=True):
        assert torch.equal(weight, wanted_weight)
        assert torch.equal(bias, wanted_bias)


@pytest.mark.parametrize("length", [0, 3, 11, 500, -100])
def test_a_teachers_file_that_is_too_short_is_named(tmp_path: Path, length: int) -> None:
    path = tmp_path / "teacher.net"
    write_teacher(path, [(96, 3, 7, 7), (16, 96, 1, 1)])
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"teacher\.net"):
        read_teacher(path)


def test_a_file_with_more_weights_than_a_layer_has_room_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_encoder, "FIRES", ())
    write_teacher(tmp_path / "other.net", [(96, 4, 7, 7)])
    with pytest.raises(ValueError, match=r"other\.net.*beyond"):
        read_teacher(tmp_path / "other.net")


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 48), (16, 80)])
def test_the_teachers_maps_have_the_sizes_of_the_students(
    teacher: tuple[Path, Layers], height: int, width: int
) -> None:
    x = torch.zeros(2, 3, height, width)
    wanted = [tuple(found.shape) for found in Encoder().all_maps(x)[1:]]
    assert [tuple(found.shape) for found in teacher_maps(teacher[1], x)] == wanted
    assert [tuple(found.shape) for found in teacher_maps(teacher[1], x, 3)] == wanted[:3]


def offsets(before: torch.Tensor, after: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """How far, in cells of a map (N, C, H, H), the middle of what changed lies from the places (N, 2), on average."""
    cell = 128 // before.shape[2]
    change = (after - before).square().mean(1)
    centres = (torch.arange(change.shape[1]) + 0.5) * cell
    middles = [(change.sum(2 - axis) @ centres) / change.sum((1, 2)) for axis in (0, 1)]
    return (torch.stack(middles, 1) - places).mean(0) / cell


@torch.no_grad()
def test_the_maps_of_teacher_and_student_lie_over_the_same_place(teacher: tuple[Path, Layers]) -> None:
    """A pooling that began one cell too late or too early would be half a cell off, at its own scale and all above."""
    torch.manual_seed(0)
    student = Encoder()
    begin(student, teacher[1], [1.0] * 9)
    places = torch.randint(40, 88, (12, 2))
    x = torch.rand(12, 3, 128, 128) * 2 - 1
    changed = x.clone()
    for number, (row, column) in enumerate(places.tolist()):
        changed[number, :, row - 2 : row + 2, column - 2 : column + 2] *= -1
    theirs = zip(teacher_maps(teacher[1], x), teacher_maps(teacher[1], changed), strict=True)
    ours = zip(student.all_maps(x)[1:], student.all_maps(changed)[1:], strict=True)
    for their, our in zip(theirs, ours, strict=True):
        off, off_too = offsets(*their, places), offsets(*our, places)
        assert off.abs().max() < 0.45
        assert off_too.abs().max() < 0.45
        assert (off - off_too).abs().max() < 0.33


def test_the_student_begins_as_the_teacher_but_for_stem_and_pooling(teacher: tuple[Path, Layers]) -> None:
    layers = teacher[1]
    scale = [0.5 * 1.7**number for number in range(9)]
    torch.manual_seed(1)
    student = Encoder().requires_grad_(False)
    begin(student, layers, scale)
    for number, fire in enumerate(student.fires):
        x = torch.rand(1, FIRES[number][0], 5, 6) * 10
        (squeeze, one, three) = layers[1 + 3 * number : 4 + 3 * number]
        squeezed = F.relu(F.conv2d(x, *squeeze))
        wanted = F.relu(torch.cat([F.conv2d(squeezed, *one), F.conv2d(squeezed, *three, padding=1)], 1))
        torch.testing.assert_close(fire(x / scale[number]) * scale[number + 1], wanted, rtol=1e-4, atol=1e-4)
    for stem in (student.first, student.second, student.third):
        assert float(stem.weight.std()) == pytest.approx((2 / stem.weight[0].numel()) ** 0.5, rel=0.1)
        assert torch.count_nonzero(stem.get_parameter("bias")) == 0


def test_the_yardstick_finds_nothing_wrong_with_the_teacher_himself(teacher: tuple[Path, Layers]) -> None:
    layers = teacher[1]
    pictures = [torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(n)) * 2 - 1 for n in range(2)]
    yardstick = Yardstick(layers, pictures)
    maps = teacher_maps(layers, pictures[0])
    perfect = [found / size for found, size in zip(maps, yardstick.scale, strict=True)]
    assert float(yardstick.loss(perfect, maps)) == 0
    assert explained(perfect, maps, yardstick.scale) == [1.0] * 9
    together = torch.cat([teacher_maps(layers, x)[-1] for x in pictures]) / yardstick.scale[-1]
    assert float(together.square().mean()) == pytest.approx(1, rel=1e-4)
    average = [found.mean((0, 2, 3), keepdim=True).expand_as(found) for found in perfect]
    assert explained(average, maps, yardstick.scale) == pytest.approx([0] * 9, abs=1e-4)
    assert float(yardstick.loss(average, maps)) > 1
    assert float(yardstick.loss(perfect[:1], maps[:1])) == 0


def test_about_every_fifth_picture_is_withheld_always_the_same() -> None:
    assert [number for number in range(30) if held_out(f"{number}.jpg")] == [6, 10, 15, 16, 29]
    share = sum(held_out(f"picture {number}.png") for number in range(10_000)) / 10_000
    assert 0.18 < share < 0.22


def test_what_is_withheld_and_what_is_learnt_from_make_up_the_folder(folders: list[Path]) -> None:
    learnt, withheld = read_folders(folders), read_folders(folders, withheld=True)
    assert [len(a) + len(b) for a, b in zip(learnt, withheld, strict=True)] == [14, 9]
    assert [len(pictures) for pictures in withheld] == [2, 1]  # 8 and 12
    assert [picture.width for picture in withheld[0]] == [52, 48]  # by name: 12 comes before 8
    (folders[1] / "notes.txt").write_text("no picture")
    with pytest.raises(DatasetError):
        [read_folders(folders, withheld) for withheld in (False, True)]


def test_the_same_seed_draws_the_same_batches(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "PIXELS", 3 * 96 * 96)
    pictures = read_folders(folders)
    one, again, other = ([*islice(draw_batches(pictures, seed), 6)] for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(a.shape == b.shape and torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert len({batch.shape[2] for batch in one}) > 1
    for batch in one:
        assert batch.shape[1:] in [(3, side, side) for side in lessons.SIDES]
        assert len(batch) == round(3 * 96 * 96 / batch.shape[2] ** 2)


def test_hundreds_of_lessons_of_every_kind_are_pictures(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "SIDES", (32,))
    monkeypatch.setattr(lessons, "PIXELS", 400 * 32 * 32)
    (batch,) = islice(draw_batches(read_folders(folders), 0), 1)
    assert batch.shape == (400, 3, 32, 32)
    assert batch.min() == -1
    assert batch.max() == 1
    assert len(torch.unique(batch.flatten(1), dim=0)) > 390


@pytest.mark.usefixtures("short_lessons")
def test_a_few_steps_end_in_a_file_that_knows_its_origin(
    teacher: tuple[Path, Layers],
    folders: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "made" / "encoder.safetensors"
    words = ["--teacher", str(teacher[0]), "--out", str(out), "--steps", "12", "--seed", "3", *map(str, folders)]
    monkeypatch.setattr(sys, "argv", ["train_encoder", *words])
    before = torch.get_rng_state()
    train_encoder.main()
    assert torch.equal(torch.get_rng_state(), before)
    assert "step 12" in capsys.readouterr().out
    monkeypatch.setattr(encoder_module, "FILE", out)
    facts = encoder_module.origin()
    assert facts["teacher"] == train_encoder.NOTICE
    assert (facts["seed"], facts["steps"], facts["pictures"], facts["folders"]) == ("3", "12", "48", "first, second")
    assert set(json.loads(facts["explained"])) == {"conv1", *(f"fire{n}" for n in range(2, 10)), "embedding"}
    loaded = encoder_module.load_encoder(Engine.detect("cpu", "float32"))
    assert torch.isfinite(loaded.embed(torch.zeros(1, 3, 32, 32))).all()


@pytest.mark.usefixtures("short_lessons")
def test_the_same_seed_teaches_the_same(teacher: tuple[Path, Layers], folders: list[Path], tmp_path: Path) -> None:
    made = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        train_encoder.teach(teacher[0], folders, tmp_path / name, steps=2, seed=seed)
        made.append(load_file(tmp_path / name))
    one, again, other = made
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert not torch.equal(one["first.weight"], other["first.weight"])
