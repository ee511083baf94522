"""`artgan doctor --distributed`: two real processes, and what it says of teams in which something is wrong."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from artgan.engine import processes
from artgan.engine.device import Engine
from artgan.engine.doctor import Check
from artgan.errors import DeviceError, UsageError
from artgan.training import team
from artgan.training.team import Member, bus_bandwidth, diagnose_team
from tests.processes import together


def test_two_processes_are_looked_at_and_the_lead_alone_speaks(tmp_path: Path) -> None:
    lead, other = together(["doctor", "--distributed", "--json", "--runs", "deep/runs"], 2, tmp_path)
    assert (lead.returncode, other.returncode) == (0, 0), lead.stderr + other.stderr
    assert other.stdout == ""
    found = {check["name"]: check["found"] for check in json.loads(lead.stdout)}
    assert found["team"].startswith("2 processes on 1 machine, ")
    assert [name for name in found if name.startswith("process ")] == ["process 0", "process 1"]
    assert "gloo" in found["backends"]
    assert all(
        float(number) > 0 for number in re.findall(r"([\d.]+) (?:ms|GB/s)", found["latency"] + found["bandwidth"])
    )
    assert float(found["gradients"].split(" ms")[0]) > 0
    assert "all see" in found["runs folder"]
    assert not list(tmp_path.iterdir())  # what was made to be looked at is gone


def test_alone_it_says_how_to_start_it() -> None:
    with pytest.raises(UsageError) as caught:
        diagnose_team()
    assert "torchrun --standalone --nproc-per-node 2 -m artgan doctor --distributed" in caught.value.hint


def test_bus_bandwidth_is_that_of_nccl_tests() -> None:
    # PERFORMANCE.md: every rank sends and receives 2 (n - 1) / n of the data.
    assert bus_bandwidth(10**9, 2, 0.5) == 2e9
    assert bus_bandwidth(10**9, 8, 1.0) == 1.75e9


Changed = Callable[[Any], Any]


@pytest.fixture
def beside_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Changed], dict[str, Check]]:
    """Diagnose as process 0 of two, of which the other is a function: what it answers to what we say."""

    def diagnosed(changed: Changed, factor: float = 3.0) -> dict[str, Check]:
        def answer(value: Any) -> Any:
            if isinstance(value, Member):
                value = replace(value, rank=1, local_rank=1)
            return changed(value)

        monkeypatch.setattr(processes, "size", lambda: 2)
        monkeypatch.setattr(processes, "join", lambda: None)
        monkeypatch.setattr(processes, "gather", lambda value: [value, answer(value)])
        for function in ("agreed", "largest", "any_of"):
            monkeypatch.setattr(processes, function, lambda value: value)
        monkeypatch.setattr(processes, "from_lead", lambda work: work())
        monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(factor))  # 1 + 2 is 3
        monkeypatch.setattr(team, "LONGEST_LOOK", 0.0)
        monkeypatch.setattr(team, "_MIB", 1 << 10)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        return {check.name: check for check in diagnose_team(tmp_path / "runs")}

    return diagnosed


def changing(**fields: Any) -> Changed:
    """Another process that is like this one in all but these fields."""
    return lambda value: replace(value, **fields) if isinstance(value, Member) else value


Diagnosed = Callable[..., dict[str, Check]]


def test_another_version_on_one_machine_is_named(beside_another: Diagnosed) -> None:
    check = beside_another(changing(versions="artgan 9.9, PyTorch 1.0, Python 3.9", host="rain"))["versions"]
    assert not check.well
    assert "process 1 on rain: artgan 9.9" in check.found


def test_a_process_without_a_gpu_is_told_what_helps(beside_another: Diagnosed, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise DeviceError("This machine has 1 GPUs, and process 1 (from 0) has none.", "Start with fewer.")

    monkeypatch.setattr(Engine, "detect", none_left)
    found = beside_another(changing(kind="cuda"))
    assert (found["process 0"].well, found["process 0"].hint) == (False, "Start with fewer.")
    assert "process 1 (from 0) has none" in found["process 0"].found


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ("cpu", "cuda", "others none"),
        ("cuda", "cuda", "gloo in every PyTorch"),  # and no NCCL
        ("mps", "mps", "none carries what lies on an Apple GPU"),
    ],
)
def test_devices_that_cannot_exchange_are_noticed(
    beside_another: Diagnosed, monkeypatch: pytest.MonkeyPatch, ours: str, theirs: str, words: str
) -> None:
    monkeypatch.setattr(Engine, "detect", lambda: SimpleNamespace(device=torch.device(ours)))
    monkeypatch.setattr(team, "device_name", str)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    check = beside_another(changing(kind=theirs))["backends"]
    assert words in check.found
    assert not check.well
    assert check.hint


def test_more_threads_than_processors_are_noticed(beside_another: Diagnosed) -> None:
    check = beside_another(changing(threads=10_000))["threads"]
    assert not check.well
    assert check.hint.startswith("Set OMP_NUM_THREADS=")
    assert "threads" not in beside_another(changing(threads=0))


def test_wrong_sums_are_noticed(beside_another: Diagnosed) -> None:
    assert not beside_another(changing(), factor=2.0)["sums"].well
    assert "sums" not in beside_another(changing())


def test_a_process_that_does_not_see_the_runs_is_named(beside_another: Diagnosed, tmp_path: Path) -> None:
    rainy = changing(host="rain")
    check = beside_another(lambda value: False if value is True else rainy(value))["runs folder"]
    assert not check.well
    assert "not seen by process 1 on rain" in check.found
    assert "curate" in check.hint
    assert not (tmp_path / "runs").exists()


def test_a_runs_folder_that_cannot_be_written_is_said(beside_another: Diagnosed, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    check = beside_another(changing())["runs folder"]
    assert not check.well
    assert str(tmp_path / "runs") in check.found


def test_machines_that_share_a_cache_are_noticed(beside_another: Diagnosed, artgan_cache: Path) -> None:
    apart = changing(host="rain", local_rank=0)
    check = beside_another(apart)["caches"]
    assert not check.well
    assert check.found.endswith("in common with rain")
    assert "ARTGAN_CACHE" in check.hint
    assert not list(artgan_cache.iterdir())
    found = beside_another(lambda value: False if value is True else apart(value))
    assert "caches" not in found
    assert found["cache on rain"].well


def test_clocks_that_are_apart_are_noticed(beside_another: Diagnosed) -> None:
    assert beside_another(changing())["clocks"].well
    late = beside_another(lambda value: value - 20.0 if isinstance(value, float) else value)["clocks"]
    assert not late.well
    assert late.found.startswith("20000.0 ms")
