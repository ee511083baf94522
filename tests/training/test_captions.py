"""Training on captions, from a folder to pictures of a text: exact on resume, scored, and kept apart from classes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import artgan
from artgan.config import Settings
from artgan.data.pictures import load_pictures
from artgan.engine.captions import BUCKETS, encode_captions
from artgan.engine.checkpoint import GENERATOR, load_generator
from artgan.engine.device import Engine
from artgan.engine.images import read_recipe
from artgan.engine.storage import Run
from artgan.errors import CheckpointError, DatasetError, SettingError, UsageError
from artgan.metrics.sets import pictures_set, sample_set
from artgan.models.layers import Projection
from artgan.training.events import Notice
from artgan.training.measures import Reference
from artgan.training.snapshots import COLUMNS, Previewer
from tests.training.test_resume import outcome, run_in

pytestmark = pytest.mark.usefixtures("one_thread")
TINY: dict[str, object] = {
    "data.resolution": 32,
    "model.base_channels": 4,
    "model.z_dim": 4,
    "train.batch": 4,
    "train.total_kimg": 0.024,
    "snapshot.health_kimg": 0.008,
}


@pytest.fixture
def orchard(paintings: Path) -> Path:
    """Twelve pictures: 6 red apples, 4 pears, and two without a caption."""
    for number in range(10):
        (paintings / f"{number:02}.txt").write_text("red apple" if number < 6 else "pear")
    return paintings


@pytest.fixture
def run(orchard: Path, tmp_path: Path) -> Path:
    return artgan.train(orchard, preset=None, captions=True, overrides=TINY, runs_dir=tmp_path / "runs").run


def test_a_run_knows_what_it_learnt_and_draws_for_any_text(run: Path, tmp_path: Path) -> None:
    model = artgan.load(run)
    assert (model.takes_text, model.classes, model.texts, model.c_dim) == (True, (), ("red apple", "pear"), BUCKETS)
    recipe = read_recipe(max(run.glob("fakes*.png")))
    assert recipe["texts"] == ["red apple", "pear"]
    assert json.loads((run / "run.json").read_text())["data"]["captions"] == ["red apple", "pear"]
    assert "red apple" in (run / "report.html").read_text()
    drawn: dict[str, bytes] = {}
    for text in ("red apple", "Apple, red", "pear", "zebra", ""):
        file = artgan.sample(run, text=text, seeds="3", out=tmp_path / f"{len(drawn)}.png").files[0]
        assert read_recipe(file)["text"] == text
        drawn[text] = file.read_bytes() if not text else np.asarray(artgan.Generator(model).sample([3], text)).tobytes()
    assert len(set(drawn.values())) == 4
    assert drawn["red apple"] == drawn["Apple, red"]


def test_the_text_reaches_both_networks(orchard: Path, tmp_path: Path) -> None:
    overrides = {**TINY, "train.total_kimg": 0.2, "train.g_lr": 0.01}
    folder = artgan.train(orchard, preset=None, captions=True, overrides=overrides, runs_dir=tmp_path).run
    state = next((folder / "checkpoints").iterdir()) / "state.safetensors"
    with safe_open(state, framework="pt") as file:
        seen = encode_captions(["red apple", "pear"]).abs().sum(0) > 0
        for name in ("opt_G.class_latent.embedding.weight", "opt_D.projection.embedding.weight"):
            moved = file.get_tensor(f"{name}.exp_avg_sq").sum(1) > 0
            assert torch.equal(moved, seen), "words that no caption has are left alone"


def test_projections_of_captions_are_those_of_their_vectors() -> None:
    projection = Projection(3, 4)
    features, c = torch.randn(2, 4), torch.tensor([[0.0, 0.6, 0.8], [1.0, 0.0, 0.0]])
    assert projection.embedding is not None
    expected = (c @ projection.embedding.weight * features).sum(1)
    with torch.autocast("cpu", torch.bfloat16):
        found = projection(features, c)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert torch.allclose(projection(features, torch.eye(3)[[2, 0]]), projection(features, torch.tensor([2, 0])))


@pytest.mark.parametrize("model", ["dcgan", "mlp"])
def test_stopping_and_going_on_leaves_no_trace(model: str, orchard: Path, tmp_path: Path) -> None:
    overrides: dict[str, object] = {"data.captions": True, "model.name": model, "data.balanced": model == "mlp"}
    whole = run_in(tmp_path / "whole", orchard, overrides)
    broken = run_in(tmp_path / "broken", orchard, overrides, stop=20)
    assert broken.nimg < whole.nimg
    again = run_in(tmp_path / "broken", orchard, overrides)
    assert again.run == broken.run
    assert outcome(again.run) == outcome(whole.run)


def test_changed_captions_are_another_training(run: Path, orchard: Path) -> None:
    (orchard / "00.txt").write_text("blue apple")
    with pytest.raises(DatasetError, match="what is said of them, are not those"):
        artgan.resume(run)
    said: list[object] = []
    other = artgan.train(orchard, preset=None, captions=True, overrides=TINY, runs_dir=run.parent, on_event=said.append)
    assert other.run != run
    assert any(isinstance(event, Notice) and "other pictures or labels" in event.text for event in said)
    with pytest.raises(SettingError, match=r"data\.captions \(True in the run, now False\)"):
        artgan.train(orchard, preset=None, overrides=TINY, runs_dir=run.parent, run=run.name)


def test_a_run_without_captions_is_written_as_before(class_folders: Path, tmp_path: Path) -> None:
    folder = artgan.train(class_folders, preset=None, overrides=TINY, runs_dir=tmp_path / "runs").run
    file = next((folder / "checkpoints").iterdir()) / GENERATOR
    with safe_open(file, framework="pt") as opened:
        header = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    assert "texts" not in header
    assert "captions" not in json.loads((folder / "run.json").read_text())["data"]
    settings = json.loads(header["settings"])
    del settings["data"]["captions"]  # a model from before there were captions
    save_file(tensors, tmp_path / "old.safetensors", {**header, "settings": json.dumps(settings)})
    assert artgan.load(tmp_path / "old.safetensors").classes == ("cats", "dogs", "owls")
    config = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(config.replace("captions = false\n", ""))
    assert artgan.resume(folder, kimg=0.028).nimg == 28


@pytest.mark.parametrize("change", [{"texts": "{}"}, {"texts": "[1]"}, {"texts": "["}, {"classes": '["cats"]'}])
def test_a_hostile_header_is_refused(run: Path, tmp_path: Path, change: dict[str, str]) -> None:
    with safe_open(next((run / "checkpoints").iterdir()) / GENERATOR, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, tmp_path / "bad.safetensors", {**header, **change})
    with pytest.raises(CheckpointError, match="header"):
        artgan.load(tmp_path / "bad.safetensors")


def test_samples_are_scored_for_the_captions_of_the_training_pictures(run: Path, orchard: Path) -> None:
    result = artgan.score(run, num=24)
    assert result.sets[0].count == 24
    assert result.sets[0].classes == ()
    assert not any("texts that it knows" in note for note in result.notes)
    pictures = load_pictures(orchard, artgan.load(run).settings.data)
    model, real = artgan.load(run), pictures_set(pictures, "the training pictures")
    assert real.texts == ("red apple",) * 6 + ("pear",) * 4 + ("",) * 2
    titles = [sample_set(model, 24, None, real.texts).title(place) for place in range(24)]
    shares = [sum(title.endswith(text) for title in titles) for text in (", red apple", ", pear")]
    assert shares == [12, 8]
    assert titles[:3] != titles[3:6], "in a mixed order"
    few = artgan.score(run, real=orchard, num=4)
    assert any("2 texts that it knows" in note for note in few.notes)


def test_scores_while_training_draw_the_same_pictures(orchard: Path, tmp_path: Path) -> None:
    overrides = {**TINY, "score.every_kimg": 0.024, "score.num": 8}
    found = artgan.train(orchard, preset=None, captions=True, overrides=overrides, runs_dir=tmp_path)
    assert found.best is not None
    assert found.best.figure == "kid8_artgan64"


def test_previews_show_the_commonest_captions_beside_their_pictures(orchard: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data": {"resolution": 8, "captions": True}})
    pictures = load_pictures(orchard, settings.data)
    run = Run(tmp_path)
    previewer = Previewer(settings, pictures, Engine.detect("cpu", "float32"), run, lambda event: None)
    assert previewer.labels is not None
    assert [pictures.captions[label] for label in previewer.labels[::COLUMNS]] == ["red apple", "pear"]
    assert previewer.c is not None
    assert torch.equal(previewer.c[::COLUMNS], encode_captions(["red apple", "pear"]))
    assert torch.equal(previewer.z[:COLUMNS], previewer.z[COLUMNS:])


def test_variety_is_within_a_caption_only_where_pictures_share_theirs(orchard: Path) -> None:
    settings = Settings.model_validate({"data": {"resolution": 16, "captions": True}}).data
    shared = load_pictures(orchard, settings)
    rows = torch.arange(12)
    real = shared.at(rows.tolist()).float() / 127.5 - 1
    within = Reference(shared, 1, False, 0)
    assert within.measure(real, shared.labels)["diversity"] == pytest.approx(1)
    for number in range(12):
        (orchard / f"{number:02}.txt").write_text(f"picture {number}")
    alone = load_pictures(orchard, settings)
    overall = Reference(alone, 1, False, 0)
    assert overall.facts.spread != within.facts.spread
    assert overall.facts.spread > 0
    assert overall.measure(real, alone.labels)["diversity"] == pytest.approx(1)
    assert overall.facts.neighbours is None


def test_a_shared_file_takes_texts_too(run: Path, tmp_path: Path) -> None:
    shutil.copy(next((run / "checkpoints").iterdir()) / GENERATOR, tmp_path / "fruit.safetensors")
    assert load_generator(tmp_path / "fruit.safetensors").texts == ("red apple", "pear")
    drawn = artgan.Generator.load(tmp_path / "fruit.safetensors").sample([1, 2], "red apple")
    assert torch.equal(drawn, artgan.Generator.load(run).sample([1, 2], "red apple"))
    with pytest.raises(UsageError, match="draws from texts, and none is given"):
        artgan.Generator.load(run).sample([1])
