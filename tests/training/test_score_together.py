"""A score that several processes make together: equal to that of one to the last bit, told once, stopped by any."""

import contextlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artgan.engine.device import Engine
from artgan.errors import DatasetError, Interrupted
from artgan.metrics import features as features_module
from artgan.metrics.features import Seen, in_turns, look
from artgan.metrics.networks import FeatureNetwork
from artgan.metrics.sets import PictureSet
from tests.conftest import painted
from tests.generators import untrained_run
from tests.processes import together
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("one_thread")
COUNT = 300
BROKEN = {0, 40, 41, *range(64, 96)}  # one, a few, and the whole third batch


class Team:
    """The functions of `artgan.engine.processes`, with threads for processes."""

    def __init__(self, count: int) -> None:
        self._count, self._local = count, threading.local()
        self._given: list[Any] = [None] * count
        self._meeting = threading.Barrier(count, timeout=20)

    def do(self, work: Callable[[int], Any]) -> list[Any]:
        """What `work` returns, or raises, in every process."""

        def act(rank: int) -> Any:
            self._local.rank = rank
            try:
                return work(rank)
            except (DatasetError, Interrupted) as error:
                return error

        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(act, range(self._count)))

    def rank(self) -> int:
        return int(self._local.rank)

    def size(self) -> int:
        return self._count

    def leads(self) -> bool:
        return self.rank() == 0

    def gather(self, value: object) -> list[Any]:
        self._given[self.rank()] = value
        self._meeting.wait()
        found = [*self._given]
        self._meeting.wait()
        return found

    def any_of(self, flag: int) -> int:
        return int(max(self.gather(flag)))

    def from_lead(self, work: Callable[[], object]) -> Any:
        return self.gather(work() if self.leads() else None)[0]


@pytest.fixture
def of_size(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Team]:
    def gathered(count: int) -> Team:
        team = Team(count)
        monkeypatch.setattr(features_module, "processes", team)
        return team

    # What it mends is of the whole process: threads would undo it for one another in the wrong order.
    monkeypatch.setattr(features_module, "quiet_decoding", contextlib.nullcontext)
    return gathered


def noise(count: int = COUNT, key: str | None = None) -> PictureSet:
    """Pictures of noise of two shapes, some of them broken."""

    def read(places: Sequence[int]) -> list[Image.Image | str]:
        return ["broken" if place in BROKEN else of(place) for place in places]

    def of(place: int) -> Image.Image:
        shape = (6, 9, 3) if place % 50 > 20 else (6, 8, 3)
        return Image.fromarray(np.random.default_rng(place).integers(0, 256, shape, np.uint8))

    return PictureSet("noise", count, read, lambda place: f"picture {place}", key, None, workers=2)


@pytest.fixture
def network() -> FeatureNetwork:
    """Features that tell the company of a picture in its batch, and classify."""

    def compute(batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = batch.float().flatten(1)[:, :5] + batch.float().mean() / 256
        return values, values[:, :2] * 2

    return FeatureNetwork("crude", "crude features", "crude 1", 5, None, Engine.detect("cpu", "float32"), compute)


def test_any_number_of_processes_sees_what_one_sees(network: FeatureNetwork, of_size: Callable[[int], Team]) -> None:
    alone = look(noise(), network, None)
    assert alone.places == tuple(place for place in range(COUNT) if place not in BROKEN)
    assert alone.skipped == tuple((f"picture {place}", "broken") for place in sorted(BROKEN))
    for count in (2, 3, 12):  # there are ten batches
        heard: list[list[int]] = [[] for _ in range(count)]

        def see(rank: int, heard: list[list[int]] = heard) -> Seen:
            return look(noise(), network, None, lambda event: heard[rank].append(event.done), together=True)

        for seen in of_size(count).do(see):
            assert torch.equal(seen.values, alone.values)
            assert alone.logits is not None
            assert torch.equal(seen.logits, alone.logits)
            assert (seen.places, seen.skipped) == (alone.places, alone.skipped)
        assert heard[0] == [*range(0, COUNT, 32 * count), COUNT]


def test_one_who_stops_stops_all(network: FeatureNetwork, of_size: Callable[[int], Team], artgan_cache: Path) -> None:
    ended = of_size(3).do(
        lambda rank: look(noise(key="k"), network, None, should_stop=lambda: rank == 2, together=True)
    )
    assert all(isinstance(error, Interrupted) for error in ended)
    assert not (artgan_cache / "features").exists()


def test_the_lead_says_what_is_remembered(network: FeatureNetwork, of_size: Callable[[int], Team]) -> None:
    def see(rank: int) -> Seen:
        return look(noise(key="k"), network, None, together=True)

    first, again = of_size(2).do(see), of_size(2).do(see)
    assert [seen.from_cache for seen in first + again] == [False, False, True, True]
    assert torch.equal(again[1].values, first[0].values)


@pytest.mark.parametrize(("key", "count"), [("other", COUNT), ("k", COUNT - 1)])
def test_who_finds_other_pictures_is_noticed(
    key: str, count: int, network: FeatureNetwork, of_size: Callable[[int], Team]
) -> None:
    found = [noise(key="k"), noise(count, key)]
    for error in of_size(2).do(lambda rank: look(found[rank], network, None, together=True)):
        assert isinstance(error, DatasetError)
        assert "Not all processes find the same pictures in noise" in error.message


def test_without_together_a_process_looks_alone(network: FeatureNetwork, of_size: Callable[[int], Team]) -> None:
    seen, *_ = of_size(2).do(lambda rank: look(noise(), network, None) if rank == 0 else None)
    assert len(seen) == COUNT - len(BROKEN)


@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_what_was_dealt_is_whole_again(count: int) -> None:
    for size in (1, 2, 3, 9):
        assert in_turns([[*range(count)][rank::size] for rank in range(size)]) == [*range(count)]


def files_written() -> tuple[bytes, dict[str, Any]]:
    """What the command left here, but for the minute: the page, and the arrays of the statistics."""
    page = re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d", b"", Path("score.html").read_bytes())
    with np.load("real.npz", allow_pickle=False) as arrays:
        return page, {name: arrays[name] for name in arrays}


def test_two_processes_score_as_one(
    class_folders: Path, tmp_path: Path, artgan_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        painted(200 + number, 20 + number % 3, 16).save(class_folders / "owls" / f"more{number}.png")
    (class_folders / "dogs" / "broken.png").write_bytes((class_folders / "dogs" / "0.png").read_bytes()[:60])
    run = untrained_run(tmp_path / "runs", ("cats", "dogs", "owls"))
    words = ["score", str(run), "--real", str(class_folders), "--num", "40", "--json"]
    words += ["--save", "real.npz", "--html", "score.html"]
    alone = artgan(*words)
    assert alone.exit_code == 0, alone.stderr
    written = files_written()
    lead, follower = together([*words, "--overwrite"], 2, tmp_path, {"ARTGAN_CACHE": str(tmp_path / "cache")})
    assert (lead.returncode, follower.returncode) == (0, 0), lead.stderr + follower.stderr
    assert (follower.stdout, follower.stderr) == ("", "")
    # The last digits of figures hang on where in memory their numbers lie, also in one process.
    told, of_one = (
        json.loads(text, parse_float=lambda digits: round(float(digits), 9)) for text in (lead.stdout, alone.stdout)
    )
    assert told == of_one
    assert any("left out dogs/broken.png" in note for note in told["notes"])
    assert [one["name"] for one in told["sets"][0]["classes"]] == ["cats", "dogs", "owls"]
    assert all(figure["floor"] is not None for figure in told["sets"][0]["figures"])
    page, arrays = files_written()
    assert (page, arrays.keys()) == (written[0], written[1].keys())
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, written[1][name], rtol=1e-9, atol=1e-12)
        else:
            assert (array == written[1][name]).all()
    (remembered,), (ours,) = ([*folder.glob("features/*.npz")] for folder in (tmp_path / "cache", artgan_cache))
    assert (remembered.name, remembered.read_bytes()) == (ours.name, ours.read_bytes())
