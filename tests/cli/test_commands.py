"""Commands as a user meets them: exit code, stdout and stderr apart, files on disk."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.running import artgan

pytestmark = pytest.mark.usefixtures("studio")
TINY = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
SHORT = [*TINY, "--kimg", "0.012", "--set", "snapshot.stats_kimg=0.004"]


def test_train_continue_sample_and_list(paintings: Path, studio: Path) -> None:
    first = artgan("train", paintings, *SHORT)
    assert first.exit_code == 0, first.stderr
    run = Path(first.stdout.strip())
    assert run == Path("runs") / f"00000-{paintings.name}-studio64"
    assert (run / "checkpoints" / "000000012" / "manifest.json").is_file()
    for words in ("Ctrl-C", "Preview", "reals.png", "artgan sample 0", "artgan resume 0 --kimg"):
        assert words in first.stderr

    longer = artgan("train", paintings, *TINY, "--kimg", "0.02", "--set", "snapshot.stats_kimg=0.004")
    assert longer.exit_code == 0, longer.stderr
    assert longer.stdout.strip() == str(run)
    assert "goes on at 0.0 kimg" in longer.stderr

    resumed = artgan("resume", "0", "--kimg", "0.024", "--json")
    assert json.loads(resumed.stdout)["nimg"] == 24

    sheet = artgan("sample", "--seeds", "0-3", "--truncation", "0.8", "-o", "sheet.png")
    assert sheet.exit_code == 0, sheet.stderr
    assert sheet.stdout.strip() == "sheet.png"
    with Image.open("sheet.png") as picture:
        assert picture.size == (4 * 10 + 2, 12)

    table = artgan("runs")
    assert run.name in table.stdout
    assert "finished" in table.stdout
    listed = json.loads(artgan("runs", "--json").stdout)
    assert [entry["kimg"] for entry in listed] == [0.024]


def test_class_folders_and_no_labels(class_folders: Path) -> None:
    conditional = artgan("train", class_folders, *SHORT)
    assert "3 classes" in conditional.stderr
    plain = artgan("train", class_folders, *SHORT, "--no-labels")
    assert "classes:" not in plain.stderr
    assert plain.stdout != conditional.stdout
    assert artgan("sample", "0", "--class", "nothing").exit_code == 2


def test_skipped_files_are_named_literally(paintings: Path) -> None:
    (paintings / "cats [final].png").write_bytes(b"<html>404</html>")
    (paintings / "[bold] x.jpg").write_bytes(b"")
    (paintings / "bell\x07\x1b[31m.png").write_bytes(b"")
    result = artgan("train", paintings, *SHORT)
    assert result.exit_code == 0, result.stderr
    assert "Skipped cats [final].png: not a picture" in result.stderr
    assert "Skipped [bold] x.jpg: empty file" in result.stderr
    assert "Skipped bell\\x07\\x1b[31m.png: empty file" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["train", "nowhere"], 3, "nowhere does not exist"),
        (["train", "."], 3, "at least 4 are needed"),
        (["train", ".", "--preset", "studo64"], 4, "Did you mean 'studio64'"),
        (["train", ".", "--set", "train.glr=1"], 4, "Did you mean train.g_lr"),
        (["train", ".", "--set", "train.g_lr"], 2, "no '='"),
        (["train", ".", "--batch", "1"], 4, "train.batch"),
        (["train", ".", "--shape", "100x60"], 4, "--shape 96x64"),
        (["train", ".", "--device", "cuda:99"], 6, "cuda:99 is not here"),
        (["train", ".", "--device", "toaster"], 4, "engine.device"),
        (["train", ".", "--labels", "x.csv", "--no-labels"], 2, "exclude each other"),
        (["train", ".", "--labels", "x.csv"], 3, "x.csv cannot be read"),
        (["train"], 2, "DATA"),
        (["resume"], 5, "no run in runs"),
        (["resume", "7"], 5, "no run '7'"),
        (["sample"], 5, "no run in runs"),
        (["sample", "--seeds", "9-5"], 2, "--seeds"),
        (["presets", "show", "nope"], 4, "no preset 'nope'"),
        (["paint"], 2, "No such command"),
    ],
)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str, studio: Path) -> None:
    result = artgan(*words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    if code != 2:
        assert len(result.stderr.strip().splitlines()) == 2
    assert list(studio.iterdir()) == []


def test_debug_shows_the_traceback() -> None:
    result = artgan("--debug", "train", "nowhere")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr


def test_a_path_that_cannot_be_used_is_named(paintings: Path, studio: Path) -> None:
    (studio / "runs").write_text("a file where a folder should be")
    refused = artgan("train", paintings, *SHORT)
    assert refused.exit_code == 5
    assert "runs" in refused.stderr
    (studio / "file").write_text("")
    demo = artgan("demo", "file")
    assert demo.exit_code == 5
    assert "file" in demo.stderr
    assert "Traceback" not in refused.stderr + demo.stderr


def test_presets_show_is_a_preset(studio: Path) -> None:
    shown = artgan("presets", "show", "studio64")
    (studio / "mine.toml").write_text(shown.stdout)
    again = artgan("presets", "show", "mine")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == shown.stdout
    listed = {entry["name"] for entry in json.loads(artgan("presets", "list", "--json").stdout)}
    assert {"studio64", "demo"} <= listed
    assert "studio64" in artgan("presets", "list").stdout


def test_cache_lists_and_clears(paintings: Path, artgan_cache: Path) -> None:
    artgan("train", paintings, *SHORT)
    entries = json.loads(artgan("cache", "list", "--json").stdout)
    assert [entry["source"] for entry in entries] == [str(paintings)]
    assert artgan("cache", "clear").exit_code == 0
    assert json.loads(artgan("cache", "list", "--json").stdout) == []
    assert not list(artgan_cache.rglob("*.u8"))


def test_doctor_reports_and_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    result = artgan("doctor", "--json", "--seconds", "0.05")
    assert result.exit_code == 0, result.stderr
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert {"artgan", "PyTorch", "torchvision", "device", "why", "threads", "ffmpeg", "cache", "speed"} <= checks.keys()
    assert all(check["well"] or check["hint"] for check in checks.values())
    monkeypatch.setattr("artgan.engine.doctor.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    poor = artgan("doctor", "--seconds", "0")
    assert "!!" in poor.stdout
    assert "Free some space" in poor.stderr


def test_demo_paints_trains_and_draws(studio: Path) -> None:
    result = artgan("demo", "--minutes", "0.001")
    assert result.exit_code == 0, result.stderr
    pictures = [Path("artgan-demo") / name for name in ("samples.png", "repainted.png", "walk.mp4")]
    assert result.stdout.split() == [str(picture) for picture in pictures]
    schools = {path.name for path in (studio / "artgan-demo" / "paintings").iterdir()}
    assert len(schools) >= 6
    for words in ("artgan train ./paintings", "artgan sample", "artgan walk", "artgan stylize photo.jpg", *schools):
        assert words in result.stderr
    with Image.open(studio / "artgan-demo" / "samples.png") as picture:
        assert picture.size[1] > picture.size[0] * len(schools) / 12
    with Image.open(studio / "artgan-demo" / "repainted.png") as sheet:
        assert sheet.width > 3 * 0.99 * sheet.height
    assert artgan("demo", "--minutes", "0.001").exit_code == 0
