"""Recipes: what a painting says of itself, and when two of them are one."""

import hashlib
import json
import os
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import artgan
from artgan.engine.images import encode_png
from artgan.errors import ArtganError, DatasetError
from artgan.style.controls import Controls
from artgan.style.jobs import plan
from artgan.style.recipe import digest, is_same, recipe_of
from artgan.style.redo import request
from tests.painting import picture
from tests.unit.test_style_controls import PLAIN


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a content, two styles and masks."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("photos/a [x] 🐞.jpg", "style.jpg", "second.jpg", "mask.png", "mask2.png")):
        picture(Path(name), number, 20, 16)
    return tmp_path


def recipe(*styles: str, out: str = "out", mask: bool = False, **changes: Any) -> dict[str, Any]:
    (job,) = plan(["photos/a [x] 🐞.jpg"], styles or ["style.jpg"], Path(out), False).jobs
    masks = (Path("mask.png"), Path("mask2.png")) if mask else None
    return recipe_of(job, Controls(**{**PLAIN, **changes}), masks)


def written(values: dict[str, Any], name: str = "painted.png") -> Path:
    Path(name).write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), values))
    return Path(name)


def test_it_names_the_pictures_as_seen_from_the_painting() -> None:
    found = recipe("style.jpg:3", "second.jpg", mask=True, strength=0.5)
    assert found["kind"] == "stylize"
    assert found["artgan"] == artgan.__version__
    content = found["content"]
    assert content["file"] == "../photos/a [x] 🐞.jpg"
    assert content["sha256"] == hashlib.sha256(Path("photos/a [x] 🐞.jpg").read_bytes()).hexdigest()
    assert [(style["file"], style["weight"]) for style in found["styles"]] == [
        ("../style.jpg", 3),
        ("../second.jpg", 1),
    ]
    assert [mask["file"] for mask in found["masks"]] == ["../mask.png", "../mask2.png"]
    assert found["settings"] == {**PLAIN, "strength": 0.5}
    assert json.loads(json.dumps(found)) == found


def test_the_command_says_exactly_what_differs_from_the_defaults() -> None:
    assert shlex.split(recipe()["command"]) == ["artgan", "stylize", "../photos/a [x] 🐞.jpg", "../style.jpg"]
    long = recipe(
        "style.jpg:0.3333333333333333",
        "second.jpg:2",
        mask=True,
        strength=0.123456789,
        size=640,
        keep_colors="match",
        seed=7,
    )
    words = shlex.split(long["command"])
    assert words[3:5] == ["../style.jpg:0.3333333333333333", "../second.jpg:2"]
    for flag, value in (("--strength", "0.123456789"), ("--size", "640"), ("--keep-colors", "match"), ("--seed", "7")):
        assert words[words.index(flag) + 1] == value
    assert words[words.index("--mask") + 1] == "../mask.png:../mask2.png"
    assert "--detail" not in words
    assert recipe(palette_only=True)["command"].endswith(" --palette-only")


def test_a_name_that_begins_with_a_dash_is_no_flag() -> None:
    picture(Path("-x.jpg"))
    (job,) = plan(["-x.jpg"], ["style.jpg"], None, False).jobs
    assert shlex.split(recipe_of(job, Controls(**PLAIN), None)["command"])[2] == "./-x.jpg"


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_names_that_are_no_unicode_fit_into_a_picture() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    picture(Path("plain.jpg"))
    try:
        Path("plain.jpg").rename(name)
    except OSError:
        pytest.skip("this file system wants Unicode")
    (job,) = plan([name], ["style.jpg"], None, False).jobs
    assert "\\udce9" in recipe_of(job, Controls(**PLAIN), None)["content"]["file"]
    written(recipe_of(job, Controls(**PLAIN), None))


def test_a_painting_is_the_same_wherever_its_pictures_lie_and_however_weights_are_written() -> None:
    base = recipe("style.jpg", "second.jpg:2", mask=True)
    path = written({**base, "finished": True})
    assert is_same(path, base) == (True, True)
    assert is_same(path, recipe("style.jpg:2", "second.jpg:4", out="elsewhere/deep", mask=True)) == (True, True)
    assert is_same(written({**base, "finished": False}), base) == (True, False)
    for other in (
        recipe("style.jpg", "second.jpg:3", mask=True),
        recipe("second.jpg:2", "style.jpg", mask=True),
        recipe("style.jpg", "second.jpg:2"),
        recipe("style.jpg", mask=True),
        recipe("style.jpg", "second.jpg:2", mask=True, seed=1),
    ):
        assert not is_same(path, other)[0]
    picture(Path("photos/a [x] 🐞.jpg"), 99)
    assert not is_same(path, recipe("style.jpg", "second.jpg:2", mask=True))[0]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "stylize"},
        {"kind": "stylize", "content": 5, "styles": 5},
        {"kind": "stylize", "content": {}, "styles": [{"weight": 0}]},
        {"kind": "stylize", "content": {}, "styles": [{"weight": "x"}], "masks": [3]},
        {"kind": "stylize", "content": None, "styles": None, "masks": None, "settings": []},
    ],
)
def test_nonsense_is_another_painting(values: dict[str, Any]) -> None:
    assert is_same(written({**values, "finished": True}), recipe())[0] is False


def test_other_files_are_other_paintings() -> None:
    Path("text.png").write_text("no picture")
    for name in ("text.png", "style.jpg", "photos"):
        assert is_same(Path(name), recipe()) == (False, False)


def test_a_recipe_asks_for_just_what_was_asked_for() -> None:
    found = recipe("style.jpg:0.1", "second.jpg:0.7", mask=True, strength=0.5, brush_size=2.0)
    Path("out").mkdir()
    asked = request(found, Path("out"))
    assert {name: asked[name] for name in PLAIN} == found["settings"]
    again = plan([asked["content"]], asked["style"], Path("out"), False)
    assert [style.weight for style in again.jobs[0].styles] == [0.1, 0.7]
    assert asked["mask"] == "out/../mask.png:out/../mask2.png"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("settings", {}),
        ("settings", {**PLAIN, "strength": 7}),
        ("settings", {**PLAIN, "size": 64.5}),
        ("settings", {**PLAIN, "detail": ["fast"]}),
        ("styles", [{"file": "style.jpg"}]),
        ("styles", 3),
        ("masks", [None]),
        ("content", None),
        ("content", {"file": "gone.jpg", "sha256": ""}),
    ],
)
def test_a_damaged_recipe_raises_what_is_promised(place: str, value: object) -> None:
    with pytest.raises((ArtganError, KeyError, TypeError, ValueError, AttributeError)):
        request({**recipe(out="."), place: value}, Path())


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("hashlib.file_digest", refuse)
    with pytest.raises(DatasetError, match=r"style\.jpg cannot be read: Input/output error"):
        digest(Path("style.jpg"))
