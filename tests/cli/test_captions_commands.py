"""`train --captions` and `sample --text` as a user meets them: exit code, stdout and stderr apart, files on disk."""

import json
from pathlib import Path

import pytest
from PIL import Image

from artgan.engine.images import read_recipe
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("one_thread", "studio")
TINY = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
SHORT = [*TINY, "--kimg", "0.008"]


def test_train_on_captions_and_draw_for_a_text(paintings: Path) -> None:
    for number in range(10):
        (paintings / f"{number:02}.txt").write_text(f"[red] {'apple' if number < 6 else 'pear'}")
    (paintings / "notes.txt").write_text("of no picture")
    trained = artgan("train", paintings, "--captions", *SHORT)
    assert trained.exit_code == 0, trained.stderr
    assert "2 captions: '[red] apple' 6, '[red] pear' 4. 2 pictures have none." in trained.stderr
    assert "1 file beside the pictures was left alone." in trained.stderr

    drawn = artgan("sample", "--text", "red apple", "--seeds", "0-3", "-o", "apples.png")
    assert drawn.exit_code == 0, drawn.stderr
    assert drawn.stdout == "apples.png\n"
    assert "4 seeds from 00000-paintings-studio64" in drawn.stderr
    assert read_recipe(Path("apples.png"))["text"] == "red apple"
    with Image.open("apples.png") as picture:
        assert picture.size == (4 * 10 + 2, 12)
    again = artgan("again", "apples.png")
    assert again.stdout == "apples-again.png\n"
    assert Path("apples-again.png").read_bytes() == Path("apples.png").read_bytes()

    in_run = json.loads(artgan("sample", "0", "--text", "pear", "--json").stdout)
    assert [Path(file).name for file in in_run["files"]] == ["000000008-seeds0-15-pear.png"]
    assert all(Path(file).is_file() for file in in_run["files"])

    refused = artgan("sample", "--class", "apple")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "it draws from texts" in refused.stderr


def test_class_folders_without_texts_are_captions(class_folders: Path) -> None:
    trained = artgan("train", class_folders, "--captions", *SHORT)
    assert trained.exit_code == 0, trained.stderr
    assert "3 captions: 'cats' 8, 'dogs' 4, 'owls' 2.\n" in trained.stderr
    assert "--no-labels" not in trained.stderr
    assert artgan("sample", "--text", "two black cats", "-o", "cats").exit_code == 0
    assert len(list(Path("cats").iterdir())) == 16


def test_what_does_not_go_together_is_answered(paintings: Path, class_folders: Path) -> None:
    for words in (["--no-labels"], ["--labels", "table.csv"]):
        both = artgan("train", class_folders, "--captions", *words, *SHORT)
        assert both.exit_code == 2
        assert "--captions takes the place of" in both.stderr
    without = artgan("train", paintings, "--captions", *SHORT)
    assert without.exit_code == 3
    assert "No picture in" in without.stderr
    assert "captions.csv" in without.stderr
    assert not Path("runs").exists()
    assert artgan("train", class_folders, *SHORT).exit_code == 0
    refused = artgan("sample", "--text", "cat")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--text: this model was not trained with captions." in refused.stderr
    assert "cats, dogs, owls" in refused.stderr
