"""`artgan pack` on the command line, and the commands that draw from what it wrote."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.hostile.commands import refused
from tests.running import artgan
from tests.sharing import CASES, shareable


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_becomes_one_file_that_is_drawn_from(tmp_path: Path) -> None:
    shareable(tmp_path / "runs", **CASES["painter"])
    words = ["--title", "Fruit", "--licence", "CC BY 4.0", "--data-license", "public domain", "--data", "Plates."]
    result = artgan("pack", "-o", "fruit.artgan", *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "fruit.artgan\n"
    assert "Its card does not state --description, --use." in result.stderr
    with zipfile.ZipFile("fruit.artgan") as archive:
        card = archive.read("README.md").decode()
    assert card.startswith("# Fruit\n")
    assert "- licence: public domain" in card
    (tmp_path / "runs").rename(tmp_path / "gone")
    drawn = artgan("sample", "fruit.artgan", "--seeds", "0-3", "-o", "sheet.png")
    assert drawn.exit_code == 0, drawn.stderr
    page = artgan("export", "fruit.artgan", "-f", "html", "-o", "fruit.html")
    assert page.exit_code == 0, page.stderr
    assert "Sliders: warm, round." in page.stderr


def test_json_is_alone_on_stdout(tmp_path: Path) -> None:
    shareable(tmp_path / "runs", **CASES["mlp"])
    told = json.loads(artgan("pack", "--json").stdout)
    assert told["file"] == "00000-shared.artgan"
    assert told["licence"] is None
    assert "--licence" in told["missing"]


def test_classes_of_a_model_without_are_refused(tmp_path: Path) -> None:
    shareable(tmp_path / "runs", **CASES["mlp"])
    assert artgan("pack", "-o", "x.artgan").exit_code == 0
    told = refused("sample", "x.artgan", "--class", "pear", code=2, longest=200)
    assert told == "--class 'pear': this model was trained without classes."
    assert "x.artgan is packed already" in refused("pack", "x.artgan", code=2, longest=200)
    assert "x.zip does not end in .artgan" in refused("pack", "-o", "x.zip", code=2, longest=200)
