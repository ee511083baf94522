"""What stands in report.html, and that nothing in a run folder can break it; tests/browser opens it."""

import json
import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artgan.config import to_toml
from artgan.engine.images import encode_png
from artgan.engine.storage import Run
from artgan.presets import resolve
from artgan.training import report
from artgan.training.curves import Axis, Point, figure, plot, thin
from artgan.training.report import Report, duration, kimg, most_crowded
from tests.browser.planted import NOW, OVER, lines, plant, sheet, stats

EMPTY = {"meta", "link", "img", "input"}
ACROSS = Axis(0, 4)


class Page(HTMLParser):
    """A parsed page: its elements, its visible text, and whether every element was closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def charts(self) -> list[str]:
        return [found["aria-label"] or "" for tag, found in self.elements if tag == "svg" and "aria-label" in found]

    @property
    def previews(self) -> list[int]:
        return [int(found["data-nimg"] or 0) for tag, found in self.elements if tag == "img" and "data-nimg" in found]


def noise(width: int, height: int) -> bytes:
    return encode_png(np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8), {})


def test_the_page_says_all_there_is_to_say(tmp_path: Path) -> None:
    path = Report(plant(tmp_path / "00007-garden")).write([OVER, NOW], "training")
    assert path == tmp_path / "00007-garden" / "report.html"
    page = Page(path)
    told = page.text
    for part in (
        "Training 4.0 of 8 kimg 50 %",
        "Speed 40 pictures/s",
        "Time left about 2 min",
        "Device A Processor",
        "Number format bf16",
        f"artgan resume 7 --runs {tmp_path}",
        "1 Now, since 2.0 kimg The discriminator always wins",
        "To try: lower --set train.d_lr=0.0001 , or --crops 20",
        "2 Over: from 1.0 to 1.5 kimg Training went back",
        "from /home/me/my pictures",
        "fingerprint " + "f" * 32,
        "3 classes apple 8 cherry 4",
        "2 files skipped notes.psd: not a picture cut.jpg: broken: truncated",
        "artgan train 'my pictures'",
        "torch 2.13.0",
        "Settings: train loss rpgan",
        "resolution 16",
    ):
        assert part in told
    assert page.previews == [0, 1000, 2000, 3000, 4000]
    assert len(page.charts) == 10
    assert "Losses against kimg. Last values: generator 4, discriminator 0.5." in page.charts
    assert "variety 0.5 distance 1.1 " in told
    assert "between classes 0" not in told  # not in the records
    assert not re.search(r"(src|href|url)\W{1,3}(?!data:)\w+:", path.read_text())


def scored(run: Run, values: dict[int, float], **settings: str) -> None:
    """Add scores to the records of a run, the best at 2 kimg, with a floor for KID alone."""
    key, other = "kid500_artgan64", "fd500_artgan64"
    scores = [{"nimg": n, key: v, other: 100 * v, "floor": {key: 0.004}} for n, v in values.items()]
    run.metrics.write_text(run.metrics.read_text() + lines(scores))
    run.config.write_text(to_toml(resolve(str(run.config), {f"score.{k}": v for k, v in settings.items()}), title="x"))
    (run.checkpoints / "000002000").mkdir(parents=True)
    run.best.write_text("000002000\n")


def test_scores_are_drawn_with_their_floor_and_the_best(tmp_path: Path) -> None:
    run = plant(tmp_path / "run")
    scored(run, {1000: 0.3, 2000: 0.1, 3000: 0.2})
    page = Page(Report(run).write([], "training"))
    assert len(page.charts) == 12
    assert page.charts[:2] == [
        "Score: KID against kimg. Last values: generated 0.2, floor 0.004.",
        "Score: Frechet distance against kimg. Last values: generated 20.",
    ]
    marks = [found["style"] for tag, found in page.elements if tag == "div" and found.get("class") == "mark best"]
    assert marks == ["left: 50.00%"]  # of the first chart alone: that is what the best was chosen by
    assert "kid500_artgan64" in page.text


def test_the_best_is_marked_where_it_was_chosen(tmp_path: Path) -> None:
    run = plant(tmp_path / "run")
    scored(run, {1000: 0.3, 2000: 0.1}, metric="fd")
    page = Page(Report(run).write([], "training"))
    assert [chart.partition(" against")[0] for chart in page.charts[:2]] == ["Score: Frechet distance", "Score: KID"]
    assert page.text.count(" best ") == 1
    (run.checkpoints / "000002000").rmdir()
    assert " best " not in Page(Report(run).write([], "training")).text


@pytest.mark.parametrize("best", [b"../../etc\n", b"\xff" * 9, b"", b"9" * 5000, "²".encode()])
def test_odd_scores_and_an_odd_best_are_left_out(best: bytes, tmp_path: Path) -> None:
    run = plant(tmp_path / "run")
    scored(run, {1000: 0.3})
    odd = {"kid500_artgan64<b>": 1.0, "kid_artgan64": 1.0, "fd5_artgan64": "x", "kid9_artgan64": math.nan, "floor": 3}
    run.metrics.write_text(run.metrics.read_text() + lines([{"nimg": 2000, **odd}]))
    run.best.write_bytes(best)
    page = Page(Report(run).write([], "training"))
    assert len(page.charts) == 12
    assert not [tag for tag, _ in page.elements if tag == "b"]
    assert " best " not in page.text


def test_no_warning_is_said_plainly(tmp_path: Path) -> None:
    assert "No warnings Nothing in the figures" in Page(Report(plant(tmp_path / "run")).write([], "stopped")).text


@pytest.mark.parametrize(
    ("state", "command"), [("training", "resume 7"), ("stopped", "resume 7"), ("finished", "resume 7 --kimg 16")]
)
def test_the_command_goes_on_with_the_run(
    state: report.State, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = Page(Report(plant(Path("runs/00007-garden"))).write([], state))
    assert f"artgan {command} " in page.text
    assert ("Time left" in page.text) == (state == "training")


def test_a_run_of_another_name_goes_on_by_its_path(tmp_path: Path) -> None:
    assert f"artgan resume '{tmp_path}/my run'" in Page(Report(plant(tmp_path / "my run")).write([], "stopped")).text


def test_a_run_without_anything_has_a_page(tmp_path: Path) -> None:
    page = Page(Report(Run(tmp_path)).write([], "training"))
    for part in ("No preview is there yet", "No figures are there yet", "cannot be read", "0 kimg"):
        assert part in page.text


def test_a_very_young_run_shows_what_it_has(tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=1)
    (run.folder / "fakes000000000.png").rename(run.folder / "fakes000000512.png")
    run.stats.write_text(lines([stats(64)]))
    (run.folder / "metrics.jsonl").unlink()
    page = Page(Report(run).write([], "training"))
    assert page.previews == [512]
    assert "0.512 of 8 kimg" in page.text
    assert len(page.charts) == 8
    assert "M125.0," in (run.folder / "report.html").read_text()  # a single value is a dot


DAMAGE = (b"", b"{", b"\xff\xfe\x00", b"[]", b"null\n[1]\n3\n", b'{"nimg": 5}\n{"nimg": 1000, "loss_D": 0.5, "lo')


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["config.toml", "run.json", "stats.jsonl", "metrics.jsonl", "reals.png"])
def test_damaged_files_are_left_out(name: str, damage: bytes, tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=2)
    (run.folder / name).write_bytes(damage)
    page = Page(Report(run).write([], "training"))
    assert page.previews == [0, 4000]
    assert "Pictures through time" in page.text


def test_a_damaged_preview_is_left_out(tmp_path: Path) -> None:
    run = plant(tmp_path / "run")
    newest = run.folder / "fakes000004000.png"
    newest.write_bytes(newest.read_bytes()[:200])
    (run.folder / "fakes000001000.png").write_bytes(b"")
    assert Page(Report(run).write([], "training")).previews == [0, 2000, 3000]


@pytest.mark.parametrize(
    "odd", [{"engine": []}, {"data": 3}, {"data": {"classes": ["a"], "skipped": 3}}, {"argv": "x", "torch": {"a": 1}}]
)
def test_a_run_json_of_another_shape_is_no_trouble(odd: dict[str, object], tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=1)
    run.info.write_text(json.dumps(odd))
    assert Page(Report(run).write([], "stopped")).previews == [0]


def test_numbers_that_are_none_leave_gaps(tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=1)
    odd = [math.nan, math.inf, -math.inf, 1e300, 10**400, "seven", [1], None, True, 0, -0.0, 1e-320]
    records = [stats(1000 * k) | {"loss_D": value, "G_grad": value, "gen_std": value} for k, value in enumerate(odd)]
    run.stats.write_text(lines([*records, stats(20_000) | {"time": {}}, {"nimg": -5}, {"nimg": 10**300}]))
    text = Report(run).write([], "training").read_text()
    assert "20.0 of 8 kimg" in Page(run.folder / "report.html").text
    assert not re.search(r"[^\w]([nN]a[nN]|inf|Infinity)[^\w]", re.sub(r"<script>.*?</script>|data:[^\"]*", "", text))

    drawn = plot([{"nimg": 1000 * k, "x": x} for k, x in enumerate([1, 2, math.nan, 3, 4])], ACROSS, [("x", "x")])
    assert drawn is not None
    assert drawn[0][0].path.count("M") == 2
    assert drawn[0][0].readings[2] == (2.0, "not a number")
    assert plot([{"nimg": 0, "x": math.nan}], ACROSS, [("x", "x")]) is None


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    hostile = ["</script><b>x", "a\nb\x1b[31m", "\u202egnp.exe", "{{ 7 * 7 }}", "\udcff", '"onload="x', "<!--"]
    run = plant(tmp_path / "run", classes=dict.fromkeys(hostile, 3))
    run.info.write_text(run.info.read_text().replace("notes.psd", "</details><script>alert(1)</script>"))
    run.config.write_text('[data]\nlabels = "</title><i>.csv"\n"<u>" = ["<s>", "\\u0007"]\n')
    page = Page(Report(run).write([NOW], "training"))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"b", "i", "u", "s"}
    assert [tag for tag, _ in page.elements].count("script") == 1 + len(page.charts)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for shown in ("</script><b>x", "a\\x0ab\\x1b[31m", "\\x202egnp.exe", "{{ 7 * 7 }}", "\\xdcff", "<s>, \\x07", "<u>"):
        assert shown in page.text


def test_a_long_curve_keeps_its_spikes_and_its_end() -> None:
    values = np.sin(np.arange(20_000) / 500)
    values[7_777], values[12_345] = 90, -80
    points = [Point(k / 10, float(value)) for k, value in enumerate(values)]
    points[15_000] = Point(1500, math.nan)
    kept = thin(points)
    assert len(kept) < 400
    assert {points[7_777], points[12_345], points[-1]} <= set(kept)
    assert sum(math.isnan(point.value) for point in kept) == 1
    assert [point.kimg for point in kept] == sorted(point.kimg for point in kept)
    assert thin(points[:200]) == points[:200]
    assert len(thin([Point(1, k) for k in range(1000)])) <= 3


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, ["0", "20", "40", "60", "80", "100"]),
        (0, 2e-4, ["0", "0.00005", "0.00010", "0.00015", "0.00020"]),
        (-0.3, 0.7, ["-0.2", "0", "0.2", "0.4", "0.6"]),
        (0, 25_000, ["0", "5,000", "10,000", "15,000", "20,000", "25,000"]),
        (3e-9, 9e-9, ["4e-09", "6e-09", "8e-09"]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[str]) -> None:
    marks = Axis(low, high).ticks
    assert [text for _, text in marks] == expected
    assert all(-1e-6 <= place <= 1 + 1e-6 for place, _ in marks)


def test_a_log_axis_has_whole_decades() -> None:
    drawn = plot([{"nimg": 0, "x": 0.02}, {"nimg": 9, "x": 300.0}, {"nimg": 9, "x": 0}], ACROSS, [("x", "x")], log=True)
    assert drawn is not None
    assert [text for _, text in drawn[1].ticks] == ["0.01", "0.1", "1", "10", "100", "1000"]
    assert drawn[1].place(1) == pytest.approx(0.4)


def test_a_band_lies_one_spread_to_either_side() -> None:
    records = [{"nimg": nimg, "x": 5.0, "s": 5.0} for nimg in (0, 4000)]
    drawn = plot(records, ACROSS, [("x", "x", "s")], low=0, high=10)
    assert drawn is not None
    assert drawn[0][0].band == "M0.0,0.0 1000.0,0.0 1000.0,1000.0 0.0,1000.0Z"
    assert drawn[0][0].readings[0] == (0.0, "5 ± 5")


def test_words_for_numbers() -> None:
    assert [figure(value) for value in (0, 0.00002, 0.123456, 99.96, 999.7, 12345.6, -3)] == [
        *("0", "2e-05", "0.123", "100", "1,000", "12,346", "-3")
    ]
    assert [kimg(nimg) for nimg in (0, 512, 1024, 1_234_567)] == ["0", "0.512", "1.0", "1,234.6"]
    assert [duration(seconds) for seconds in (5, 3600, 9000, 200_000)] == [
        "1 min",
        "1 h 0 min",
        "2 h 30 min",
        "2.3 days",
    ]


def test_only_new_pictures_are_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, encoded, real = plant(tmp_path / "run"), [], report.encoded

    def counting(path: Path, nimg: int) -> report.Picture | None:
        encoded.append(path.name)
        return real(path, nimg)

    monkeypatch.setattr(report, "encoded", counting)
    page = Report(run)
    page.write([], "training")
    assert len(encoded) == 6
    page.write([], "training")
    assert len(encoded) == 6
    sheet(7, 3).save(run.folder / "fakes000005000.png")
    sheet(8, 4).save(run.folder / "fakes000002000.png")  # a resumed run writes it again
    (run.folder / "fakes000001000.png").unlink()
    page.write([], "training")
    assert sorted(encoded[6:]) == ["fakes000002000.png", "fakes000005000.png"]
    assert Page(run.folder / "report.html").previews == [0, 2000, 3000, 4000, 5000]


@pytest.mark.parametrize(("size", "count"), [((530, 530), 200), ((2066, 1034), 60)])  # 64 px, 8 rows; 256 px, 4 rows
def test_a_page_stays_under_ten_megabytes(size: tuple[int, int], count: int, tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=0, classes={})
    first = run.folder / "fakes000000000.png"
    first.write_bytes(noise(*size))  # nothing is larger as a WebP
    for number in range(1, count):
        os.link(first, run.folder / f"fakes{20_000 * number:09d}.png")
    page = Report(run)
    path = page.write([], "training")
    assert 6e6 < path.stat().st_size < 10e6
    shown = Page(path).previews
    assert (shown[0], shown[-1]) == (0, 20_000 * (count - 1))
    gaps = np.diff(shown)
    assert max(gaps) <= 2 * min(gaps)

    os.link(first, run.folder / f"fakes{20_000 * count:09d}.png")
    again = Page(page.write([], "training")).previews
    assert path.stat().st_size < 10e6
    assert again[-1] == 20_000 * count
    assert len(set(again) - set(shown)) == 1


def test_a_very_long_run_shows_two_hundred_previews(tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=1)
    for number in range(1, 300):
        os.link(run.folder / "fakes000000000.png", run.folder / f"fakes{number:09d}.png")
    shown = Page(Report(run).write([], "training")).previews
    assert len(shown) == 200
    assert shown[-1] == 299


def test_the_most_crowded_is_never_an_end() -> None:
    assert most_crowded([0, 1, 100]) == 1
    assert most_crowded([0, 500, 1000, 2000, 4000]) == 500
    assert most_crowded([0, 10, 20, 21]) == 20


def test_wide_pictures_count_their_rows_by_their_own_height(tmp_path: Path) -> None:
    run = plant(tmp_path / "run", previews=0)
    run.config.write_text('[data]\nshape = "32x16"\n')
    Image.new("RGB", (8 * 34 + 2, 2 * 18 + 2)).save(run.folder / "reals.png")
    told = Page(Report(run).write([], "stopped"))
    assert len([1 for tag, found in told.elements if tag == "li" and found.get("title")]) == 2
