"""`artgan interpret` as a user meets it: exit code, stdout and stderr apart, files on disk."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.generators import untrained_run
from tests.interpreting import tiny_run
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("one_thread", "studio")
FEW = ("--num", "16")


def test_the_page_is_named_on_stdout_and_what_was_found_is_told_beside(paintings: Path) -> None:
    run = tiny_run(paintings, Path("runs"))
    result = artgan("interpret", *FEW)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(run.resolve() / "interpret.html")
    assert "kinds of your pictures" in result.stderr
    assert "Its discriminator tells" in result.stderr
    page = (run / "interpret.html").read_text()
    assert "When it learnt what" in page

    told = artgan("interpret", "0", *FEW, "--seeds", "4,7", "-o", "inside.html", "--json")
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["file"] == "inside.html"
    assert [one["title"] for one in found["likeness"]["samples"]] == ["seed 4", "seed 7"]
    assert found["layers"][0]["strongest"][0]["change"] >= 0
    assert len(found["skills"]["skills"][0]["values"]) == len(found["skills"]["nimg"])

    again = artgan("interpret", "0", *FEW, "-o", "inside.html")
    assert again.exit_code == 2
    assert "inside.html exists." in again.stderr
    refused = artgan("interpret", *FEW, "--class", "cats")
    assert refused.exit_code == 2
    assert "--class 'cats': this model was trained without classes." in refused.stderr
    assert "Traceback" not in refused.stderr + again.stderr


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    run = untrained_run(Path("runs"), classes=("apple", "pear"))
    alone = shutil.copy(run / "checkpoints" / "000000064" / "generator.safetensors", "shared.safetensors")
    result = artgan("interpret", alone, *FEW, "--class", "pear")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("A file that was shared alone comes without") == 2
    assert "comes without its checkpoint has no discriminator" in result.stderr
    assert result.stdout.strip() == str(Path("interpret.html").resolve())


def test_models_that_are_not_there_or_of_another_version(tmp_path: Path) -> None:
    result = artgan("interpret")
    assert result.exit_code == 5
    assert "There is no run in runs yet." in result.stderr
    run = untrained_run(Path("runs"))
    shutil.rmtree(run / "checkpoints" / "000000064")
    result = artgan("interpret", "0")
    assert result.exit_code == 5
    assert "has no checkpoint yet." in result.stderr
    save_file({"weight": torch.zeros(1)}, "newer.safetensors", {"format": "artgan-generator/9"})
    result = artgan("interpret", "newer.safetensors")
    assert result.exit_code == 5
    assert "newer.safetensors is not a generator of this artgan." in result.stderr
    assert not list(Path().glob("*.html"))
