"""Pictures from seeds: the same seed is the same picture, and every file says how it was made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import artgan
from artgan.engine.images import read_recipe

TINY: dict[str, object] = {
    "data.resolution": 8,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.total_kimg": 0.008,
}


@pytest.fixture
def run(class_folders: Path, tmp_path: Path) -> Path:
    return artgan.train(class_folders, preset=None, overrides=TINY, runs_dir=tmp_path / "runs").run


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_single_pictures_carry_their_recipe(run: Path, tmp_path: Path) -> None:
    name = artgan.load(run).classes[1]
    result = artgan.sample(run, seeds="4,7-8", class_name=name, truncation=0.7, out=tmp_path / "out")
    assert [file.name for file in result.files] == [f"01-{name}-seed{seed:05d}.png" for seed in (4, 7, 8)]
    recipe = read_recipe(result.files[0])
    assert recipe["seeds"] == [4]
    assert recipe["class"] == name
    assert recipe["run"] == run.name
    assert recipe["nimg"] == 8
    assert recipe["command"] == f"artgan sample {run.name} --seeds 4 --class {name} --truncation 0.7"
    assert recipe["settings"]["train"]["batch"] == 4


def test_the_same_seed_is_the_same_picture_alone_in_company_and_on_a_sheet(run: Path, tmp_path: Path) -> None:
    name = artgan.load(run).classes[0]
    many = artgan.sample(run, seeds="0-69", class_name=name, out=tmp_path / "many").files
    alone = artgan.sample(run, seeds="66", class_name=name, out=tmp_path / "alone.png").files[0]
    sheet = artgan.sample(run, seeds="65-67", class_name=name, out=tmp_path / "sheet.png").files[0]
    assert np.array_equal(pixels(many[66]), pixels(alone))
    assert np.array_equal(pixels(sheet)[2:10, 12:20], pixels(alone))
    assert not np.array_equal(pixels(many[65]), pixels(alone))


def test_a_sheet_of_all_classes_has_a_row_for_each(run: Path, tmp_path: Path) -> None:
    sheet = artgan.sample(run, seeds="0-4", out=tmp_path / "sheet.png").files[0]
    assert pixels(sheet).shape == (3 * 10 + 2, 5 * 10 + 2, 3)
    names = artgan.load(run).classes
    second = artgan.sample(run, seeds="3", class_name=names[2], out=tmp_path / "one.png").files[0]
    assert np.array_equal(pixels(sheet)[22:30, 32:40], pixels(second))


def test_truncation_draws_other_pictures_closer_together(run: Path, tmp_path: Path) -> None:
    wide, narrow = (
        np.stack([pixels(f) for f in artgan.sample(run, seeds="0-15", truncation=t, out=tmp_path / str(t)).files])
        for t in (None, 0.01)
    )
    assert narrow.std(0).mean() < wide.std(0).mean()


def test_the_default_sheet_lies_in_the_run_and_may_be_drawn_again(run: Path) -> None:
    first = artgan.sample(run).files[0]
    assert first.parent == run / "samples"
    before = first.read_bytes()
    assert artgan.sample(run).files[0].read_bytes() == before


def test_existing_files_are_kept_unless_told_otherwise(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.png"
    out.write_bytes(b"precious")
    with pytest.raises(artgan.ArtganError, match=r"mine\.png exists") as refusal:
        artgan.sample(run, out=out)
    assert refusal.value.exit_code == 2
    assert out.read_bytes() == b"precious"
    artgan.sample(run, out=out, overwrite=True)
    assert pixels(out).ndim == 3


def test_a_shared_file_is_enough(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "elsewhere" / "fruit.safetensors"
    shared.parent.mkdir()
    shutil.copy(run / "checkpoints" / "000000008" / "generator.safetensors", shared)
    from_run = artgan.sample(run, seeds="1", out=tmp_path / "a.png").files[0]
    shutil.rmtree(run)
    from_file = artgan.sample(shared, seeds="1", out=tmp_path / "b.png").files[0]
    assert np.array_equal(pixels(from_run), pixels(from_file))
    assert artgan.sample(shared).files[0].parent == shared.parent / "samples"
    monkeypatch.chdir(shared.parent)  # by its bare name, as the README has it
    assert artgan.sample(shared.name).files[0].parent.resolve() == (shared.parent / "samples").resolve()


def test_wrong_requests_are_answered_with_what_would_be_right(run: Path, tmp_path: Path) -> None:
    with pytest.raises(artgan.ArtganError, match="no class 'aple'") as refusal:
        artgan.sample(run, class_name="aple")
    assert artgan.load(run).classes[0] in refusal.value.hint
    for seeds in ((), (-1,), (2**63,)):
        with pytest.raises(artgan.ArtganError, match="Seeds are"):
            artgan.sample(run, seeds=seeds)
    with pytest.raises(artgan.ArtganError, match="--truncation"):
        artgan.sample(run, truncation=0)
    with pytest.raises(artgan.ArtganError, match="no run 'nothing'"):
        artgan.sample("nothing", runs_dir=tmp_path / "runs")
    with pytest.raises(artgan.ArtganError, match="no run in"):
        artgan.sample(runs_dir=tmp_path / "empty")


def test_a_hostile_header_is_refused(run: Path, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    good = run / "checkpoints" / "000000008" / "generator.safetensors"
    with safe_open(good, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for change in (
        {"settings": "[]"},
        {"settings": json.dumps({"shape": [3, 10**9, 8]})},
        {"settings": json.dumps({"shape": [3, 16, 16]})},
        {"classes": "{}"},
        {"nimg": "many"},
        {"format": "other/1"},
    ):
        bad = tmp_path / "bad.safetensors"
        save_file(tensors, bad, {**header, **change})
        with pytest.raises(artgan.ArtganError) as refusal:
            artgan.load(bad)
        assert refusal.value.exit_code in (4, 5)
