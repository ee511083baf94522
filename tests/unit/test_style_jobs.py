"""Which pictures are painted after which, and into which files: never two into one, never over an input."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgan.engine.images import encode_png
from artgan.errors import DatasetError, UsageError
from artgan.style.jobs import Plan, kind_of, parse_style, plan, require
from artgan.style.outputs import Extras
from tests.conftest import painted


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photo.jpg and style.jpg."""
    monkeypatch.chdir(tmp_path)
    picture("photo.jpg")
    picture("style.jpg")
    return tmp_path


def picture(name: str, seed: int = 0) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    painted(seed, 16, 12).save(path)
    return path


def ours(name: str, kind: str = "stylize") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), {"kind": kind}))
    return path


def outs(found: Plan) -> list[str]:
    return [job.out.as_posix() for job in found.jobs]


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("style.jpg", "style.jpg", 1),
        ("style.jpg:2", "style.jpg", 2),
        ("style.jpg:0.25", "style.jpg", 0.25),
        ("style.jpg:.5", "style.jpg", 0.5),
        ("style.jpg:1e-05", "style.jpg", 1e-5),
        (r"C:\style.jpg", r"C:\style.jpg", 1),
        (r"C:\style.jpg:3", r"C:\style.jpg", 3),
        ("12:30.jpg", "12:30.jpg", 1),
        ("12:30.jpg:3", "12:30.jpg", 3),
        ("style.jpg:two", "style.jpg:two", 1),
        ("style.jpg:1.2.3", "style.jpg:1.2.3", 1),
        ("style [x] 🐞.jpg:4", "style [x] 🐞.jpg", 4),
        ("a:b/style", "a:b/style", 1),
        ("two\nlines:2", "two\nlines", 2),
    ],
)
def test_a_weight_is_what_stands_behind_the_last_colon(text: str, path: str, weight: float) -> None:
    assert parse_style(text) == (Path(path), weight)


@given(weight=st.floats(1e-12, 999_999))
def test_any_weight_is_read_as_it_is_written(weight: float) -> None:
    assert parse_style(f"style.jpg:{weight!r}") == (Path("style.jpg"), weight)


@pytest.mark.skipif(os.name != "posix", reason="colons in names")
def test_a_file_that_is_really_called_so_has_no_weight() -> None:
    picture("style.jpg")
    Path("style.jpg").rename("style:2")
    assert parse_style("style:2") == (Path("style:2"), 1)
    assert parse_style("style:2:3") == (Path("style:2"), 3)


@pytest.mark.parametrize("weight", ["0", "-2", "0.0", "1e9"])
def test_weights_that_make_no_sense_are_refused(weight: str) -> None:
    with pytest.raises(UsageError, match=f"style.jpg:{weight}"):
        plan(["photo.jpg"], ["photo.jpg", f"style.jpg:{weight}"], None, False)


def test_one_picture_is_painted_beside_its_content(folder: Path) -> None:
    picture("holiday/photo.v1.jpg")
    found = plan(["holiday/photo.v1.jpg"], ["style.jpg"], None, False)
    assert outs(found) == ["holiday/photo.v1-style.png"]
    assert not found.many
    absolute = plan([folder / "photo.jpg"], [folder / "style.jpg"], None, False)
    assert outs(absolute) == [(folder / "photo-style.png").as_posix()]


def test_mixed_styles_share_one_picture_by_weight() -> None:
    picture("second.png")
    (job,) = plan(["photo.jpg"], ["style.jpg:3", "second.png"], None, False).jobs
    assert [(style.path.name, style.weight, style.share) for style in job.styles] == [
        ("style.jpg", 3, 0.75),
        ("second.png", 1, 0.25),
    ]
    assert job.out == Path("photo-style-second.png")


def test_folders_are_painted_with_all_levels_and_keep_them() -> None:
    for name in ("a.jpg", "sub/b.PNG", "sub/deep/a.jpg"):
        picture(f"photos/{name}")
    Path("photos/notes.txt").write_text("no picture")
    inside = plan(["photos"], ["style.jpg"], None, False)
    assert outs(inside) == ["photos/a-style.png", "photos/sub/b-style.png", "photos/sub/deep/a-style.png"]
    assert inside.many
    apart = plan(["photos"], ["style.jpg"], Path("out"), False)
    assert outs(apart) == ["out/a-style.png", "out/sub/b-style.png", "out/sub/deep/a-style.png"]


def test_globs_are_expanded_and_names_that_only_look_like_one_are_not() -> None:
    for name in ("a.jpg", "b.jpg", "c.png", "[d].jpg"):
        picture(f"photos/{name}")
    assert outs(plan(["photos/?.jpg"], ["style.jpg"], Path("out"), False)) == ["out/a-style.png", "out/b-style.png"]
    literal = plan(["photos/[d].jpg"], ["style.jpg"], None, False)
    assert outs(literal) == ["photos/[d]-style.png"]
    assert not literal.many
    gone = plan(["photos/gone [x].jpg"], ["style.jpg"], None, False)
    assert outs(gone) == ["photos/gone [x]-style.png"], "what reads it says that it is not there"
    assert outs(plan(["photos/[ab].jpg"], ["style.jpg"], Path("out"), False)) == ["out/a-style.png", "out/b-style.png"]
    lone = plan(["photos/a*.jpg"], ["style.jpg"], None, False)
    assert lone.many, "there may be two of them tomorrow: what is done is passed over and not an error"
    with pytest.raises(UsageError, match=r"no picture in photos/\*\.tif"):
        plan(["photos/*.tif"], ["style.jpg"], None, False)
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="no picture in empty"):
        plan(["empty"], ["style.jpg"], None, False)


def test_a_picture_that_is_named_twice_is_painted_once() -> None:
    picture("photos/a.jpg")
    found = plan(["photos", "photos/a.jpg", "./photos/../photos/a.jpg"], ["style.jpg"], None, False)
    assert outs(found) == ["photos/a-style.png"]


def test_own_results_are_no_contents_unless_they_are_named() -> None:
    picture("photos/a.jpg")
    for name, kind in (("a-style", "stylize"), ("a-style-sheet", "sheet"), ("now", "preview")):
        ours(f"photos/{name}.png", kind)
    ours("photos/drawn.png", "sample")
    found = plan(["photos"], ["style.jpg"], None, False)
    assert outs(found) == ["photos/a-style.png", "photos/drawn-style.png"]
    assert found.passed_over == (("3 pictures in photos", "artgan painted them"),)
    assert outs(plan(["photos/*"], ["style.jpg"], None, False)) == outs(found)
    assert outs(plan(["photos/now.png"], ["style.jpg"], None, False)) == ["photos/now-style.png"]
    assert [kind_of(Path(f"photos/{name}")) for name in ("now.png", "a.jpg", "gone.png")] == ["preview", None, None]


def test_all_pairs_are_each_content_after_each_style() -> None:
    picture("other.jpg")
    picture("styles/x.jpg")
    picture("styles/sub/y.jpg")
    found = plan(["photo.jpg", "other.jpg"], ["styles", "style.jpg:5"], Path("out"), True)
    assert outs(found) == [
        f"out/{content}-{style}.png" for content in ("photo", "other") for style in ("y", "x", "style")
    ]
    assert all(len(job.styles) == 1 and job.styles[0].share == 1 for job in found.jobs)
    assert plan(["photo.jpg"], ["styles/*.jpg"], None, True).many


@pytest.mark.parametrize("style", ["styles", "styles/*.jpg"])
def test_several_styles_by_one_name_need_all_pairs(style: str) -> None:
    picture("styles/x.jpg")
    with pytest.raises(UsageError, match="stands for several styles") as caught:
        plan(["photo.jpg"], [style], None, False)
    assert "--all-pairs" in caught.value.hint
    Path("styles/x.jpg").unlink()
    with pytest.raises(UsageError, match=r"no style in styles"):
        plan(["photo.jpg"], [style], None, True)


def test_nothing_to_paint_after_is_said() -> None:
    with pytest.raises(UsageError, match="no style"):
        plan(["photo.jpg"], [], None, False)
    with pytest.raises(UsageError, match="nothing to paint"):
        plan([], ["style.jpg"], None, False)
    with pytest.raises(DatasetError, match=r"style gone\.jpg does not exist"):
        plan(["photo.jpg"], ["gone.jpg"], None, False)


def test_no_two_pictures_are_painted_into_one_file() -> None:
    for name in ("photos/a.jpg", "photos/a.png", "photos/A.tif", "photos/b.jpg", "photos/a.jpg.png", "far/a.jpg"):
        picture(name)
    for name in ("monet/1.jpg", "manet/1.jpg", "monet/1.png"):
        picture(name)
    suffixes = plan(["photos/a.jpg", "photos/a.png", "photos/b.jpg"], ["style.jpg"], None, False)
    assert outs(suffixes) == ["photos/a.jpg-style.png", "photos/a.png-style.png", "photos/b-style.png"]
    beside = plan(["photos/a.jpg", "far/a.jpg"], ["style.jpg"], None, False)
    assert outs(beside) == ["photos/a-style.png", "far/a-style.png"], "they are apart already"
    for found in (
        plan(["photos"], ["style.jpg"], None, False),
        plan(["photos/a.jpg", "far/a.jpg", "photos/a.jpg.png"], ["style.jpg"], Path("out"), False),
        plan(["photo.jpg"], ["monet/1.jpg", "manet/1.jpg", "monet/1.png"], Path("out"), True),
        plan(["photos", "far"], ["monet", "manet"], Path("out"), True),
    ):
        assert len({name.casefold() for name in outs(found)}) == len(found.jobs)
        assert len({job.place.as_posix().casefold() for job in found.jobs}) == len(found.jobs)
    again = plan(["photo.jpg"], ["monet/1.jpg", "manet/1.jpg"], Path("out"), True)
    assert outs(again) == outs(plan(["photo.jpg"], ["monet/1.jpg", "manet/1.jpg"], Path("out"), True))


def test_names_stay_short_enough_for_any_file_system() -> None:
    long = [f"{'🐞' * 50}{number}.jpg" for number in range(2)]
    for name in long:
        picture(name)
    found = plan(long, [*long, "style.jpg"], None, False)
    assert len({job.out for job in found.jobs}) == 2
    for job in found.jobs:
        assert len(os.fsencode(job.out.name)) < 220
        job.out.write_bytes(b"it can be written")


@pytest.mark.parametrize("name", ["out.png", "out.TIF", "out.jpeg"])
def test_one_picture_may_be_given_any_name(name: str) -> None:
    assert outs(plan(["photo.jpg"], ["style.jpg"], Path(name), False)) == [name]


def test_outputs_that_suit_nothing_are_refused() -> None:
    picture("photos/a.jpg")
    with pytest.raises(UsageError, match=r"-o out\.webp is a film, and photo\.jpg one picture"):
        plan(["photo.jpg"], ["style.jpg"], Path("out.webp"), False)
    with pytest.raises(UsageError, match=r"-o out\.png is one file, and there are several"):
        plan(["photo.jpg", "photos"], ["style.jpg"], Path("out.png"), False)
    Path("list.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"-o list\.txt is a file that is no picture"):
        plan(["photo.jpg"], ["style.jpg"], Path("list.txt"), False)
    Path("odd.png").mkdir()
    assert outs(plan(["photo.jpg"], ["style.jpg"], Path("odd.png"), False)) == ["odd.png/photo-style.png"]
    assert outs(plan(["photo.jpg"], ["style.jpg"], Path("new"), False)) == ["new/photo-style.png"]


def checked(found: Plan, overwrite: bool = True, /, **names: str) -> Extras:
    """The extras of a plan, with a preview and a sheet of these names."""
    paths = {flag: Path(names[flag]) if flag in names else None for flag in ("preview", "sheet")}
    return Extras(**paths, many=found.many).checked(found.jobs, [Path("mask.png")], overwrite)


@pytest.mark.parametrize("target", ["photo.jpg", "style.jpg", "mask.png", "./photo.jpg", "link.jpg"])
@pytest.mark.parametrize("flag", ["out", "preview", "sheet"])
def test_no_input_is_ever_written_over(target: str, flag: str) -> None:
    picture("mask.png")
    Path("link.jpg").symlink_to("photo.jpg")
    if flag == "sheet":  # which ends in .png
        Path("sheet.png").symlink_to(target)
        target = "sheet.png"
    found = plan(["photo.jpg"], ["style.jpg"], Path(target) if flag == "out" else None, False)
    names = {} if flag == "out" else {flag: target}
    with pytest.raises(UsageError, match="is one of the pictures to read"):
        checked(found, **names)


def test_a_default_name_may_be_an_input_too() -> None:
    picture("photo-style.png")
    with pytest.raises(UsageError, match=r"photo-style\.png is one of the pictures to read"):
        checked(plan(["photo.jpg", "photo-style.png"], ["style.jpg"], None, False))
    link = Path("linked")
    link.symlink_to(".")
    with pytest.raises(UsageError, match="is one of the pictures to read"):
        checked(plan(["photo.jpg"], ["style.jpg"], Path("linked/photo.jpg"), False))


def test_previews_and_sheets_get_names_of_their_own() -> None:
    one, two = (plan(contents, ["style.jpg"], None, False) for contents in (["photo.jpg"], ["photo.jpg", "style.jpg"]))
    with pytest.raises(UsageError, match=r"--preview now\.gif"):
        checked(one, preview="now.gif")
    with pytest.raises(UsageError, match=r"--sheet sheet\.jpg does not end in \.png"):
        checked(one, sheet="sheet.jpg")
    with pytest.raises(UsageError, match=r"--sheet sheet\.png is one file"):
        checked(two, sheet="sheet.png")
    for flag in ("preview", "sheet"):
        with pytest.raises(UsageError, match=f"--{flag} photo-style.png is where a painting goes"):
            checked(one, **{flag: "photo-style.png"})
    with pytest.raises(UsageError, match="preview and sheet at once"):
        checked(one, preview="x.png", sheet="x.png")
    Path("sheets").mkdir()
    assert checked(one, sheet="sheets").sheet_for(one.jobs[0]) == Path("sheets/photo-style-sheet.png")
    assert [checked(two, sheet="new").sheet_for(job) for job in two.jobs] == [
        Path("new/photo-style-sheet.png"),
        Path("new/style-style-sheet.png"),
    ]


def test_sheets_of_equal_names_in_several_folders_stay_apart() -> None:
    for name in ("photos/a/x.jpg", "photos/b/x.jpg"):
        picture(name)
    for found in (
        plan(["photos"], ["style.jpg"], Path("out"), False),
        plan(["photos/a/x.jpg", "photos/b/x.jpg"], ["style.jpg"], None, False),
    ):
        sheets = [checked(found, sheet="sheets").sheet_for(job) for job in found.jobs]
        assert sheets == [Path("sheets/a/x-style-sheet.png"), Path("sheets/b/x-style-sheet.png")]


def test_other_files_are_not_replaced_by_previews_and_sheets() -> None:
    picture("mine.png")
    ours("old-preview.png", "preview")
    ours("old-sheet.png", "sheet")
    one = plan(["photo.jpg"], ["style.jpg"], None, False)
    for flag in ("preview", "sheet"):
        with pytest.raises(UsageError, match=r"mine\.png exists"):
            checked(one, False, **{flag: "mine.png"})
        checked(one, True, **{flag: "mine.png"})
    checked(one, False, preview="old-preview.png", sheet="old-sheet.png")


def test_what_is_no_file_is_named() -> None:
    Path("folder").mkdir()
    for name, words in (("folder", "is a folder"), ("gone.jpg", "does not exist")):
        with pytest.raises(DatasetError, match=f"The picture {name} {words}"):
            require(Path(name), "picture")
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.jpg")
        with pytest.raises(DatasetError, match=r"pipe\.jpg is no file"):
            require(Path("pipe.jpg"), "picture")
