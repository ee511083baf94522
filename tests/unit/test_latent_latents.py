"""Words become latents: seeds, artgan's own pictures and files, and nothing that is none."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import artgan
from artgan.engine.images import encode_png, read_recipe
from artgan.engine.seeds import latents
from artgan.errors import CheckpointError, UsageError
from artgan.latent.latents import MOST, Latent, draw, latents_from, read_latents, run_of, save_latents
from artgan.models.trained import LoadedGenerator
from tests.conftest import painted
from tests.generators import untrained_run

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("apple", "pear")


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedGenerator:
    """A model without classes, in runs/00000-tiny; the working folder is empty but for runs."""
    monkeypatch.chdir(tmp_path)
    return artgan.load(untrained_run(Path("runs"), z_dim=8))


@pytest.fixture
def fruit(plain: LoadedGenerator) -> LoadedGenerator:
    """A model with classes, in runs/00001-fruit."""
    return artgan.load(untrained_run(Path("runs"), CLASSES, z_dim=8, name="fruit"))


def same(found: list[Latent], z: torch.Tensor, names: Sequence[str | None] | None = None) -> bool:
    rows = np.array_equal(np.stack([latent.z for latent in found]), z.numpy())
    return rows and [latent.class_name for latent in found] == list(names or [None] * len(z))


@pytest.mark.parametrize(
    ("word", "seeds"), [("7", (7,)), ("seed 7", (7,)), ("seeds 3-4", (3, 4)), ("0,3-5", (0, 3, 4, 5)), ("9,2", (9, 2))]
)
def test_seeds_are_the_latents_that_sample_draws(plain: LoadedGenerator, word: str, seeds: tuple[int, ...]) -> None:
    found = latents_from([word], plain)
    assert same(found, latents(seeds, 8))
    assert [latent.name for latent in found] == [str(seed) for seed in seeds]
    assert same(latents_from([word], plain, truncation=0.5), latents(seeds, 8, 0.5))


def test_words_keep_their_order(plain: LoadedGenerator) -> None:
    assert [latent.name for latent in latents_from(["5", "1-2", "0"], plain)] == ["5", "1", "2", "0"]


def test_a_seed_says_its_class_or_takes_the_one_of_all(fruit: LoadedGenerator) -> None:
    found = latents_from(["pear:7", "3"], fruit, class_name="apple")
    assert same(found, latents((7, 3), 8), ["pear", "apple"])
    assert [latent.name for latent in found] == ["pear:7", "apple:3"]


@pytest.mark.parametrize(
    ("words", "class_name", "message"),
    [
        (["7"], None, "trained with classes, and none is named"),
        (["plum:7"], None, "no class 'plum'"),
        (["pear:7"], "plum", "no class 'plum'"),
        (["9-3"], "pear", "not a range"),
        ([str(2**63)], "pear", "not a range"),
        (["3-"], "pear", "not a list of seeds"),
        (["nothing.png"], "pear", "neither a seed nor a file"),
        (["x" * 5000], "pear", "neither a seed nor a file"),
        (["."], "pear", "neither a seed nor a file"),
        (["nothing.npz"], "pear", "neither a seed nor a file"),
    ],
)
def test_what_names_no_latent_is_a_sentence(
    fruit: LoadedGenerator, words: list[str], class_name: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        latents_from(words, fruit, class_name=class_name)
    assert caught.value.hint


def test_a_class_for_a_model_without_is_refused(plain: LoadedGenerator) -> None:
    for words, name in ((["pear:7"], None), (["7"], "pear")):
        with pytest.raises(UsageError, match="without classes"):
            latents_from(words, plain, class_name=name)


def test_a_sample_gives_back_what_it_was_drawn_from(plain: LoadedGenerator) -> None:
    single = artgan.sample(plain.home, seeds="7", truncation=0.7, out="single.png").files[0]
    sheet = artgan.sample(plain.home, seeds="10-14", out="sheet.png").files[0]
    assert same(latents_from([single], plain), latents((7,), 8, 0.7))
    assert same(latents_from([sheet], plain), latents(tuple(range(10, 15)), 8))
    assert same(latents_from([f"{sheet}#3", f"{sheet}#1,4-5"], plain), latents((12, 10, 13, 14), 8))
    assert [latent.name for latent in latents_from([f"{sheet}#3"], plain)] == ["sheet.png#3"]


def test_a_sheet_of_all_classes_is_counted_row_by_row(fruit: LoadedGenerator) -> None:
    sheet = artgan.sample(fruit.home, seeds="4-6", out="sheet.png").files[0]
    found = latents_from([sheet], fruit)
    assert same(found, latents((4, 5, 6, 4, 5, 6), 8), ["apple"] * 3 + ["pear"] * 3)
    assert same(latents_from([f"{sheet}#5"], fruit), latents((5,), 8), ["pear"])


@pytest.mark.parametrize("places", ["0", "6", "1-6", "x", "", "-1", "2-1"])
def test_places_that_are_not_on_the_sheet(plain: LoadedGenerator, places: str) -> None:
    artgan.sample(plain.home, seeds="0-4", out="sheet.png")
    with pytest.raises(UsageError, match=f"sheet.png#{places} is no place on a sheet of 5"):
        latents_from([f"sheet.png#{places}"], plain)


def test_a_name_with_a_hash_is_a_name_if_there_is_such_a_file(plain: LoadedGenerator) -> None:
    artgan.sample(plain.home, seeds="4", out="work#2.png")
    assert same(latents_from(["work#2.png"], plain), latents((4,), 8))
    assert same(latents_from(["work#2.png#1"], plain), latents((4,), 8))


def test_ones_own_picture_is_projected_where_that_is_possible(plain: LoadedGenerator) -> None:
    painted(0, 20, 16).save("mine.png")
    wanted = Latent(np.ones(8, np.float32), None, "mine.png")
    asked: list[Path] = []

    def project(path: Path) -> Latent:
        asked.append(path)
        return wanted

    assert latents_from(["3", "mine.png"], plain, project=project)[1] is wanted
    assert asked == [Path("mine.png")]
    with pytest.raises(UsageError, match=r"mine\.png does not say how it was made"):
        latents_from(["mine.png"], plain)


def test_latents_of_another_run_are_refused(plain: LoadedGenerator, fruit: LoadedGenerator) -> None:
    artgan.sample(plain.home, seeds="3", out="a.png")
    save_latents(Path("a.npz"), latents_from(["3"], plain), plain.run)
    for word in ("a.png", "a.npz"):
        with pytest.raises(UsageError, match=rf"{word} was made by 00000-tiny, not by 00001-fruit") as caught:
            latents_from([word], fruit, class_name="pear")
        assert "--run" in caught.value.hint


def test_the_run_that_drew_a_picture_is_found(plain: LoadedGenerator, fruit: LoadedGenerator) -> None:
    artgan.sample(plain.home, seeds="3", out="a.png")
    inside = artgan.sample(fruit.home, seeds="3").files[0]
    assert run_of(["5", "a.png"], Path("runs")) == plain.home.relative_to(Path.cwd())
    assert run_of([inside, "a.png"], Path("nowhere")) == fruit.home
    assert run_of(["5", "gone.png"], Path("runs")) is None
    with pytest.raises(CheckpointError, match="no run '00000-tiny'"):
        run_of(["a.png"], Path("nowhere"))


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_saved_latents_come_back_exactly(fruit: LoadedGenerator, suffix: str) -> None:
    chosen = latents_from(["pear:0-3", "apple:9"], fruit)
    path = Path(f"mine{suffix}")
    save_latents(path, chosen, fruit.run)
    found = latents_from([path], fruit)
    assert [latent.name for latent in found] == [f"mine{suffix}#{number}" for number in range(1, 6)]
    assert np.array_equal([a.z for a in found], [b.z for b in chosen])
    assert [a.class_name for a in found] == [b.class_name for b in chosen]
    assert torch.equal(draw(fruit, found), draw(fruit, chosen))
    assert latents_from([f"{path}#5"], fruit)[0].class_name == "apple"


def test_latents_written_by_hand(fruit: LoadedGenerator) -> None:
    Path("one.json").write_text(json.dumps({"z": [[0.5] * 8], "class": "pear"}))
    Path("two.json").write_text(json.dumps({"z": [[0.5] * 8, [1] * 8], "class": ["pear", None]}))
    np.savez("three.npz", z=np.zeros((2, 8)))
    assert [x.name for x in latents_from(["one.json"], fruit)] == ["one.json"]
    assert [x.class_name for x in latents_from(["two.json"], fruit, class_name="apple")] == ["pear", "apple"]
    assert [x.class_name for x in latents_from(["three.npz"], fruit, class_name="apple")] == ["apple", "apple"]
    with pytest.raises(UsageError, match="none is named"):
        latents_from(["three.npz"], fruit)


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def claiming(shape: str) -> bytes:
    """An array whose header claims a shape that is not there."""
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return zipped("z.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())


HOSTILE = {
    "empty.npz": b"",
    "text.npz": b"no archive",
    "no z.npz": npz(y=np.zeros((1, 8))),
    "another z_dim.npz": npz(z=np.zeros((1, 9))),
    "one row.npz": npz(z=np.zeros(8)),
    "none.npz": npz(z=np.zeros((0, 8))),
    "too many.npz": npz(z=np.zeros((MOST + 1, 8), np.float32)),
    "complex.npz": npz(z=np.zeros((1, 8), np.complex64)),
    "nan.npz": npz(z=np.full((1, 8), np.nan)),
    "far.npz": npz(z=np.full((1, 8), 1e30)),
    "words.npz": npz(z=np.full((1, 8), "x")),
    "pickle.npz": npz(z=np.full((1, 8), None)),
    "classes.npz": npz(z=np.zeros((2, 8)), c=np.array(["a"])),
    "bomb.npz": zipped("z.npy", b"\0" * (300 << 20)),
    "a claim of exabytes.npz": claiming("(4611686018427387904, 8)"),
    "a claim of gigabytes.npz": claiming("(1000000000, 8)"),
    "a claim below zero.npz": claiming("(-1, 8)"),
    "a claim that is no shape.npz": claiming("__import__('os')"),
    "text.json": b"no json",
    "list.json": b"[1, 2]",
    "no z.json": b"{}",
    "deep.json": b"[" * 100_000,
    "ragged.json": json.dumps({"z": [[1.0] * 8, [1.0]]}).encode(),
    "number.json": b'{"z": 3}',
    "nan.json": json.dumps({"z": [[float("nan")] * 8]}).encode(),
    "huge.json": json.dumps({"z": [[10**400] * 8]}).encode(),
    "class.json": json.dumps({"z": [[1.0] * 8], "class": [3]}).encode(),
    "strings.json": json.dumps({"z": [["x"] * 8]}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_holds_no_latents_is_a_sentence(plain: LoadedGenerator, name: str) -> None:
    Path(name).write_bytes(HOSTILE[name])
    with pytest.raises(UsageError) as caught:
        read_latents(Path(name), plain)
    assert name in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.hint


BAD_ROWS: list[Any] = [None, [], 3, [3], [{}], [{"z": [0.0] * 8}]]


def test_a_damaged_recipe_is_a_sentence(plain: LoadedGenerator) -> None:
    good = read_recipe(artgan.sample(plain.home, seeds="3", out="a.png").files[0])
    held = {"run": plain.run, "latents": [{"z": [0.0] * 8, "class": None}]}

    def written(recipe: dict[str, Any]) -> Path:
        path = Path("changed.png")
        path.write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), recipe))
        return path

    assert len(latents_from([written(held)], plain)) == 1
    changes: list[dict[str, Any]] = [
        *({**good, "seeds": seeds} for seeds in (None, [], ["x"], [-1], [2**63], [float("inf")], [0] * (MOST + 1))),
        *({**good, "truncation": truncation} for truncation in ("no", -1, 0)),
        {**good, "class": "pear"},
        {**good, "class": ["pear"]},
        {**good, "classes": 3},
        *({**held, "latents": rows} for rows in BAD_ROWS),
        *({**held, "latents": [{"z": z, "class": None}]} for z in (None, 3, [0.0], [[0.0] * 8], ["x"] * 8, [1e99] * 8)),
        {**held, "latents": [{"z": [0.0] * 8, "class": 3}]},
        {**held, "run": 3},
    ]
    for change in changes:
        with pytest.raises(UsageError):
            latents_from([written(change)], plain)
