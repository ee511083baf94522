"""The README is tested: its commands run, its files exist, its two set-up commands are the ones CI uses."""

import json
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.config import field_descriptions, validated
from artgan.engine.video import write_video
from artgan.presets import find_preset, list_presets
from tests.conftest import painted
from tests.filming import write_tone
from tests.judging import answer, likes
from tests.unit.test_curation_textbook import mnist

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.partition(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.startswith("artgan ")
]
# What shortens a documented command without changing what it does.
SHORTER = {
    "demo": ["--minutes", "0.001"],
    "train": ["--minutes", "0.001", "--set", "model.base_channels=4"],
    "resume": ["--minutes", "0.001"],
    "doctor": ["--seconds", "0.05"],
    "score": ["--num", "8"],
    "project": ["--steps", "2"],
    "stylize": ["--size", "48", "--detail", "fast"],
    "interpret": ["--num", "16"],
    "style-train": ["--minutes", "0.003"],
}
AT_ONCE = {"instant", "my.style"}


def shortened(command: str) -> list[str]:
    words = shlex.split(command)[1:]
    if "--minutes" in words:
        at = words.index("--minutes")
        del words[at : at + 2]
    shorter = SHORTER.get(words[0], []) if words != ["explore"] else ["--num", "2", "--seeds", "0"]
    return words + (shorter[:2] if AT_ONCE & {*words} else shorter)


def test_every_command_of_the_readme_runs(
    paintings: Path, class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, in one folder, with the folders and files the README speaks of."""
    monkeypatch.chdir(tmp_path)
    paintings.rename("paintings")
    class_folders.rename("fruit")
    shutil.copytree("paintings", "messy")
    shutil.copytree("paintings", "orchard")
    for number, picture in enumerate(sorted(Path("orchard").iterdir())):
        picture.with_suffix(".txt").write_text("red apple" if number % 2 else "green pear")
    with zipfile.ZipFile("pictures.zip", "w") as archive:
        for picture in sorted(Path("paintings").iterdir()):
            archive.write(picture, picture.name)
    table = {
        picture.name: "even" if number % 2 else "odd" for number, picture in enumerate(Path("paintings").iterdir())
    }
    Path("labels.json").write_text(json.dumps(table))
    for number, name in enumerate(("photo", "painting", "other", "photos/a", "photos/b", "styles/c", "styles/d")):
        path = Path(f"{name}.jpg")
        path.parent.mkdir(exist_ok=True)
        painted(number, 48, 36).save(path)
    Image.fromarray(np.repeat(np.arange(36)[:, None] < 18, 48, axis=1)).save("mask.png")
    mnist(Path("downloads"))
    write_tone(Path("song.wav"), 0.5)
    frames = [np.asarray(painted(number, 48, 36)) for number in (0, 0, 1)]
    for film in ("dance.mp4", "moving.gif", "frames"):
        write_video(Path(film), frames, fps=1)
    assert len(COMMANDS) >= 15
    for command in COMMANDS:
        if "--tally" in command:
            answer(Path("judge.key.json"), Path("answers-anna.json"), likes("a"))
        result = CliRunner().invoke(app, shortened(command))
        assert result.exit_code == 0, f"{command}\n{result.stderr}"


def test_the_two_set_up_commands() -> None:
    run = (ROOT / ".ci" / "run").read_text()
    demo, tests = (line for block in BLOCKS for line in block.splitlines() if line.startswith("python3 -m venv"))
    assert demo.endswith(".venv/bin/artgan demo")
    assert tests in run.splitlines()


def test_every_file_of_the_run_folder_is_described(class_folders: Path, tmp_path: Path) -> None:
    import artgan

    run = artgan.train(
        class_folders,
        overrides={"model.base_channels": 4, "snapshot.stats_kimg": 0.004},
        resolution=8,
        batch=4,
        kimg=0.004,
        runs_dir=tmp_path,
    ).run
    for path in run.rglob("*"):
        name = re.sub(r"\d{9}", "000200000", path.name)
        assert name in README, path
    listed = r"^ {4,6}([\w.]+\.(?:toml|jsonl|json|html|png|safetensors)|latest) (?!.*; only)"
    for name in re.findall(listed, README, flags=re.MULTILINE):
        assert list(run.rglob(re.sub(r"\d{9}", "?????????", name))), name


def test_presets_load_have_a_description_and_are_in_the_readme() -> None:
    presets = list_presets()
    assert presets
    for preset in presets:
        assert preset.title
        assert preset.description
        assert f"`{preset.name}`" in README
        assert find_preset(preset.name).values == preset.values
        validated(preset.values)


def test_settings_and_pictures_named_in_the_readme_exist() -> None:
    for key in re.findall(r"`((?:engine|data|model|train|augment|snapshot|score)\.\w+)`", README):
        assert key in field_descriptions()
    for name in re.findall(r"\]\((gallery/[^)]+)\)", README):
        assert (ROOT / name).is_file(), name


def parse(words: list[str]) -> None:
    """Read a command line without running it; a wrong word raises."""
    group = get_command(app)
    with group.make_context("artgan", list(words)) as context:
        name, command, rest = group.resolve_command(context, words)  # type: ignore[attr-defined]
        command.make_context(name, rest, parent=context).close()


def test_every_gallery_picture_lies_beside_a_recipe_that_parses() -> None:
    pictures = sorted(path for path in (ROOT / "gallery").iterdir() if path.suffix in (".png", ".gif"))
    assert pictures
    for picture in pictures:
        recipe = picture.with_suffix(".sh").read_text()
        assert picture.name in recipe
        commands = [line for line in recipe.splitlines() if line.startswith("artgan ")]
        scripts = re.findall(r"python - <<'EOF'\n(.*?)\nEOF", recipe, flags=re.DOTALL)
        assert commands or scripts, picture
        for command in commands:
            parse(shlex.split(command)[1:])
        for script in scripts:
            compile(script, picture.name, "exec")


def test_a_wrong_recipe_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["train", "paintings", "--wings"])


def test_nothing_else_stands_at_the_top() -> None:
    allowed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "artgan", "presets", "tests", "gallery"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert allowed <= found
    assert found - allowed <= {"build", "dist", "runs", "artgan-demo"}  # what git ignores
