"""Packs: one file to publish, which every command draws from, and which tells nothing of where it was made."""

import json
import tomllib
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

import artgan
from artgan.config import validated
from artgan.engine.images import read_recipe
from artgan.errors import UsageError
from artgan.latent.latents import draw, latents_from
from artgan.metrics.sets import find_checkpoints, is_pictures
from artgan.models.directions import write_directions
from artgan.models.packed import MEMBERS
from artgan.models.trained import load
from artgan.sharing.pack import pack
from artgan.training.source import read_source
from tests.sharing import CASES, SECRET, shareable


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scores = {"kid500_artgan64": 0.0123, "fd500_artgan64": 4.5}
    return shareable(tmp_path_factory.mktemp("runs"), **CASES["painter, classes, tall"], scores=scores)


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


@pytest.mark.parametrize("case", CASES)
def test_a_pack_is_the_model(tmp_path: Path, case: str) -> None:
    run = shareable(tmp_path / "runs", **CASES[case])
    model, again = load(run, device="cpu"), load(pack(run).file, device="cpu")
    assert (again.classes, again.texts, again.run, again.nimg) == (model.classes, model.texts, model.run, 64)
    assert [*again.directions] == [*model.directions]
    assert all((again.directions[name] == row).all() for name, row in model.directions.items())
    state = again.network.state_dict()
    assert all((state[name] == value).all() for name, value in model.network.state_dict().items())


def test_what_commands_draw_from_a_pack_is_what_they_draw_from_its_run(run: Path) -> None:
    file = pack(run, "fruit.artgan").file
    one = artgan.sample(run, seeds="0-2", class_name="pear", out="one.png").files[0]
    two = artgan.sample(file, seeds="0-2", class_name="pear", out="two.png").files[0]
    assert read_recipe(one)["run"] == read_recipe(two)["run"]
    generator = artgan.Generator.load(file)
    assert (generator.sample([3], "apple") == artgan.Generator.load(run).sample([3], "apple")).all()
    with Image.open(one) as left, Image.open(two) as right:
        assert left.tobytes() == right.tobytes()
    film = artgan.walk("walk.gif", run=file, frames=3, keys=["pear:1,2"])
    assert film.frames == 3
    assert artgan.sample(file, seeds="0").files[0].parent == file.absolute().parent / "samples"


def test_scores_and_new_runs_begin_from_a_pack(run: Path) -> None:
    file = pack(run, "fruit.artgan").file
    assert not is_pictures(file)
    assert find_checkpoints(file, Path("runs")) == (None, [file])
    source = read_source(file, Path("runs"))
    assert (source.run, source.nimg, source.D) == (run.name, 64, None)
    G = load(run, device="cpu").network.state_dict()
    assert all((value == G[name]).all() for name, value in source.G_ema.state_dict().items())


def test_it_has_what_it_says_in_a_set_order(run: Path) -> None:
    file = pack(run).file
    assert file == Path("00000-shared.artgan")
    with zipfile.ZipFile(file) as archive:
        assert tuple(archive.namelist()) == MEMBERS
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    files = json.loads(member(file, "manifest.json"))["files"]
    assert sorted(files) == sorted(name for name in MEMBERS if name != "manifest.json")
    config = tomllib.loads(member(file, "config.toml").decode())
    assert config.pop("title") == "00000-shared"
    config.pop("description")
    assert validated(config).model.name == "painter"


def test_the_same_model_and_words_are_the_same_bytes(run: Path) -> None:
    first = pack(run, "a.artgan", title="Fruit", licence="CC BY 4.0").file.read_bytes()
    assert pack(run, "a.artgan", title="Fruit", licence="CC BY 4.0", overwrite=True).file.read_bytes() == first
    assert pack(run, "a.artgan", title="Other", overwrite=True).file.read_bytes() != first


def test_nothing_tells_who_made_it(run: Path) -> None:
    file = pack(run).file
    raw = file.read_bytes() + json.dumps(read_recipe(_written(member(file, "samples.png")))).encode()
    for secret in (SECRET, "jane-doe", str(run.parent), str(Path.home()), str(Path.cwd())):
        assert secret.encode() not in raw, secret


def _written(raw: bytes) -> Path:
    path = Path("samples.png")
    path.write_bytes(raw)
    return path


def test_the_card_says_what_is_known_and_what_was_given(run: Path) -> None:
    file = pack(
        run,
        title="  Fruit of\nthe garden ",
        description="Watercolours of fruit.",
        licence="CC BY 4.0",
        data="Plates of the pomological collection.",
        data_licence="public domain",
        use="Book covers.",
    ).file
    card = member(file, "README.md").decode()
    assert card.startswith("# Fruit of the garden\n\nWatercolours of fruit.\n\n![")
    for line in (
        "- draws: 16 x 32 pixels, rgb",
        "- classes: pear, apple",
        "- sliders: warm",
        "- description: Plates of the pomological collection.",
        "- licence: public domain",
        "- pictures: 123",
        "- by class: pear 3, apple 4",
        "- fingerprint: f1a9e2",
        "- kid500_artgan64: 0.0123",
        "- fd500_artgan64: 4.5",
        "Book covers.",
        "CC BY 4.0",
        'artgan sample 00000-shared.artgan --seeds 0-15 --class "pear"',
    ):
        assert f"\n{line}\n" in card, line


def test_what_nobody_said_is_named(run: Path) -> None:
    result = pack(run, title="Fruit", use=" ")
    assert result.missing == ("--description", "--licence", "--data", "--data-licence", "--use")
    card = member(result.file, "README.md").decode()
    assert "- description: not stated" in card
    assert "Not stated: ask whoever published it" in card


def test_a_file_without_its_run_is_packed_with_what_is_known(run: Path, tmp_path: Path) -> None:
    shared = artgan.export(run, tmp_path / "far" / "x.safetensors").file
    card = member(pack(shared).file, "README.md").decode()
    assert "- pictures: not known" in card
    assert "It was not scored" in card


def test_pictures_of_a_pack_can_be_walked_from(run: Path) -> None:
    file = pack(run).file
    model = load(file, device="cpu")
    found = latents_from([f"{_written(member(file, 'samples.png'))}#8"], model)
    assert (draw(model, found) == draw(model, latents_from(["apple:1"], model))).all()


def test_directions_of_a_pack_are_its_own(run: Path, tmp_path: Path) -> None:
    """Those of another model may lie in the folder where it was put."""
    plain = shareable(tmp_path / "runs", "mlp", z_dim=8)
    file = pack(plain, tmp_path / "plain.artgan").file
    write_directions(tmp_path, {"wrong": torch.zeros(8)})
    assert dict(load(file, device="cpu").directions) == {}
    assert [*load(pack(run).file, device="cpu").directions] == ["warm"]


def test_what_makes_no_sense_is_refused(run: Path) -> None:
    file = pack(run).file
    with pytest.raises(UsageError, match="exists"):
        pack(run, file)
    with pytest.raises(UsageError, match=r"does not end in \.artgan"):
        pack(run, "x.zip")
    with pytest.raises(UsageError, match="--licence has 6000 letters"):
        pack(run, "x.artgan", licence="x" * 6000)
    with pytest.raises(UsageError, match="is packed already"):
        pack(file, "x.artgan")
    assert not Path("x.artgan").exists()
