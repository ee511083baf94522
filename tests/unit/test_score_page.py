"""What stands on the page of a score, and that no name or picture can break it; tests/browser opens it."""

import base64
import dataclasses
import io
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import artgan
from artgan.engine.pages import short, visible
from artgan.metrics.figures import Better, ClassScore, Evidence, Figure
from artgan.metrics.page import MOST_CLASSES, SIDE, best_of, mark, number, thumb, ticks, write_page
from artgan.metrics.score import ScoreResult, SetScore
from artgan.metrics.sets import PictureSet
from tests.conftest import painted

VOID = {"meta", "link", "img", "wbr"}
VALUES = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)
KID = Figure("kid2k_artgan", 0.0123, 0.0111, 0.0135, 0.0004, "lower", "Fair to small sets.")
FRECHET = Figure("fd2k_artgan", 3.0, None, None, 1.5, "lower", "Look and variety in one.")
RECALL = Figure("recall2k_artgan", 0.25, None, None, 0.91, "higher", "Share of the real pictures.")
FIGURES = (KID, FRECHET, RECALL)
EVIDENCE = Evidence(closest=((7, 3), (8, 4)), best=((7, 3),), worst=((9, 5),), missing=(6,))


class Page(HTMLParser):
    """A parsed page: its elements, its visible text, and whether every element was closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th", "dt"):
            self.texts.append(" ")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def having(self, name: str) -> list[dict[str, str]]:
        """Attributes of the elements of a class."""
        return [found for _, found in self.elements if name in found.get("class", "").split()]

    @property
    def pictures(self) -> list[Image.Image]:
        uris = [found["src"] for tag, found in self.elements if tag == "img"]
        assert all(re.match(r"data:image/(png|jpeg);base64,", uri) for uri in uris)
        return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB") for uri in uris]


def colour(place: int) -> tuple[int, int, int]:
    return (place, 10 + place, 200)


def plain_set(name: str, title: str) -> PictureSet:
    """Pictures of a colour that tells their place, with titles that tell it, too."""

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        return [Image.new("RGB", (16, 12), colour(place)) for place in places]

    return PictureSet(name, 100, read, lambda place: f"{title} {place}", None, None)


def result_of(*sets: SetScore, floor_counts: tuple[int, int] | None = (500, 500)) -> ScoreResult:
    features = "artgan's embedded encoder"
    return ScoreResult(features, (128, 96), "paintings", 1000, floor_counts, sets, ("Mind the gap.",))


def trained(count: int) -> list[SetScore]:
    """Checkpoints whose figures are best in the one before the last."""
    loss = [1 + abs(count - 2 - k) for k in range(count)]
    return [
        SetScore(
            f"00007-garden@{1000 * k:09d}",
            1000 * k,
            2000,
            (
                dataclasses.replace(KID, value=0.01 * n, low=0.009 * n, high=0.011 * n),
                dataclasses.replace(FRECHET, value=2.0 * n),
                dataclasses.replace(RECALL, value=0.5 / n),
            ),
        )
        for k, n in enumerate(loss)
    ]


def write(path: Path, result: ScoreResult) -> Page:
    fakes = [plain_set("samples", "seed") for _ in result.sets]
    write_page(result, plain_set("paintings", "painting"), fakes, path)
    return Page(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "score.html"


CLASSES = (
    ClassScore("pear", 1.0, None, 30, 20),
    ClassScore("apple", 5.0, 2.0, 40, 10),
    ClassScore("fig", 3.0, 1, 9, 9),
)
ONE = SetScore("samples", None, 2000, FIGURES, CLASSES, EVIDENCE)


def test_the_page_says_all_there_is_to_say(path: Path) -> None:
    page = write(path, result_of(ONE))
    told = page.text
    for part in (
        "2,000 pictures were compared with 1,000 real ones (paintings), as seen by artgan's embedded encoder at 128",
        "96 pixels.",
        "here 500 of them against 500 others",
        "Mind the gap.",
        "KID kid2k_artgan Fair to small sets. 0.0123 0.0111 to 0.0135 lower is better floor 0.000400",
        "Frechet distance fd2k_artgan Look and variety in one. 3.00 lower is better floor 1.50; the value is 2.0 times",
        "Recall recall2k_artgan Share of the real pictures. 0.250 higher is better floor 0.910",
        "seed 7 painting 3 seed 8 painting 4",
        "never show Real pictures from the middle of kinds that no sample reaches. painting 6",
        "apple 5.00 2.00 40 10 fig 3.00 1.00 9 9 pear 1.00 – 30 20",
        "Bińkowski et al. 2018",
        "Heusel et al. 2017",
        "Kynkäänniemi et al. 2019",
        "this is no FID",
        f"artgan {artgan.__version__}",
    ):
        assert part in told, part
    assert "Naeem" not in told  # it has no such figure
    titles = ("samples", "Figures", "Pictures", "Class by class", "How to read this", "Settings")
    places = [told.index(title) for title in titles]
    assert places == sorted(places)


def test_figures_of_the_2015_inception_are_fid(path: Path) -> None:
    figures = (dataclasses.replace(FRECHET, name="fid2k"), dataclasses.replace(FRECHET, name="fidinf2k"))
    told = write(path, result_of(SetScore("samples", None, 2000, figures))).text
    assert "FID fid2k" in told
    assert "FID, endless samples fidinf2k" in told
    assert "no FID" not in told
    assert "Published FIDs differ" in told


@pytest.mark.parametrize("count", [2, 5, 40])
def test_curves_have_a_point_for_every_checkpoint(count: int, path: Path) -> None:
    page = write(path, result_of(*trained(count)))
    assert len(page.having("chart")) == len(FIGURES)
    assert len(page.having("point")) == count * len(FIGURES)
    lines = [found["d"] for found in page.having("line")]
    assert [len(line.split()) for line in lines] == [count] * len(FIGURES)
    assert len([found for tag, found in page.elements if tag == "path" and found.get("class") == "floor"]) == 3
    assert len([tag for tag, _ in page.elements if tag == "tr"]) == count + 2  # with the head and the floors
    for found in page.having("best"):
        if "d" in found:  # the best point is where the one before the last stands
            assert found["d"].startswith(f"M{1000 * (count - 2) / (count - 1):.1f},")
    assert len(page.having("best")) == 2 * len(FIGURES)  # in the curves and in the table


def test_curves_and_floors_are_as_high_as_their_values(path: Path) -> None:
    page = write(path, result_of(*trained(5)))
    line = page.having("line")[1]["d"]
    heights = [1000 - float(place.split(",")[1]) for place in line.removeprefix("M").split()]
    assert np.array(heights) / heights[0] == pytest.approx(np.array([8, 6, 4, 2, 4]) / 8, abs=1e-3)
    floors = [found["d"] for tag, found in page.elements if tag == "path" and found.get("class") == "floor"]
    floor = 1000 - float(floors[1].removeprefix("M0,").removesuffix("H1000"))
    assert floor / heights[0] == pytest.approx(1.5 / 8, abs=1e-3)
    band = page.having("band")
    assert [len(found["d"].split()) for found in band] == [10]  # there and back, for the one figure with an interval


def test_the_best_checkpoint_is_named_with_its_rivals(path: Path) -> None:
    sets = trained(5)
    told = write(path, result_of(*sets)).text
    assert "5 checkpoints, with 2,000 samples of each, were compared with 1,000 real ones" in told
    assert "By KID, the leading figure, the best checkpoint is 00007-garden@000003000 with 0.0100." in told
    assert "overlap" not in told.partition("How to read")[0]
    assert "best 0.500 at 3 kimg; higher is better" in told
    assert "3 0.0100 2.00 0.500 4 0.0200 4.00 0.250 floor 0.000400 1.50 0.910" in told
    assert "Figures of the last checkpoint, 4 kimg" in told

    wide = dataclasses.replace(sets[0].figures[0], low=0.001)
    sets[0] = dataclasses.replace(sets[0], figures=(wide, *sets[0].figures[1:]))
    assert "The intervals of 1 other overlap its own" in write(path, result_of(*sets)).text


def test_sets_that_were_not_trained_have_a_table_only(path: Path) -> None:
    page = write(path, result_of(*[dataclasses.replace(one, nimg=None) for one in trained(3)]))
    assert page.having("chart") == []
    assert "00007-garden@000001000 0.0100" in page.text
    assert "the best set is 00007-garden@000001000" in page.text


def test_what_is_missing_is_left_out_or_said_to_be(path: Path) -> None:
    lone = dataclasses.replace(FRECHET, floor=None)
    result = dataclasses.replace(result_of(SetScore("s.npz", None, 0, (lone,)), floor_counts=None), real_count=0)
    result = dataclasses.replace(result, view=None, notes=())
    write_page(result, None, [None], path)
    page = Page(path)
    for part in (
        "Saved statistics of samples were compared with saved statistics of real pictures",
        "each at its own size",
        "No floor could be measured",
        "Saved statistics hold no pictures",
        "3.00 lower is better",
        "unknown count",
    ):
        assert part in page.text, part
    for part in ("Class by class", "Through training", "floor 1", "95 % interval", "None"):
        assert part not in page.text, part
    assert page.having("mark") == page.having("notes") == page.having("thumb") == []


def test_kinds_that_are_all_reached_are_said_to_be(path: Path) -> None:
    page = write(path, result_of(dataclasses.replace(ONE, evidence=dataclasses.replace(EVIDENCE, missing=()))))
    assert "never show Nothing: the samples reach every kind" in page.text


def test_a_sample_stands_beside_its_nearest_real_picture(path: Path) -> None:
    page = write(path, result_of(ONE))
    shown = [picture.getpixel((0, 0)) for picture in page.pictures]
    assert shown == [colour(place) for place in (7, 3, 8, 4, 7, 3, 9, 5, 6)]
    assert all(picture.size == (16, 12) for picture in page.pictures)
    assert len(page.having("crisp")) == 9


def test_every_picture_is_read_once(path: Path) -> None:
    asked: list[int] = []
    real = plain_set("paintings", "painting")

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        asked.extend(places)
        return real.read(places)

    write_page(result_of(ONE), dataclasses.replace(real, read=read), [plain_set("samples", "seed")], path)
    assert sorted(asked) == [3, 4, 5, 6]


def test_the_page_asks_nothing_of_the_network(path: Path) -> None:
    page = write(path, result_of(*trained(3), dataclasses.replace(ONE, nimg=4000)))
    for tag, found in page.elements:
        assert tag != "script"
        assert not any(name.startswith("on") for name in found)
        assert all(found[name].startswith("data:") for name in ("src", "href", "srcset") if name in found)
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r'"data:[^"]*"', "", path.read_text()))
    assert "default-src 'none'" in path.read_text()


HOSTILE = {
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    '" onload="x': '" onload="x',
    "caf\udce9.jpg": "caf\\udce9.jpg",  # a byte that is no UTF-8
    "\u202egnp.exe": "\\u202egnp.exe",
    "a\nb\x1b[31m": "a\\nb\\x1b[31m",
    "{{ 7 * 7 }}": "{{ 7 * 7 }}",
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items())
def test_names_are_shown_as_they_are(name: str, shown: str, path: Path) -> None:
    hostile = dataclasses.replace(plain_set(name, ""), title=lambda place: name)
    classes = (ClassScore(name, 1.0, 1.0, 2, 2),)
    sets = [dataclasses.replace(ONE, name=name, classes=classes, nimg=k) for k in (0, 9)]
    result = dataclasses.replace(result_of(*sets), real=name, notes=(name,), features=name, saved=Path(name))
    write_page(result, hostile, [hostile, hostile], path)
    page = Page(path)
    assert page.text.count(shown) > 12
    assert all(tag != "script" and "onload" not in found for tag, found in page.elements)
    assert len(page.pictures) == 9  # and no picture but ours


def test_a_picture_that_cannot_be_read_tells_why(path: Path) -> None:
    def read(places: Sequence[int]) -> list[Image.Image | str]:
        return [f"broken: <b>cut</b> at {place}" for place in places]

    broken = dataclasses.replace(plain_set("paintings", "painting"), read=read)
    write_page(result_of(ONE), broken, [plain_set("samples", "seed")], path)
    page = Page(path)
    assert "seed 7 cannot be shown: broken: <b>cut</b> at 3 painting 3" in page.text
    assert len(page.pictures) == 4
    assert "b" not in {tag for tag, _ in page.elements}


def test_a_page_of_the_largest_pictures_and_names_stays_small(path: Path) -> None:
    draw = np.random.default_rng(0)

    def read(places: Sequence[int]) -> list[Image.Image | str]:  # nothing is larger than noise
        return [Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8)) for _ in places]

    endless = PictureSet("x" * 60_000, 100, read, lambda place: f"{place}" + "x" * 60_000, None, None)
    closest, best, worst = (tuple((k, k) for k in range(start, start + 12)) for start in (0, 12, 24))
    evidence = Evidence(closest, best, worst, missing=tuple(range(50, 62)))
    classes = tuple(ClassScore(f"{k}" + "y" * 9999, 1.0, 1.0, 2, 2) for k in range(2 * MOST_CLASSES))
    large = SetScore("z" * 60_000, None, 2000, FIGURES, classes, evidence)
    result = dataclasses.replace(result_of(large), notes=tuple("n" * 60_000 for _ in range(20)))
    write_page(result, endless, [endless], path)
    page = Page(path)
    assert len(page.pictures) == 84
    assert path.stat().st_size < 3_000_000
    assert f"and {MOST_CLASSES} more that are nearer" in page.text


def test_a_damaged_source_leaves_the_old_page(path: Path) -> None:
    path.write_text("the old page")

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        write_page(result_of(ONE), dataclasses.replace(plain_set("a", "b"), read=read), [plain_set("c", "d")], path)
    assert path.read_text() == "the old page"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [(16, 12), (64, 64), (90, 70), (4000, 20), (300, 900)])
def test_thumbs_keep_their_shape_and_small_ones_every_pixel(size: tuple[int, int]) -> None:
    picture = painted(1, *size)
    shown = thumb("title", picture)
    small = Image.open(io.BytesIO(base64.b64decode(shown.uri.partition(",")[2])))
    assert max(small.size) == min(SIDE, max(size))
    assert shown.crisp == (max(size) <= 64)
    if shown.crisp:
        assert np.array_equal(np.asarray(small), np.asarray(picture))
    else:
        assert small.width == pytest.approx(small.height * size[0] / size[1], rel=0.5)
        assert np.asarray(small).mean() == pytest.approx(np.asarray(picture).mean(), abs=3)
    assert picture.size == size  # not made smaller itself


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (1.0, "1.00"),
        (0.8734, "0.873"),
        (-0.00002, "-0.000020"),
        (4e-9, "0"),
        (-4e-9, "0"),
        (12.345, "12.3"),
        (1234567.8, "1,234,568"),
        (None, "–"),
        (math.nan, "not a number"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float | None, words: str) -> None:
    assert number(value) == words


@given(value=VALUES, floor=st.none() | VALUES, share=st.booleans())
def test_a_mark_keeps_the_order_of_what_it_shows(value: float, floor: float | None, share: bool) -> None:
    name = "recall2k_artgan" if share else "kid2k_artgan"
    shown = mark(Figure(name, value, value - 1, value + 1, floor, "lower", ""))
    assert shown is not None
    known = [(0.0, shown.start), (value, shown.value), (value - 1, shown.low), (value + 1, shown.high)]
    known += [(floor, shown.floor)] if floor is not None else []
    places = [place for _, place in sorted(known, key=lambda pair: (pair[0], pair[1] or 0))]
    assert all(place is not None and 0 <= place <= 100 for place in places)
    assert places == sorted(places, key=lambda place: place or 0)
    if floor is not None and abs(floor - value) > 1e-3 * (abs(floor) + abs(value) + 2):
        assert shown.floor != shown.value


def test_a_share_has_the_whole_line_and_a_lone_value_none() -> None:
    half = mark(dataclasses.replace(RECALL, value=0.5, floor=None))
    assert half is not None
    assert (half.start, half.value, half.floor) == (0.0, 50.0, None)
    assert mark(dataclasses.replace(FRECHET, floor=None)) is None


@given(st.lists(VALUES, min_size=1, max_size=9), st.sampled_from(["lower", "higher", "near 1"]))
def test_none_is_better_than_the_best(values: list[float], better: Better) -> None:
    figures = [dataclasses.replace(KID, value=value, better=better) for value in values]
    best = values[best_of([None, dataclasses.replace(KID, value=math.nan), *figures]) - 2]
    assert best == {"lower": min(values), "higher": max(values)}.get(better, best)
    if better == "near 1":
        assert all(abs(best - 1) <= abs(value - 1) for value in values)


@given(below=st.floats(0, 1), length=st.floats(1e-7, 1e6))
def test_ticks_are_few_and_evenly_spread(below: float, length: float) -> None:
    marks = ticks(-below * length, (1 - below) * length)
    places = [place for place, _ in marks]
    assert 2 <= len(marks) <= 6
    assert "0" in [text for _, text in marks]
    assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)
    assert np.diff(places) == pytest.approx([places[1] - places[0]] * (len(places) - 1), abs=1e-6)


@given(st.text(max_size=30))
def test_long_names_keep_both_ends(name: str) -> None:
    cut = short(name, 10)
    assert len(cut) <= 13
    assert (cut[:5], cut[-5:]) == (name[:5], name[-5:])
    assert cut == name or len(name) > 10


@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None)))
def test_any_name_can_be_spelt(name: str) -> None:
    spelt = visible(name)
    assert isinstance(spelt, str)
    assert spelt.isprintable()
    spelt.encode()
