"""`artgan curate` as a user meets it: exit codes, stdout and stderr apart, files on disk, and errors."""

import inspect
import json
from pathlib import Path

import pytest

from artgan.cli.curate import curate as command
from artgan.curation.curate import curate
from tests.curating import make, manifest, small_mess, tree, unzipped
from tests.running import artgan, told_without_torch
from tests.unit.test_curation_textbook import mnist


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with messy/."""
    monkeypatch.chdir(tmp_path)
    small_mess(tmp_path / "messy")
    return tmp_path


def test_the_set_is_named_on_stdout_and_all_else_on_stderr() -> None:
    before = tree(Path("messy"))
    result = artgan("curate", "messy", "sorted")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "sorted\n"
    for words in (
        "Failed dogs/404.jpg: not a picture",
        "Dropped cats/0 copy.bmp: the same pixels as cats/0.bmp",
        "1 failed ",
        "2 ignored ",
        "The report to look at: sorted/report.html",
    ):
        assert words in result.stderr
    assert tree(Path("messy")) == before
    assert manifest(Path("sorted")).keys() == before.keys()


@pytest.mark.parametrize("words", [[], ["sorted", "--dry-run"]])
def test_a_report_alone_writes_nothing(words: list[str], folder: Path) -> None:
    before = tree(folder)
    result = artgan("curate", "messy", *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "Nothing was written." in result.stderr
    assert tree(folder) == before


def test_the_result_as_json_is_alone_on_stdout() -> None:
    result = artgan("curate", "messy", "sorted", "--json", "--page", "look.html")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["source"], told["folder"], told["page"]) == ("messy", "sorted", "look.html")
    assert told["counts"] == {"kept": 6, "reported": 0, "dropped": 1, "failed": 1, "ignored": 2, "cut": 0}
    assert told["groups"] == [["cats/0.bmp", "cats/0 copy.bmp"]]
    assert Path("look.html").stat().st_size > 1000
    assert not Path("sorted/report.html").exists()


def test_every_option_reaches_the_library() -> None:
    flags = ["--copies", "report", "--variants", "off", "--defects", "drop", "--outliers", "drop", "--no-scans"]
    flags += ["--least-side", "32", "--size", "40x30", "--crop", "salient", "--multi-crop", "2", "--frames", "3"]
    flags += ["--background", "navy", "--per-class", "2", "--split", "0.5/0.5", "--format", "webdataset", "--no-labels"]
    result = artgan("curate", "messy", *flags, "--processes", 1, "--json")
    assert json.loads(result.stdout)["settings"] == {
        "copies": "report",
        "variants": "off",
        "defects": "drop",
        "outliers": "drop",
        "scans": False,
        "least_side": 32,
        "size": [40, 30],
        "crop": "salient",
        "multi_crop": 2,
        "frames": 3,
        "background": "navy",
        "per_class": 2,
        "split": "0.5/0.5",
        "labels": "none",
        "format": "webdataset",
    }
    given = inspect.signature(command).parameters.keys() - {"context", "src", "dst", "dry_run", "page", "as_json"}
    spoken = {"no_labels", "format_name", "textbook", "root", "download", "overwrite", "processes", "captions"}
    assert given - spoken == json.loads(result.stdout)["settings"].keys() - {"labels", "format"}, (
        "one is not tried here"
    )


def test_captions_and_a_zip_from_the_command_line() -> None:
    Path("words.csv").write_text("file,caption\ncats/1.bmp,a quince\n")
    result = artgan("curate", "messy", "sorted.zip", "--captions", "words.csv", "--split", "70/30")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "sorted.zip\n"
    assert "The report to look at: sorted.html" in result.stderr
    lines = [json.loads(line) for line in unzipped(Path("sorted.zip"))["manifest.jsonl"].splitlines()]
    assert [line["caption"] for line in lines if line["caption"]] == ["a quince"]
    assert {line["split"] for line in lines} == {"train", "test", None}


def test_the_defaults_of_the_command_are_those_of_the_function() -> None:
    from artgan.curation.settings import CurateSettings

    assert json.loads(artgan("curate", "messy", "--json").stdout)["settings"] == CurateSettings().plain()
    flags = inspect.signature(command).parameters
    for name, parameter in inspect.signature(curate).parameters.items():
        if name in flags:
            assert flags[name].default == parameter.default or name == "src", name


def test_many_files_are_not_all_named() -> None:
    make(Path("messy"), {f"dogs/{number}.gif": b"no picture" for number in range(30)})
    result = artgan("curate", "messy")
    assert result.stderr.count("Failed ") == 12
    assert "... and 19 more that are failed." in result.stderr


def test_names_are_printed_literally() -> None:
    make(Path("messy"), {"[/x][bold] 🐞.png": b"x", "bell\x07\x1b[31m.png": b"x"})
    result = artgan("curate", "messy", "[red]set")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "[red]set\n"
    assert "Failed [/x][bold] 🐞.png: not a picture" in result.stderr
    assert "Failed bell\\x07\\x1b[31m.png: not a picture" in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())


ERRORS: list[tuple[list[str], int, str]] = [
    (["gone", "sorted"], 3, "gone does not exist"),
    (["empty", "sorted"], 3, "no picture in empty"),
    (["file.txt", "sorted"], 3, "file.txt is neither a folder nor a zip"),
    (["messy", "messy"], 2, "lie within one another"),
    (["messy", "messy/sorted"], 2, "lie within one another"),
    (["messy/cats", "messy"], 2, "lie within one another"),
    (["messy", "taken"], 2, "taken is not empty"),
    (["messy", "file.txt"], 2, "file.txt is not a folder"),
    (["messy", "file.txt/sorted"], 5, "file.txt/sorted"),
    (["messy", "sorted", "--size", "4"], 2, "--size 4 is not between"),
    (["messy", "sorted", "--least-side", "0"], 2, "--least-side 0 is not between"),
    (["messy", "--page", "file.txt"], 2, "file.txt exists"),
    (["messy", "messy/sorted.zip"], 2, "lie within one another"),
    (["messy", "file.zip"], 2, "file.zip exists"),
    (["messy", "taken", "--format", "webdataset"], 2, "taken is not an empty folder"),
    (["messy", "sorted", "--page", "sorted"], 2, "no report at sorted"),
    (["messy", "sorted", "--size", "big"], 2, "--size 'big' is no size"),
    (["messy", "sorted", "--crop", "pad"], 2, "--crop pad needs a size"),
    (["messy", "sorted", "--multi-crop", "3"], 2, "--multi-crop 3 cuts"),
    (["messy", "sorted", "--frames", "0"], 2, "--frames 0 is not between"),
    (["messy", "sorted", "--per-class", "0"], 2, "--per-class 0 is not between"),
    (["messy", "sorted", "--split", "0.9/0.2"], 2, "--split '0.9/0.2' has the sum 1.1"),
    (["messy", "sorted", "--background", "\x1b[31m"], 2, "is no colour"),
    (["messy", "sorted", "--captions", "gone.csv"], 3, "gone.csv"),
    (["messy", "sorted", "--root", "x"], 2, "--root says nothing without --from"),
    (["messy", "sorted", "--download"], 2, "--download says nothing without --from"),
    (["--from", "mnist", "sorted", "more"], 2, "A second folder says nothing with --from"),
    (["--from", "mnist", "sorted", "--size", "64"], 2, "--size says nothing with --from"),
    (["--from", "mnist", "sorted", "--copies", "drop"], 2, "--copies says nothing with --from"),
    (["--from", "mnist", "sorted", "--root", "empty"], 3, "mnist is not whole in empty"),
    (["--from", "mnist", "taken", "--root", "empty"], 2, "taken is not empty"),
]


@pytest.mark.parametrize(("words", "code", "named"), ERRORS)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str, folder: Path) -> None:
    make(folder, {"taken/mine.txt": b"precious", "file.txt": b"precious", "file.zip": b"precious"})
    (folder / "empty").mkdir()
    before = tree(folder)
    result = artgan("curate", *words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 2
    assert tree(folder) == before
    assert not (folder / "sorted").exists()


@pytest.mark.parametrize("flag", ["--copies", "--outliers", "--processes", "--crop", "--format", "--from", "--frames"])
def test_wrong_words_are_named_by_their_flag(flag: str) -> None:
    result = artgan("curate", "messy", "sorted", flag, "0" if flag == "--processes" else "wings")
    assert result.exit_code == 2
    assert flag in result.stderr
    assert not Path("sorted").exists()


def test_a_set_of_the_textbooks_becomes_class_folders() -> None:
    before = tree(mnist(Path("files")))
    result = artgan("curate", "--from", "mnist", "digits", "--root", "files")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "digits\n"
    assert "12 pictures in 10 classes" in result.stderr
    assert len(manifest(Path("digits"))) == len(list(Path("digits").rglob("*.png"))) == 12
    assert {path.name for path in Path("digits").iterdir() if path.is_dir()} == {*"0123456789"}
    assert tree(Path("files")) == before
    told = json.loads(artgan("curate", "--from", "mnist", "more", "--root", "files", "--json").stdout)
    assert told == {"folder": "more", "pictures": 12, "classes": [*"0123456789"]}


def test_help_does_not_touch_torch() -> None:
    (told,) = told_without_torch(["curate", "--help"])
    assert "--least-side" in told


def test_the_set_can_be_trained_on() -> None:
    assert artgan("curate", "messy", "sorted", "--size", 64).exit_code == 0
    tiny = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
    result = artgan("train", "sorted", *tiny, "--kimg", "0.004")
    assert result.exit_code == 0, result.stderr
    data = json.loads((Path(result.stdout.strip()) / "run.json").read_text())["data"]
    assert data["pictures"] == 6
    assert {name for name, _ in data["skipped"]} <= {"manifest.jsonl", "report.html"}
    assert "2 classes" in result.stderr
