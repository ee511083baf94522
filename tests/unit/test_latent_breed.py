"""Children of pictures: what they take from whom, what is written of it, and that it can be done again."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import artgan
from artgan.engine.images import encode_png, read_recipe
from artgan.engine.seeds import latents
from artgan.errors import ArtganError, CheckpointError, UsageError
from artgan.latent.breed import cross
from artgan.latent.latents import Latent, latents_from, save_latents
from tests.conftest import painted
from tests.generators import untrained_run
from tests.painting import pixels

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("apple", "pear")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run without classes; the working folder is empty but for runs."""
    monkeypatch.chdir(tmp_path)
    return untrained_run(Path("runs"), z_dim=8)


def parents_of(z_dim: int = 256) -> list[Latent]:
    return [Latent(z, name, name) for z, name in zip(latents((1, 2), z_dim).numpy(), CLASSES, strict=True)]


def test_every_number_of_a_child_is_one_parents_but_for_its_length() -> None:
    parents = parents_of()
    for number in range(1, 9):
        z = cross(parents, number).z
        ratios = np.stack([z / parent.z for parent in parents])
        scale = np.median(ratios.round(4))
        assert np.isclose(ratios, scale, rtol=1e-3).any(0).all()
        lengths = [np.linalg.norm(parent.z) for parent in parents]
        assert min(lengths) - 1e-3 <= np.linalg.norm(z) <= max(lengths) + 1e-3


def test_children_differ_and_take_after_both_parents_evenly() -> None:
    parents = parents_of()
    children = [cross(parents, number) for number in range(1, 201)]
    assert len({child.z.tobytes() for child in children}) == 200
    # Of unrelated parents, what is shared with one is the cosine; on average it is a half.
    cosines = np.array(
        [[child.z @ p.z / np.linalg.norm(child.z) / np.linalg.norm(p.z) for p in parents] for child in children]
    )
    assert np.allclose(cosines.mean(0), 0.5, atol=0.06)
    assert cosines.std(0).min() > 0.1
    classes = [child.class_name for child in children]
    assert 70 < classes.count("apple") < 130
    assert set(classes) == set(CLASSES)


def test_a_child_is_the_same_in_any_company_and_another_with_another_seed() -> None:
    parents = parents_of()
    assert np.array_equal(cross(parents, 3).z, cross(parents, 3).z)
    assert not np.array_equal(cross(parents, 3).z, cross(parents, 3, seed=1).z)


def test_mutation_goes_from_the_parent_to_a_stranger() -> None:
    parent = parents_of()[:1]
    cosines = []
    for mutate in (0.0, 0.2, 0.6, 1.0):
        z = cross(parent, 1, mutate).z
        assert np.linalg.norm(z) == pytest.approx(np.linalg.norm(parent[0].z), rel=1e-5)
        cosines.append(float(z @ parent[0].z / np.linalg.norm(z) ** 2))
    assert cosines == pytest.approx([1, np.sqrt(1 - 0.2**2), 0.8, 0], abs=0.15)
    assert cosines == sorted(cosines, reverse=True)


def test_children_are_written_on_a_sheet_and_one_by_one(run: Path) -> None:
    result = artgan.breed([3, 14], run, children=5, seed=2, out="out")
    assert result.parents == ("3", "14")
    assert [file.name for file in result.files] == [f"child0{number}.png" for number in range(1, 6)]
    sheet = pixels(result.sheet)
    assert sheet.shape == (2 * 18 + 2, 5 * 18 + 2, 3)  # parents above, children below
    mother = artgan.sample(run, seeds="3", out="mother.png").files[0]
    assert np.array_equal(sheet[2:18, 2:18], pixels(mother))
    assert (sheet[:18, 2 * 18 + 2 :] == 255).all()
    for number, file in enumerate(result.files):
        assert np.array_equal(sheet[20:36, 2 + 18 * number : 18 + 18 * number], pixels(file))
    recipe = read_recipe(result.files[2])
    model = artgan.load(run)
    expected = latents((3, 14), 8)
    assert [parent["name"] for parent in recipe["parents"]] == ["3", "14"]
    assert np.array_equal(np.array([parent["z"] for parent in recipe["parents"]], np.float32), expected.numpy())
    child = cross(latents_from(["3", "14"], model), 3, 0.0, 2)
    assert np.array_equal(np.array(recipe["latents"][0]["z"], np.float32), child.z)
    assert [x.name for x in latents_from([f"{result.sheet}#5"], model)] == ["sheet.png#5"]
    assert np.array_equal(latents_from([f"{result.sheet}#5"], model)[0].z, child.z)


def test_every_kind_of_parent_and_children_as_parents(run: Path) -> None:
    model = artgan.load(run)
    save_latents(Path("kept.npz"), latents_from(["8-9"], model), model.run)
    artgan.sample(run, seeds="20-23", out="sheet.png")
    first = artgan.breed(["3", "sheet.png#2", "kept.npz"], children=3)
    assert first.parents == ("3", "sheet.png#2", "kept.npz#1", "kept.npz#2")
    assert first.sheet.parent.parent == run.absolute() / "children"
    second = artgan.breed([first.files[0], first.files[2]], children=2, mutate=0.3, out="grandchildren")
    assert second.parents == ("child01.png", "child03.png")
    said = read_recipe(second.files[0])["parents"]
    assert said[0]["z"] == read_recipe(first.files[0])["latents"][0]["z"]


def test_ones_own_picture_is_a_parent(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artgan.latent.project.STEPS", 4)
    painted(0, 24, 20).save("mine.jpg")
    events: list[Any] = []
    result = artgan.breed(["mine.jpg", "5"], run, children=2, on_event=events.append)
    assert result.parents == ("mine.jpg", "5")
    assert (events[-1].done, events[-1].total, events[-1].picture) == (4, 4, Path("mine.jpg"))
    found = read_recipe(result.files[0])["parents"][0]
    assert np.linalg.norm(found["z"]) == pytest.approx(np.sqrt(7.5), abs=1.42)


def test_the_run_of_the_parents_is_taken(run: Path) -> None:
    artgan.sample(run, seeds="3-4", out="sheet.png")
    untrained_run(Path("runs"), z_dim=8, name="newer")
    assert artgan.breed(["sheet.png"], children=1, out="a").run == run.name
    assert artgan.breed(["3", "4"], children=1, out="b").run == "00001-newer"
    with pytest.raises(UsageError, match="was made by 00000-tiny, not by 00001-newer"):
        artgan.breed(["sheet.png"], "newer", children=1, out="c")


def test_classes_come_from_the_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = untrained_run(Path("runs"), CLASSES, z_dim=8)
    result = artgan.breed(["pear:1", "apple:2"], run, children=12)
    classes = [read_recipe(file)["latents"][0]["class"] for file in result.files]
    assert set(classes) == set(CLASSES)
    again = artgan.breed([result.files[classes.index("pear")], "3"], class_name="pear", children=4)
    assert {read_recipe(file)["latents"][0]["class"] for file in again.files} == {"pear"}
    assert artgan.breed(["3", "14"], run, children=1).parents == ("apple:3", "pear:14")  # in turn, as in a walk


def test_children_are_made_again_by_recipe_and_by_command(run: Path) -> None:
    first = artgan.breed(["3", "4", "5"], run, children=3, mutate=0.25, seed=7, truncation=0.8)
    for file in (first.sheet, *first.files):
        made = artgan.again(file)
        assert made == file.with_stem(f"{file.stem}-again")
        assert made.read_bytes() == file.read_bytes()
    words = shlex.split(read_recipe(first.sheet)["command"])
    assert words[:2] == ["artgan", "breed"]
    from artgan.cli.main import app

    result = CliRunner().invoke(app, [*words[1:], "-o", "out"])
    assert result.exit_code == 0, result.stderr
    for file in (first.sheet, *first.files):
        assert (Path("out") / file.name).read_bytes() == file.read_bytes()


def test_a_moved_child_is_found_by_its_run_and_needs_its_checkpoint(run: Path) -> None:
    first = artgan.breed(["3", "4"], run, children=1, out="out").files[0]
    Path("far").mkdir()
    shutil.copy(first, "far/away.png")
    assert artgan.again("far/away.png").read_bytes() == first.read_bytes()
    with pytest.raises(UsageError, match="does not end in"):
        artgan.again(first, "x.jpg")
    with pytest.raises(UsageError, match=r"away-again\.png exists"):
        artgan.again("far/away.png")
    shutil.rmtree(run / "checkpoints" / "000000064")
    with pytest.raises(CheckpointError, match="is gone"):
        artgan.again(first)


@pytest.mark.parametrize("parents", [None, 3, [], "x"])
def test_a_damaged_child_is_a_sentence(run: Path, parents: object) -> None:
    recipe = read_recipe(artgan.breed(["3", "4"], run, children=1, out="out").files[0])
    path = Path("changed.png")
    path.write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), {**recipe, "parents": parents}))
    with pytest.raises(UsageError, match="it names no parents"):
        artgan.again(path)


def test_existing_files_are_kept_and_the_runs_own_replaced(run: Path) -> None:
    own = artgan.breed(["3", "4"], run, children=2)
    before = own.sheet.read_bytes()
    assert artgan.breed(["3", "4"], run, children=2).sheet == own.sheet
    assert own.sheet.read_bytes() == before
    others: list[dict[str, Any]] = [{"children": 3}, {"mutate": 0.1}, {"seed": 1}, {"truncation": 0.5}]
    assert len({own.sheet, *(artgan.breed(["3", "4"], run, **{"children": 2, **x}).sheet for x in others)}) == 5
    Path("out").mkdir()
    Path("out/child02.png").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"child02\.png exists"):
        artgan.breed(["3", "4"], run, children=2, out="out")
    assert [path.name for path in Path("out").iterdir()] == ["child02.png"]
    assert Path("out/child02.png").read_bytes() == b"precious"
    artgan.breed(["3", "4"], run, children=2, out="out", overwrite=True)
    assert Path("out/child02.png").read_bytes() == own.files[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"parents": ["3"]}, "One parent alone"),
        ({"parents": []}, "One parent alone"),
        ({"children": 0}, "--children 0"),
        ({"children": 1001}, "--children 1001"),
        ({"mutate": -0.1}, "--mutate -0.1"),
        ({"mutate": 1.1}, "--mutate 1.1"),
        ({"mutate": float("nan")}, "--mutate nan"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**63}, "--seed"),
        ({"truncation": 0}, "--truncation"),
        ({"class_name": "pear"}, "without classes"),
        ({"parents": ["3", "gone.png"]}, r"'gone\.png' is neither a seed nor a file"),
        ({"run": "nothing"}, "no run 'nothing'"),
    ],
)
def test_wrong_requests_are_sentences_and_write_nothing(run: Path, words: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtganError, match=message) as caught:
        artgan.breed(**{"parents": ["3", "4"], "run": run, "children": 2, "out": "out", **words})
    assert caught.value.hint
    assert not Path("out").exists()


def test_one_parent_has_children_with_mutation(run: Path) -> None:
    result = artgan.breed(["3"], run, children=2, mutate=0.3, out="out")
    assert not np.array_equal(pixels(result.files[0]), pixels(result.files[1]))


def test_a_generator_in_the_hand_draws_what_the_commands_draw(run: Path) -> None:
    generator = artgan.Generator.load(run)
    assert (generator.z_dim, generator.classes) == (8, ())
    drawn = generator.sample([7, 3], truncation=0.7)
    assert drawn.shape == (2, 3, 16, 16)
    written = artgan.sample(run, seeds="3", truncation=0.7, out="three.png").files[0]
    assert np.array_equal(((drawn[1] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy(), pixels(written))
    z = latents((7, 3), 8, 0.7)
    assert torch.equal(generator.render(z), drawn)
    assert torch.equal(generator.render(z.numpy()), drawn)
    for wrong in (z[0], z[:, :7], z[:0], torch.full((1, 8), torch.nan)):
        with pytest.raises(UsageError, match="Latents of the shape"):
            generator.render(wrong)
    for seeds in ([], [-1], [2**63]):
        with pytest.raises(UsageError, match="Seeds are"):
            generator.sample(seeds)
    with pytest.raises(UsageError, match="without classes"):
        generator.sample([1], "pear")


def test_a_generator_with_classes_is_told_one_or_one_each(run: Path) -> None:
    generator = artgan.Generator.load(untrained_run(Path("runs"), CLASSES, z_dim=8))
    z = latents((7, 7), 8)
    apple, pear = generator.render(z, ["apple", "pear"])
    assert torch.equal(apple, generator.sample([7], "apple")[0])
    assert torch.equal(pear, generator.sample([7], "pear")[0])
    assert not torch.equal(apple, pear)
    for name, message in ((None, "none is named"), ("plum", "no class 'plum'"), (["apple"], "1 classes for 2")):
        with pytest.raises(UsageError, match=message):
            generator.render(z, name)
