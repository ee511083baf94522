"""Presets, label tables and the records of a run are untrusted text: one sentence and the right exit code for each."""

import functools
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.data.sources import scan
from artgan.engine.storage import Run, cut_back, read_json_lines
from artgan.errors import CheckpointError, DatasetError
from tests.hostile import commands

DEEP = "[" * 100_000
TINY = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]


refused = functools.partial(commands.refused, longest=1000)


PRESETS: dict[str, str | bytes] = {
    "nested 30,000 deep": "x = " + "[" * 30_000,
    "inline tables nested deep": "x = " + "{a=" * 9000,
    "nested deep below the limit": "[train]\ng_lr = " + "[" * 200 + "]" * 200,
    "dotted keys without end": "[train]\ng_lr" + ".a" * 3000 + " = 1",
    "a title without end": "title" + ".a" * 3000 + " = 1",
    "a table of many dots": "[" + "a." * 9000 + "b]",
    "a title that is a list": "title = [1]",
    "a description that is a date": "description = 2024-01-01",
    "a section that is a number": "train = 3",
    "a section that is a list": "train = [1, 2]",
    "a list of sections": "[[train]]\ng_lr = 1",
    "a value of another type": "[train]\nbatch = 'many'",
    "a value that is a table": "[train.batch]\nx = 1",
    "a date": "[train]\nbatch = 2024-01-01T00:00:00Z",
    "not a number": "[train]\ng_lr = nan",
    "infinity": "[train]\ntotal_kimg = inf",
    "a number of 5000 digits": "[train]\nseed = " + "9" * 5000,
    "a shape of 5000 digits": "[data]\nshape = '" + "9" * 5000 + "x8'",
    "a shape of other figures": "[data]\nshape = '٣x٣'",
    "a key with markup": "[train]\n'[/x]' = 1",
    "a section with markup": "['[bold]']\n'[/x]' = 1",
    "a section with control characters": '["\\u001b[31m\\u0007\\n"]\nx = 1',
    "a value with control characters": '[model]\nname = "\\u001b[31m\\n"',
    "a key of 20 kB": "[train]\n" + "x" * 20_000 + " = 1",
    "a section of 20 kB": "[" + "x" * 20_000 + "]\ny = 1",
    "a value of 20 kB": "[model]\nname = '" + "x" * 20_000 + "'",
    "ten thousand unknown keys": "".join(f"k{n}=1\n" for n in range(3000)),
    "ten thousand wrong values": f"[augment]\npolicy = [{'1,' * 10_000}]",
    "a key twice": "[train]\nbatch = 4\nbatch = 8",
    "an attribute of Python": "[train]\n__class__ = 'os'",
    "a null character": "[train]\x00",
    "binary": bytes(range(256)),
    "a pickle": b"cposix\nsystem\n(S'touch sprung'\ntR.",
    "UTF-16": "[train]\nbatch = 4".encode("utf-16"),
    "half a letter": b"title = '\xed\xa0\x80'",
    "too large": "#" * 40_000,
}


@pytest.mark.parametrize("what", PRESETS)
def test_a_hostile_preset_is_refused(tmp_path: Path, paintings: Path, what: str) -> None:
    path, content = tmp_path / "x.toml", PRESETS[what]
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    started = time.monotonic()
    assert "x.toml" in refused("presets", "show", path, code=4)
    assert "x.toml" in refused("train", paintings, "--preset", path, "--runs", tmp_path / "runs", code=4)
    assert time.monotonic() - started < 5
    assert not (tmp_path / "runs").exists()


def test_a_preset_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.toml")
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(1 << 36)  # takes no room: the file is a hole
    for path in sorted(tmp_path.iterdir()):
        assert path.name in refused("presets", "show", path, code=4)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_preset_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.touch(mode=0)
    assert "Permission denied" in refused("presets", "show", path, code=4)


@pytest.mark.parametrize(
    "pair",
    [
        "train.g_lr=" + "[" * 50_000,
        "train.seed=" + "9" * 5000,
        "[/x].[bold]=1",
        "train.\x1b[31m=1",
        "x" * 9000 + ".y=1",
    ],
)
def test_a_hostile_override_is_refused(tmp_path: Path, paintings: Path, pair: str) -> None:
    refused("train", paintings, "--set", pair, "--runs", tmp_path / "runs", code=4)


TABLES: dict[str, tuple[str, str | bytes]] = {
    "a field over the limit": ("x.csv", "file,label\n" + "a" * 200_000 + ",cat\n"),
    "no header": ("x.csv", "00.jpg,cat\n01.png,dog\n"),
    "nothing": ("x.csv", ""),
    "null characters": ("x.csv", b"file,label\n\0\0.jpg,cat\n"),
    "no column of files": ("x.csv", "name,label\n00.jpg,cat\n"),
    "no column of labels": ("x.csv", "file,class\n00.jpg,cat\n"),
    "two columns of labels": ("x.csv", "file,label,label\n00.jpg,cat,dog\n"),
    "two columns of files": ("x.csv", "file,file,label\n00.jpg,01.png,dog\n"),
    "two labels for a file": ("x.csv", "file,label\n00.jpg,cat\n00.jpg,dog\n"),
    "UTF-16": ("x.csv", "file,label\n00.jpg,cat\n".encode("utf-16")),
    "Latin-1": ("x.csv", "file,label\n00.jpg,kätzchen\n".encode("latin-1")),
    "a lone quote": ("x.csv", 'file,label\n"00.jpg,cat\n01.png,dog\n'),
    "a quote within a field": ("x.csv", 'file,label\n"00".jpg,cat\n'),
    "binary": ("x.csv", bytes(range(256))),
    "a pickle": ("x.csv", b"cposix\nsystem\n(S'touch sprung'\ntR."),
    "control characters": ("x.csv", "file,label\n\x1b[31m\x07[/x],[bold]\n"),
    "nested deep": ("x.json", DEEP),
    "objects nested deep": ("x.json", '{"a":' * 100_000),
    "a label nested deep": ("x.json", '{"00.jpg": ' + "[" * 900 + "]" * 900 + "}"),
    "labels that are lists": ("x.json", '{"00.jpg": ["cat"]}'),
    "labels that are objects": ("x.json", '{"00.jpg": {"label": "cat"}}'),
    "files that are lists": ("x.json", '[{"file": [], "label": "cat"}]'),
    "a list of lists": ("x.json", '[["00.jpg", "cat"]]'),
    "a number": ("x.json", "3"),
    "a number of 5000 digits": ("x.json", '{"00.jpg": ' + "9" * 5000 + "}"),
    "null": ("x.json", "null"),
    "text": ("x.json", '"cat"'),
    "cut short": ("x.json", '{"00.jpg": "c'),
    "half a letter": ("x.json", '{"\\ud800.jpg": "cat"}'),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_hostile_label_table_is_refused(tmp_path: Path, paintings: Path, what: str) -> None:
    name, content = TABLES[what]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    told = refused("train", paintings, "--labels", path, "--runs", tmp_path / "runs", code=3)
    assert told.startswith((f"The label table {path}", f"{path} has a label for none"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_label_table_that_is_no_file_is_refused(tmp_path: Path, paintings: Path, suffix: str) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / f"folder.{suffix}").mkdir()
    (folder / f"loop.{suffix}").symlink_to(folder / f"loop.{suffix}")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / f"pipe.{suffix}")
    with (folder / f"huge.{suffix}").open("wb") as file:
        file.truncate(1 << 36)
    for path in sorted(folder.iterdir()):
        with pytest.raises(DatasetError, match=path.name):
            scan(paintings, labels=str(path))


def test_labels_that_look_like_code_are_only_names(tmp_path: Path, paintings: Path) -> None:
    labels = ["../../../x", "[/x]", "\x1b[31m", "=cmd()"]
    names = [path.name for path in sorted(paintings.iterdir())]
    table = tmp_path / "x.json"
    table.write_text(json.dumps({name: labels[number % 4] for number, name in enumerate(names)}))
    command = [
        "train",
        str(paintings),
        "--labels",
        str(table),
        *TINY,
        "--kimg",
        "0.004",
        "--runs",
        str(tmp_path / "runs"),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.exception
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[31m 3" in done.stderr
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["sample", "--runs", str(tmp_path / "runs"), "--seeds", "0", "-o", str(out)])
    assert done.exit_code == 0, done.exception
    assert len(list(out.iterdir())) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "paintings", "runs", "x.json"]


# --- what a run says of itself


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, and its pictures beside it."""
    from PIL import Image

    home = tmp_path_factory.mktemp("home")
    (home / "pictures").mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(home / "pictures" / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTGAN_CACHE", str(home / "cache"))
        command = ["train", str(home / "pictures"), *TINY, "--kimg", "0.004", "--runs", str(home / "runs")]
        done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    return Path(done.stdout.strip())


def said(run: Path, **change: object) -> str:
    info = json.loads((run / "run.json").read_text())
    data = {**info["data"], **{key[6:]: value for key, value in change.items() if key.startswith("data__")}}
    return json.dumps({**info, "data": data, **{key: change[key] for key in change if not key.startswith("data__")}})


RUN_JSON: dict[str, str | bytes] = {
    "nested deep": DEEP,
    "objects nested deep": '{"data":' * 100_000,
    "a list": "[]",
    "null": "null",
    "empty": "",
    "binary": bytes(range(256)),
    "no data": '{"engine": {}}',
    "data that is a list": '{"engine": {}, "data": []}',
    "a path that is a number": '{"engine": {}, "data": {"path": 3, "fingerprint": "", "pictures": 1}}',
    "a path that is a list": '{"engine": {}, "data": {"path": [], "fingerprint": "", "pictures": 1}}',
    "infinite pictures": '{"engine": {}, "data": {"path": ".", "fingerprint": "", "pictures": Infinity}}',
    "an engine that is text": '{"engine": "cpu", "data": {"path": ".", "fingerprint": "", "pictures": 1}}',
}


@pytest.mark.parametrize("what", RUN_JSON)
def test_a_damaged_run_json_is_told_in_one_sentence(trained: Path, tmp_path: Path, what: str) -> None:
    run = shutil.copytree(trained, tmp_path / "runs" / "00000-copy")
    content = RUN_JSON[what]
    (run / "run.json").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(CheckpointError, match="00000-copy"):
        Run(run).read_info()
    assert "00000-copy" in refused("resume", "0", "--runs", tmp_path / "runs", code=5)
    listed = CliRunner().invoke(app, ["runs", "--runs", str(tmp_path / "runs")])
    assert listed.exit_code == 0, listed.exception
    assert "00000-copy" in listed.stdout


@pytest.mark.parametrize("path", ["/nowhere\x1b[31m[/x]", "a\0b", "x" * 200, "../../../nowhere"])
def test_the_path_of_the_pictures_may_be_anything(trained: Path, tmp_path: Path, path: str) -> None:
    run = shutil.copytree(trained, tmp_path / "runs" / "00000-copy")
    (run / "run.json").write_text(said(run, data__path=path))
    refused("resume", "0", "--runs", tmp_path / "runs", code=3)


CONFIGS = ["nested 30,000 deep", "binary", "a key with markup", "a section that is a number", "dotted keys without end"]


@pytest.mark.parametrize("what", CONFIGS)
def test_a_damaged_config_is_told_in_one_sentence(trained: Path, tmp_path: Path, what: str) -> None:
    run = shutil.copytree(trained, tmp_path / "runs" / "00000-copy")
    content = PRESETS[what]
    (run / "config.toml").write_bytes(content.encode() if isinstance(content, str) else content)
    assert "config.toml" in refused("resume", "0", "--runs", tmp_path / "runs", code=4)
    listed = CliRunner().invoke(app, ["runs", "--runs", str(tmp_path / "runs")])
    assert listed.exit_code == 0, listed.exception
    assert "config.toml" in listed.stdout


LINES = {
    "nested deep": DEEP,
    "objects nested deep": '{"nimg":' * 100_000,
    "no object": "3",
    "no nimg": "{}",
    "an nimg in words": '{"nimg": "1"}',
    "an nimg that is true": '{"nimg": true}',
    "a negative nimg": '{"nimg": -1}',
    "an nimg of 4000 digits": '{"nimg": ' + "9" * 4000 + "}",
    "an nimg of 5000 digits": '{"nimg": ' + "9" * 5000 + "}",
    "a time that is a number": '{"nimg": 4, "time": 3}',
    "a time in words": '{"nimg": 4, "time": {"images_per_second": "fast"}}',
    "a time nested": '{"nimg": 4, "time": {"images_per_second": [[]]}}',
    "a time that is infinite": '{"nimg": 4, "time": {"images_per_second": Infinity}}',
    "a time of 4000 digits": '{"nimg": 4, "time": {"images_per_second": ' + "9" * 4000 + "}}",
    "binary": "\x00\x80\xff",
    "half a letter": "\udcff",
    "cut short": '{"nimg": 4, "ti',
}


@pytest.mark.parametrize("what", LINES)
def test_a_damaged_line_of_the_records_is_left_out(trained: Path, tmp_path: Path, what: str) -> None:
    run = shutil.copytree(trained, tmp_path / "runs" / "00000-copy")
    good = {"nimg": 2, "loss_G": 0.5, "time": {"images_per_second": 100.0, "unix": 0.5}}
    text = f"{json.dumps(good)}\n{LINES[what]}\n{json.dumps({**good, 'nimg': 3})}\n"
    for path in (run / "stats.jsonl", run / "metrics.jsonl", run / "repairs.jsonl"):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert [record["nimg"] for record in read_json_lines(run / "stats.jsonl")] == [2, 3]
    listed = CliRunner().invoke(app, ["runs", "--runs", str(tmp_path / "runs")])
    assert listed.exit_code == 0, listed.exception
    assert "00000-copy" in listed.stdout
    cut_back(run / "stats.jsonl", 2)
    assert (run / "stats.jsonl").read_text() == json.dumps(good) + "\n"


def test_records_that_are_no_file_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jsonl")
    assert [read_json_lines(path) for path in tmp_path.iterdir()] == [[]] * len(list(tmp_path.iterdir()))
