"""`artgan.score` on tiny sets: what it reads, what it refuses, what it remembers."""

import dataclasses
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import artgan
from artgan.engine.device import Engine
from artgan.errors import ArtganError, CheckpointError, DatasetError, Interrupted, UsageError, WeightsError
from artgan.latent.sample import sample
from artgan.metrics import features as features_module
from artgan.metrics import score as score_module
from artgan.metrics.features import fitted, look, view_of
from artgan.metrics.networks import FeatureNetwork, open_network
from artgan.metrics.score import ScoreResult, score
from artgan.metrics.sets import folder_set, sample_set
from artgan.models.trained import load
from artgan.training.train import train
from tests.conftest import painted

TINY = {"model.base_channels": 4, "model.z_dim": 4, "snapshot.checkpoint_kimg": 0.008}


def value(result: ScoreResult, base: str, number: int = -1) -> float:
    """The figure whose name begins with `base`."""
    return next(f.value for f in result.sets[number].figures if re.split(r"\d", f.name)[0] == base)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Ten pictures that are not in `paintings`."""
    folder = tmp_path / "others"
    folder.mkdir()
    for seed in range(10):
        painted(500 + seed, 20, 20).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def network() -> FeatureNetwork:
    return open_network("artgan", Engine.detect("cpu", "float32"))


def trained(folder: Path, tmp_path: Path) -> Path:
    """A run of three checkpoints."""
    result = train(
        folder, preset="studio64", overrides=TINY, batch=4, resolution=8, kimg=0.024, runs_dir=tmp_path / "runs"
    )
    return result.run


def test_a_set_against_itself_and_against_another(paintings: Path, others: Path) -> None:
    same = score(real=paintings, fake=paintings)
    assert value(same, "fd") == 0.0
    assert value(same, "precision") == value(same, "recall") == value(same, "coverage") == value(same, "modes") == 1.0
    assert value(same, "diversity") == pytest.approx(1.0)
    assert same.real_count == 12
    assert same.view == (128, 128)
    other = score(real=paintings, fake=others)
    assert value(other, "fd") > 0.1
    names = [figure.name for figure in other.sets[0].figures]
    assert names[0] == "kid10_artgan"
    assert "fd10_artgan" in names
    assert not any(name.startswith("fid") for name in names)
    assert any(note.startswith("KID leads: with 10 pictures") for note in other.notes)
    assert other.floor_counts == (6, 6)
    json.dumps(dataclasses.asdict(other), default=str)


def test_precision_is_the_recall_of_the_sides_swapped(paintings: Path, others: Path) -> None:
    there, back = score(real=paintings, fake=others), score(real=others, fake=paintings)
    assert value(there, "precision") == value(back, "recall")
    assert value(there, "fd") == pytest.approx(value(back, "fd"), rel=1e-6)


def test_a_zip_and_a_folder_of_the_same_pictures_are_the_same(paintings: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in paintings.iterdir():
            archive.write(file, file.name)
    assert value(score(real=paintings, fake=packed), "fd") == 0.0


def test_odd_modes_sizes_and_broken_files_are_met_one_by_one(others: Path, paintings: Path) -> None:
    Image.new("L", (300, 40), 90).save(others / "grey.png")
    painted(3, 40, 60).convert("CMYK").save(others / "print.jpg")
    painted(4, 33, 17).convert("RGBA").save(others / "clear.png")
    (others / "broken.png").write_bytes((others / "1.png").read_bytes()[:60])
    result = score(real=paintings, fake=others)
    assert result.sets[0].count == 13
    assert any("left out broken.png (broken" in note for note in result.notes)


def test_too_few_or_equal_pictures_are_refused_in_one_sentence(paintings: Path, tmp_path: Path) -> None:
    lone = tmp_path / "lone"
    lone.mkdir()
    with pytest.raises(DatasetError, match="holds no pictures"):
        score(real=paintings, fake=lone)
    painted(1, 20, 20).save(lone / "1.png")
    with pytest.raises(DatasetError, match="has 1 usable pictures; a score needs at least 2"):
        score(real=paintings, fake=lone)
    (lone / "2.png").write_bytes(b"no picture at all")
    with pytest.raises(DatasetError, match=r"1 usable pictures \(not a picture\)"):
        score(real=paintings, fake=lone)
    with pytest.raises(DatasetError, match="does not exist"):
        score(real=tmp_path / "nowhere.zip", fake=paintings)
    for number in range(2, 6):
        painted(1, 20, 20).save(lone / f"{number}.png")
    with pytest.raises(DatasetError, match="All real pictures are the same"):
        score(real=lone, fake=paintings)
    collapsed = score(real=paintings, fake=lone)
    assert value(collapsed, "diversity") == 0.0
    assert all(np.isfinite(figure.value) for figure in collapsed.sets[0].figures)


def test_arguments_that_make_no_sense(paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.html"
    page.write_text("mine")
    cases: list[tuple[dict[str, Any], type[ArtganError], str]] = [
        ({"run": "3", "fake": paintings}, UsageError, "both say what to score"),
        ({"real": paintings, "fake": paintings, "num": 1}, UsageError, "--num 1"),
        ({"real": paintings, "fake": paintings, "every": True}, UsageError, "--every goes with a run"),
        ({"fake": paintings}, UsageError, "--real is missing"),
        ({"real": paintings, "fake": paintings, "html": page}, UsageError, "exists"),
        ({"real": paintings, "fake": paintings, "features": "clip"}, UsageError, "clip"),
        ({}, CheckpointError, "no run"),
        ({"run": "7"}, CheckpointError, "no run '7'"),
        ({"real": paintings, "fake": "7@000120"}, CheckpointError, "no run '7'"),
    ]
    for given, kind, told in cases:
        with pytest.raises(kind, match=told):
            score(**given)
    assert page.read_text() == "mine"


def test_features_are_kept_by_content(paintings: Path, network: FeatureNetwork, artgan_cache: Path) -> None:
    first = look(folder_set(paintings), network, (32, 32))
    again = look(folder_set(paintings), network, (32, 32))
    assert (first.from_cache, again.from_cache) == (False, True)
    assert torch.equal(first.values, again.values)
    assert first.places == again.places
    assert not look(folder_set(paintings), network, (48, 48)).from_cache
    for file in (artgan_cache / "features").iterdir():
        file.write_bytes(file.read_bytes()[:-40])
    assert not look(folder_set(paintings), network, (32, 32)).from_cache
    (paintings / "00.jpg").unlink()
    assert len(look(folder_set(paintings), network, (32, 32))) == 11


def test_a_stopped_look_leaves_nothing(paintings: Path, network: FeatureNetwork, artgan_cache: Path) -> None:
    with pytest.raises(Interrupted):
        look(folder_set(paintings), network, (32, 32), should_stop=lambda: True)
    assert not (artgan_cache / "features").exists()


def test_a_network_without_numbers_is_named(
    paintings: Path, monkeypatch: pytest.MonkeyPatch, network: FeatureNetwork, artgan_cache: Path
) -> None:
    def broken(self: FeatureNetwork, batch: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.full((len(batch), network.dim), torch.nan), None

    monkeypatch.setattr(FeatureNetwork, "__call__", broken)
    with pytest.raises(WeightsError, match="no numbers"):
        score(real=paintings, fake=paintings)
    assert not (artgan_cache / "features").exists()


def test_saved_statistics_stand_for_their_pictures(paintings: Path, others: Path, tmp_path: Path) -> None:
    saved = tmp_path / "real.npz"
    whole = score(real=paintings, fake=others, save=saved)
    from_file = score(real=saved, fake=others)
    assert [f.value for f in from_file.sets[0].figures] == [f.value for f in whole.sets[0].figures]
    with np.load(saved) as arrays:
        np.savez(tmp_path / "bare.npz", mu=arrays["mu"], sigma=arrays["sigma"])  # as pytorch-fid writes them
        np.savez(tmp_path / "other.npz", mu=np.zeros(2048), sigma=np.eye(2048))
        np.savez(tmp_path / "nan.npz", mu=arrays["mu"] * np.nan, sigma=arrays["sigma"])
    bare = score(real=tmp_path / "bare.npz", fake=others)
    assert [f.name for f in bare.sets[0].figures] == ["fd10_artgan"]
    assert value(bare, "fd") == pytest.approx(value(whole, "fd"), rel=1e-9)
    assert any("mean and a covariance only" in note for note in bare.notes)
    np.savez(tmp_path / "objects.npz", mu=np.array([{}], dtype=object), sigma=np.eye(3))
    (tmp_path / "text.npz").write_text("hello")
    refused = {
        "other": "not made with the features artgan",
        "nan": "not numbers",
        "objects": "holds no statistics",
        "text": "holds no statistics",
        "nowhere": "does not exist",
    }
    for name, told in refused.items():
        with pytest.raises(DatasetError, match=told):
            score(real=tmp_path / f"{name}.npz", fake=others)


def test_a_run_is_scored_against_what_it_was_trained_on(class_folders: Path, tmp_path: Path) -> None:
    run = trained(class_folders, tmp_path)
    runs_dir = tmp_path / "runs"
    newest = score("0", num=14, runs_dir=runs_dir)
    assert newest.real == f"the training pictures of {run.name}"
    assert newest.real_count == 14
    assert newest.sets[0].name == f"{run.name}@000000024"
    # As many of each class as there are real pictures of it.
    assert {c.name: (c.real, c.fake) for c in newest.sets[0].classes} == {
        "cats": (8, 8),
        "dogs": (4, 4),
        "owls": (2, 2),
    }
    every = score(run, num=6, every=True, runs_dir=runs_dir)
    assert [one.nimg for one in every.sets] == [8, 16, 24]
    one = score(fake=f"0@{16:09d}", num=6, runs_dir=runs_dir)
    assert one.sets[0].figures == every.sets[1].figures
    file = score(fake=run / "checkpoints" / "000000024" / "generator.safetensors", real="0", num=14, runs_dir=runs_dir)
    assert file.sets[0].figures == newest.sets[0].figures
    with pytest.raises(CheckpointError, match=r"no checkpoint '5'") as refused:
        score(fake="0@5", runs_dir=runs_dir)
    assert f"{run.name}@000000016" in refused.value.hint
    class_folders.rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match="no longer at") as gone:
        score("0", runs_dir=runs_dir)
    assert "--real" in gone.value.hint


def test_samples_are_those_of_artgan_sample(paintings: Path, tmp_path: Path) -> None:
    run = trained(paintings, tmp_path)
    drawn = sample(run, seeds="0-4", out=tmp_path / "drawn").files
    ours = sample_set(load(run), 5).read([0, 1, 2, 3, 4])
    for file, picture in zip(drawn, ours, strict=True):
        with Image.open(file) as saved:
            assert isinstance(picture, Image.Image)
            assert saved.tobytes() == picture.tobytes()


def test_views_keep_the_aspect_and_about_the_area() -> None:
    assert view_of(None, (64, 64)) is None
    assert view_of(128, None) == (128, 128)
    assert view_of(128, (96, 64)) == (160, 112)
    assert view_of(64, (1000, 1)) == (2016, 16)
    assert fitted(Image.new("RGB", (100, 50)), (32, 32)).shape == (32, 32, 3)
    assert fitted(Image.new("RGB", (100, 50)), None).shape == (50, 100, 3)


def test_a_large_set_is_represented_by_the_same_choice(monkeypatch: pytest.MonkeyPatch, paintings: Path) -> None:
    monkeypatch.setattr(features_module, "MOST_REAL", 5)
    monkeypatch.setattr(score_module, "MOST_REAL", 5)
    result = score(real=paintings, fake=paintings)
    assert result.real_count == 5
    assert any("5 of 12 pictures" in note for note in result.notes)


def test_it_is_part_of_the_api() -> None:
    assert artgan.score is score
