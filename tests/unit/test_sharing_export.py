"""Exports: every kind of generator draws in other programs what it draws here."""

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

import artgan
from artgan.engine.seeds import latents
from artgan.engine.storage import create_run
from artgan.errors import CheckpointError, UsageError
from artgan.models.directions import DIRECTIONS, read_directions, write_directions
from artgan.models.trained import LoadedGenerator, load
from artgan.sharing.export import Format, export
from artgan.sharing.label import public
from artgan.sharing.plan import carry_out, plan_of
from artgan.sharing.shipped import example, input_names
from artgan.sharing.torchscript import run_torchscript
from tests.sharing import CASES, SECRET, shareable

FORMATS: tuple[Format, ...] = ("onnx", "torchscript", "safetensors", "html")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: shareable(tmp_path_factory.mktemp("runs"), **case) for name, case in CASES.items()}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@torch.no_grad()
def expected(model: LoadedGenerator, inputs: dict[str, torch.Tensor]) -> NDArray[np.float32]:
    """Straight from the network, with the sliders added by hand."""
    z = inputs["z"]
    for place, row in enumerate(model.directions.values()):
        z = z + inputs["sliders"][:, place : place + 1] * row
    pictures: NDArray[np.float32] = model.network(z, inputs.get("label", inputs.get("text"))).numpy()
    return pictures


def given(model: LoadedGenerator, count: int) -> dict[str, torch.Tensor]:
    return dict(zip(input_names(model, model.directions), example(model, model.directions, count), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_onnx_draws_what_pytorch_draws(runs: dict[str, Path], case: str) -> None:
    result = export(runs[case], "x.onnx")
    model = load(runs[case], device="cpu")
    session = onnxruntime.InferenceSession(result.file, providers=["CPUExecutionProvider"])
    assert {one.name: tuple(one.shape) for one in session.get_inputs()} == result.inputs
    assert tuple(session.get_outputs()[0].shape) == result.output
    for count in (1, 3):
        inputs = given(model, count)
        found = session.run(["picture"], {name: value.numpy() for name, value in inputs.items()})[0]
        wanted = expected(model, inputs)
        assert wanted.std() > 0.2
        assert found == pytest.approx(wanted, abs=1e-4)
    assert result.difference is not None
    assert 0 < result.difference < 1e-4
    assert result.sliders == CASES[case].get("sliders", ())


@pytest.mark.parametrize("case", CASES)
def test_torchscript_draws_what_pytorch_draws(runs: dict[str, Path], case: str) -> None:
    result = export(runs[case], "x.pt")
    model = load(runs[case], device="cpu")
    for count in (1, 3):
        inputs = given(model, count)
        found = run_torchscript(result.file.read_bytes(), tuple(inputs.values())).numpy()
        assert found == pytest.approx(expected(model, inputs), abs=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_the_plan_of_a_page_draws_what_pytorch_draws(runs: dict[str, Path], case: str) -> None:
    model = load(runs[case], device="cpu")
    inputs = given(model, 3)
    found = carry_out(plan_of(model, model.directions), inputs).numpy()
    assert found == pytest.approx(expected(model, inputs), abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_safetensors_are_drawn_from_by_artgan_itself(runs: dict[str, Path], case: str, tmp_path: Path) -> None:
    model, again = load(runs[case], device="cpu"), load(export(runs[case], "x.safetensors").file, device="cpu")
    inputs = given(model, 3)
    assert (expected(again, inputs) == expected(model, inputs)).all()
    assert list(again.directions) == list(model.directions)
    assert (again.classes, again.texts, again.home) == (model.classes, model.texts, tmp_path)


def test_an_onnx_file_says_what_it_is(runs: dict[str, Path]) -> None:
    model = onnx.load(export(runs["painter, classes, tall"], "x.onnx").file)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["artgan"] == artgan.__version__
    assert json.loads(told["classes"]) == ["pear", "apple"]
    assert json.loads(told["sliders"]) == ["warm"]
    assert json.loads(told["size"]) == [16, 32]
    assert json.loads(told["settings"])["model"]["name"] == "painter"
    z = torch.randn(8, generator=torch.Generator().manual_seed(7))  # what it says of seeds
    assert "torch.randn(z_dim, generator=torch.Generator().manual_seed(seed))" in told["seeds"]
    assert (latents((7,), 8)[0] == z).all()
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_a_torchscript_says_what_it_is(runs: dict[str, Path]) -> None:
    result = export(runs["mlp, classes, sliders"], "x.pt")
    with zipfile.ZipFile(result.file) as archive:
        told = json.loads(archive.read("archive/extra/artgan.json"))
    assert json.loads(told["sliders"]) == ["round"]


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_tells_who_made_it(runs: dict[str, Path], kind: Format) -> None:
    raw = export(runs["painter, classes, tall"], format=kind).file.read_bytes()
    if kind == "torchscript":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            raw += b"".join(archive.read(name) for name in archive.namelist())
    home = str(runs["painter, classes, tall"].parent)
    for secret in (SECRET, "jane-doe", home, str(Path.home()), str(Path(artgan.__file__).parent)):
        assert secret.encode() not in raw, secret


@pytest.mark.parametrize("kind", ["onnx", "safetensors", "html"])
def test_the_same_model_is_the_same_bytes(runs: dict[str, Path], kind: Format) -> None:
    first = export(runs["painter"], format=kind).file.read_bytes()
    assert export(runs["painter"], format=kind, overwrite=True).file.read_bytes() == first


def test_files_are_called_by_their_run_and_lie_here(runs: dict[str, Path], tmp_path: Path) -> None:
    names = {str(export(runs["mlp"], format=kind).file) for kind in FORMATS}
    assert names == {f"00000-shared.{suffix}" for suffix in ("onnx", "pt", "safetensors", "html")}
    assert names == {path.name for path in tmp_path.iterdir()}


def test_a_page_has_whole_numbers_where_halves_would_not_do(tmp_path: Path) -> None:
    run = shareable(tmp_path, "painter")
    checkpoint = next((run / "checkpoints").iterdir())
    model = load(checkpoint, device="cpu")
    one, two = (model.network.get_submodule(f"mapping.{place}") for place in (0, 2))
    assert isinstance(one, torch.nn.Linear)
    assert isinstance(two, torch.nn.Linear)
    small = export(run, "small.html")
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.mul_(1e7)  # a half is 65,504 at most
        two.weight.mul_(1e-7)
    (checkpoint / "manifest.json").unlink()
    write_generator(model, checkpoint / "generator.safetensors")
    large = export(checkpoint, "large.html")
    assert '"bytes": 2' in small.file.read_text()
    assert '"bytes": 4' in large.file.read_text()
    assert large.difference is not None
    assert small.difference is not None
    assert large.difference < 1e-4 < small.difference <= 1 / 127.5


def write_generator(model: LoadedGenerator, path: Path) -> None:
    from artgan.engine.checkpoint import generator_bytes
    from artgan.sharing.label import generator_file

    path.write_bytes(generator_bytes(generator_file(model, {})))


def test_without_onnx_the_way_to_it_is_told(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match="needs the package onnx") as caught:
        export(runs["mlp"])
    assert caught.value.hint == "Install it with: pip install 'artgan[onnx]'"
    assert export(runs["mlp"], "x.pt").file.is_file()


def test_without_onnxruntime_it_is_written_unchecked(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export(runs["mlp"]).difference is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"out": "x.html", "format": "onnx"}, "x.html: that ending is of html"),
    ({"out": "x.tar"}, "x.tar: that ending is of no format"),
    ({"format": "keras"}, "'keras' is not known"),
    ({"out": "there.onnx"}, "there.onnx exists"),
    ({"title": "Fruit"}, "--title is the heading of a page"),
]


@pytest.mark.parametrize(("asked", "told"), REFUSED)
def test_what_makes_no_sense_is_refused(runs: dict[str, Path], asked: dict[str, Any], told: str) -> None:
    Path("there.onnx").write_text("mine")
    with pytest.raises(UsageError, match=told):
        export(runs["mlp"], **asked)
    assert Path("there.onnx").read_text() == "mine"


def test_a_run_without_checkpoints_is_refused(tmp_path: Path) -> None:
    run = create_run(tmp_path / "runs", "empty")
    run.info.write_text(json.dumps({"data": {"path": "", "fingerprint": "", "pictures": 0}, "engine": {}}))
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        export(run.folder)


# --- directions


def test_directions_come_back_in_their_order(tmp_path: Path) -> None:
    rows = {"warm": torch.tensor([1.0, 2]), "älter": torch.tensor([0.5, -1]), "a": torch.zeros(2)}
    write_directions(tmp_path, rows)
    found = read_directions(tmp_path)
    assert [(name, row.tolist()) for name, row in found.items()] == [(k, v.tolist()) for k, v in rows.items()]
    raw = (tmp_path / DIRECTIONS).read_bytes()
    write_directions(tmp_path, rows)
    assert (tmp_path / DIRECTIONS).read_bytes() == raw
    write_directions(tmp_path, {})
    assert read_directions(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_directions_of_another_model_are_refused(tmp_path: Path) -> None:
    run = shareable(tmp_path, "mlp", z_dim=5)
    write_directions(run, {"warm": torch.zeros(4)})
    with pytest.raises(CheckpointError, match=r"'warm' .* has 4 numbers; .* takes 5"):
        export(run)


def test_settings_that_are_made_public_still_work(runs: dict[str, Path]) -> None:
    settings = load(runs["mlp"], device="cpu").settings
    assert settings.data.labels.startswith(SECRET)
    assert public(settings)["data"]["labels"] == "auto"
