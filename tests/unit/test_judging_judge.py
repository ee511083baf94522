"""The page that `artgan.judge` writes: what is on it, what is not, and what it refuses."""

import base64
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

import artgan
from artgan.errors import CheckpointError, DatasetError, Interrupted, UsageError
from artgan.judging.judge import BallotResult
from tests.conftest import painted
from tests.generators import untrained_run

SECRET = "hush"


def folder(path: Path, count: int, seed: int = 0, size: tuple[int, int] = (96, 96), stem: str = SECRET) -> Path:
    """Pictures that carry their origin wherever a file can."""
    path.mkdir(parents=True)
    for number in range(count):
        picture = painted(seed + number, *size)
        name = path / f"{stem}{seed + number}"
        if number % 2:
            text = PngImagePlugin.PngInfo()
            text.add_itxt("artgan", f'{{"run": "{SECRET}"}}')
            picture.save(name.with_suffix(".png"), pnginfo=text)
        else:
            exif = Image.Exif()
            exif[0x010E] = SECRET
            picture.save(name.with_suffix(".jpg"), quality=95, comment=SECRET.encode(), exif=exif)
    return path


def judged(a: Path, b: Path | None, **options: Any) -> BallotResult:
    return artgan.judge(a, b, out=a.parent / "judge.html", **options)


def data_of(result: BallotResult) -> dict[str, Any]:
    """What the page holds for its script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', result.page.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def pictures_of(result: BallotResult) -> list[bytes]:
    return [base64.b64decode(picture) for picture in data_of(result)["pictures"]]


def shown_in(result: BallotResult) -> list[tuple[str, list[str]]]:
    """The sides and the names of the pictures of every question."""
    return [(shown["sides"], shown["pictures"]) for shown in json.loads(result.key.read_text())["questions"]]


def test_nothing_on_the_page_says_what_is_compared(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "alpha-hush", 12), folder(tmp_path / "beta-hush", 12, seed=50)
    result = judged(a, b, num=10)
    page = result.page.read_text()
    for word in (SECRET, "alpha", "beta", str(tmp_path), tmp_path.name, "seed"):
        assert word not in page
    data = data_of(result)
    assert set(data) == {"ballot", "mode", "format", "questions", "pictures"}
    for picture in pictures_of(result):
        assert SECRET.encode() not in picture
        with Image.open(io.BytesIO(picture)) as opened:
            assert opened.format == "JPEG"
            assert opened.size == (96, 96)
            assert set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert not opened.getexif()
    assert len(data["questions"]) == 11
    assert all(re.fullmatch("[0-9a-f]{10}", name) for name, _ in data["questions"])


def test_the_key_says_what_the_page_does_not(tmp_path: Path) -> None:
    """Every picture on the page is the one that the key names."""
    a, b = folder(tmp_path / "a", 12, size=(48, 48)), folder(tmp_path / "b", 12, seed=50, size=(48, 48))
    result = judged(a, b, num=10)
    key = json.loads(result.key.read_text())
    data = data_of(result)
    assert (key["a"], key["b"], key["ballot"]) == (str(a), str(b), data["ballot"])
    files = pictures_of(result)  # at 48 px they are kept without loss
    for shown, (name, places) in zip(key["questions"], data["questions"], strict=True):
        assert shown["id"] == name
        for side, title, place in zip(shown["sides"], shown["pictures"], places, strict=True):
            with Image.open((a if side == "a" else b) / title) as source, Image.open(io.BytesIO(files[place])) as seen:
                assert seen.tobytes() == source.convert("RGB").tobytes()
    fresh = Counter(shown["sides"] for shown in key["questions"] if shown["repeats"] is None)
    assert fresh == {"ab": 5, "ba": 5}
    assert result.repeats == 1


def test_same_seed_same_ballot(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 12), folder(tmp_path / "b", 12, seed=50)
    first = judged(a, b, num=6)
    page = first.page.read_bytes()
    assert judged(a, b, num=6, overwrite=True).page.read_bytes() == page
    other = judged(a, b, num=6, seed=1, overwrite=True)
    assert other.ballot != first.ballot
    order = shown_in(other)
    a.rename(tmp_path / "c")
    renamed = judged(tmp_path / "c", b, num=6, seed=1, overwrite=True)  # the order is not the seed's alone
    assert shown_in(renamed) != order


def test_sizes_and_shapes_tell_nothing(tmp_path: Path) -> None:
    small, large = folder(tmp_path / "a", 4, size=(48, 32)), folder(tmp_path / "b", 4, seed=50, size=(150, 100))
    result = judged(small, large, num=4)
    assert result.size == (48, 32)
    assert {Image.open(io.BytesIO(picture)).size for picture in pictures_of(result)} == {(48, 32)}
    upright = folder(tmp_path / "c", 4, seed=90, size=(60, 80))
    result = judged(small, upright, num=4, overwrite=True)
    assert result.size == (32, 32)
    assert "Pictures of several shapes were cropped to squares in the middle." in result.notes
    result = judged(small, large, num=4, size=96, overwrite=True)
    assert result.size == (96, 64)
    assert any("enlarges pictures of 48 px" in note for note in result.notes)


def test_two_models_are_compared_class_by_class(tmp_path: Path, one_thread: None) -> None:
    a = untrained_run(tmp_path / "runs", ("cats", "dogs", "owls"), name="hush-one")
    b = untrained_run(tmp_path / "runs", ("cats", "dogs"), name="hush-two")
    result = judged(a, b, num=8)
    assert SECRET not in result.page.read_text()
    kinds = [
        [title.partition(", ")[2] for title in shown["pictures"]]
        for shown in json.loads(result.key.read_text())["questions"]
    ]
    assert Counter(one for one, _ in kinds) == {"cats": 4, "dogs": 4}
    assert all(one == other for one, other in kinds)
    assert "Only kinds that both sides have are shown: cats, dogs." in result.notes
    alone = judged(a, b, num=4, class_name="dogs", overwrite=True)
    assert all(
        title.endswith(", dogs")
        for shown in json.loads(alone.key.read_text())["questions"]
        for title in shown["pictures"]
    )
    plain = untrained_run(tmp_path / "runs", name="plain")
    with pytest.raises(UsageError, match="trained without classes"):
        judged(plain, a, class_name="dogs", overwrite=True)
    with pytest.raises(UsageError, match="There is no class 'pigs'"):
        judged(a, b, class_name="pigs", overwrite=True)


def test_two_models_that_draw_from_texts_draw_the_same_ones(tmp_path: Path, one_thread: None) -> None:
    a = untrained_run(tmp_path / "runs", name="one", texts=("red apple", "green pear", "plum"))
    b = untrained_run(tmp_path / "runs", name="two", texts=("green pear", "red apple"))
    shown = json.loads(judged(a, b, num=4).key.read_text())["questions"]
    texts = [[title.partition(", ")[2] for title in each["pictures"]] for each in shown]
    assert all(one == other for one, other in texts)
    assert {one for one, _ in texts} == {"red apple", "green pear"}


def test_a_model_and_real_pictures_one_at_a_time(class_folders: Path, tmp_path: Path, one_thread: None) -> None:
    model = untrained_run(tmp_path / "runs", ("cats", "dogs", "owls"), name="one")
    result = artgan.judge(model, class_folders, mode="turing", num=8, out=tmp_path / "judge.html")
    assert result.size == (16, 16)
    shown = json.loads(result.key.read_text())["questions"]
    assert Counter(each["sides"] for each in shown) == {"a": 4, "b": 4}
    generated = Counter(each["pictures"][0].partition(", ")[2] for each in shown if each["sides"] == "a")
    real = Counter(each["pictures"][0].partition("/")[0] for each in shown if each["sides"] == "b")
    assert generated == real
    assert {type(places) for _, places in data_of(result)["questions"]} == {list}
    assert all(len(places) == 1 for _, places in data_of(result)["questions"])
    other = untrained_run(tmp_path / "runs", ("pigs",), name="two")
    with pytest.raises(UsageError, match=r"--class 'pigs': .*animals has no pictures of that class"):
        artgan.judge(other, class_folders, class_name="pigs", out=tmp_path / "other.html")


def test_pictures_of_the_same_name_are_compared(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 6, stem="motif"), folder(tmp_path / "b", 9, stem="motif")
    result = judged(a, b, num=6)
    for shown in json.loads(result.key.read_text())["questions"]:
        one, other = (title.rpartition(".")[0] for title in shown["pictures"])
        assert one == other
    assert "Pictures of the same name are compared." in result.notes


def test_broken_pictures_are_left_out_by_name(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 5), folder(tmp_path / "b", 5, seed=50)
    (a / "torn.png").write_bytes((a / "hush1.png").read_bytes()[:90])
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for picture in b.iterdir():
            archive.write(picture, picture.name)
    result = judged(a, tmp_path / "b.zip", num=20)
    assert 4 <= result.questions <= 5
    assert f"There are pictures for {result.questions} questions, not for 20." in result.notes
    assert all("torn.png" in note for note in result.notes if "left out" in note)
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "torn.png").write_bytes((a / "torn.png").read_bytes())
    with pytest.raises(DatasetError, match=r"cannot be compared: .*torn\.png"):
        judged(torn, b, overwrite=True)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 3), folder(tmp_path / "b", 3, seed=50)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"num": 0}, "--num 0"),
        ({"num": 1001}, "--num 1001"),
        ({"size": 8}, "--size 8"),
        ({"size": 10**12}, "--size 1000000000000"),
        ({"question": " "}, "--question has 0 letters"),
        ({"question": "why " * 99}, "--question has 395 letters"),
        ({"class_name": "cats"}, "has no pictures of that class"),
    ]
    for options, told in cases:
        with pytest.raises(UsageError, match=re.escape(told)):
            judged(a, b, **options)
    with pytest.raises(UsageError, match="stands alone"):
        judged(a, None)
    with pytest.raises(UsageError, match="Pairs need two sides"):
        judged(a, None, mode="pairs")
    with pytest.raises(UsageError, match=r"page\.json is not a name for a page"):
        artgan.judge(a, b, out=tmp_path / "page.json")
    with pytest.raises(DatasetError, match="does not exist"):
        judged(a, tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="There is no run 'nothing'"):
        artgan.judge(a, "nothing", runs_dir=tmp_path, out=tmp_path / "judge.html")
    with pytest.raises(Interrupted):
        judged(a, b, should_stop=lambda: True)
    assert not (tmp_path / "judge.html").exists()
    assert not (tmp_path / "judge.key.json").exists()
    (tmp_path / "judge.key.json").write_text("mine")
    with pytest.raises(UsageError, match=r"judge\.key\.json exists"):
        judged(a, b)


def test_runs_without_checkpoints_and_of_other_versions(tmp_path: Path, one_thread: None) -> None:
    b = folder(tmp_path / "b", 3)
    run = untrained_run(tmp_path / "runs", name="one")
    (checkpoint,) = (run / "checkpoints").iterdir()
    file = checkpoint / "generator.safetensors"
    old = file.read_bytes()
    shared = tmp_path / "shared" / "generator.safetensors"
    shared.parent.mkdir()
    shared.write_bytes(re.sub(rb"artgan-generator/\d", b"artgan-generator/9", old))
    with pytest.raises(CheckpointError, match=r"generator\.safetensors"):
        judged(shared, b)
    shared.write_bytes(old)
    with pytest.raises(UsageError, match="stands alone"):
        judged(shared, None)
    checkpoint.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        judged(run, b)
    assert judged(tmp_path / "elsewhere", b, num=2).questions == 2


def test_a_question_cannot_become_markup(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 3), folder(tmp_path / "b", 3, seed=50)
    page = judged(a, b, num=2, question='</script><img src=x onerror="alert(1)"> & ?').page.read_text()
    assert "<img src=x" not in page
    assert "&lt;/script&gt;" in page
