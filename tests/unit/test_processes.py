"""What processes of a team exchange, in three real ones; and what everything is for a process that is alone."""

import json
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from artgan.engine import processes
from artgan.engine.device import Engine
from artgan.engine.sums import add_up, put_together, summed
from artgan.errors import DatasetError, DeviceError, UsageError
from artgan.models.norm import TeamNorm1d, TeamNorm2d, share_norms
from tests.processes import finish, start

COUNT = 3
TEAM = """
import atexit, json, os, sys, torch
from pathlib import Path
from artgan.engine import processes
from artgan.engine.sums import add_up, put_together
from artgan.errors import ArtganError, DatasetError, ProcessLost
from artgan.models.norm import TeamNorm2d

@atexit.register
def tell_what_is_left():  # registered before artgan does, and so called after it
    threads = [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]
    print(json.dumps([name for name in threads if "gloo" in name or "store" in name]))

processes.join()
processes.join()  # once is enough
import torch.distributed.nn.functional  # comes with the first optimiser, and keeps what it finds
rank, found = processes.rank(), {}

def refuse():
    raise DatasetError(f"no pictures for {rank}", "none")

def refused(do):
    try:
        do()
    except ArtganError as error:
        return [type(error).__name__, error.message]

found["agreed"] = processes.agreed(rank + 5)
found["from lead"] = processes.from_lead(lambda: ["lead", rank])
found["gathered"] = processes.gather(rank * 10)
found["largest"] = processes.largest([rank, -rank, float("nan") if rank == 1 else 0])
found["any"] = [processes.any_of(rank == 2), processes.any_of(False)]
found["refused by lead"] = refused(lambda: processes.from_lead(refuse))
found["refused by node"] = refused(lambda: processes.first_on_node(lambda: refuse() if rank == 2 else rank))
marks = [processes.first_on_node(lambda: len(os.listdir("marks")) or os.mkdir(f"marks/{rank}"))]
found["first on node"] = marks
found["first to tell"] = processes.gather(processes.first_to_tell()).count(True)

pieces = [torch.full((2, 2), float(rank)), torch.ones(3) * rank]
add_up(pieces)
found["sums"] = [piece.tolist() for piece in pieces]
whole = torch.arange(8.0).view(8, 1)
found["together"] = put_together(whole[rank::3], 8).flatten().tolist()

torch.manual_seed(0)
pictures, weights = torch.randn(8, 4, 3, 3) * 2 + 50, torch.randn(8, 4, 3, 3)
norm = TeamNorm2d(4)
own = pictures[rank::3].clone().requires_grad_()
seen = norm(own)
(slope,) = torch.autograd.grad((seen * weights[rank::3]).sum(), own, create_graph=True)
slope.square().sum().backward()
found["norm"] = [put_together(x.detach(), 8).tolist() for x in (seen, slope, own.grad)]
found["buffers"] = [norm.running_mean.tolist(), norm.running_var.tolist()]
if rank == 2:
    print(json.dumps(found), flush=True)
    os._exit(3)
found["lost"] = refused(lambda: processes.agreed(1))
print(json.dumps(found))
"""


def test_three_processes_exchange_what_one_would_have(tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    team = finish(start([], COUNT, tmp_path, program=("-c", TEAM)))
    assert [one.returncode for one in team] == [0, 0, 3], team[0].stderr
    said = [one.stdout.splitlines() for one in team]
    assert [lines[1:] for lines in said] == [["[]"], ["[]"], []], "no thread is left when Python ends"
    found = [json.loads(lines[0]) for lines in said]
    for rank, of_one in enumerate(found):
        assert of_one["agreed"] == 5
        assert of_one["from lead"] == ["lead", 0]
        assert of_one["gathered"] == [0, 10, 20]
        assert of_one["largest"] == [2, 0, float("inf")]
        assert of_one["any"] == [True, False]
        assert of_one["refused by lead"] == ["DatasetError", "no pictures for 0"]
        assert of_one["refused by node"] == ["DatasetError", "no pictures for 2"]
        assert of_one["first on node"] == [None if rank == 0 else of_one["first on node"][0]]
        assert of_one["first to tell"] == 1
        assert of_one["sums"] == [[[3.0, 3.0], [3.0, 3.0]], [3.0, 3.0, 3.0]]
        assert of_one["together"] == list(range(8))
    for of_one in found[:2]:
        assert of_one["lost"][0] == "ProcessLost"
        assert "one of them has ended" in of_one["lost"][1]
    torch.manual_seed(0)
    pictures, weights = torch.randn(8, 4, 3, 3) * 2 + 50, torch.randn(8, 4, 3, 3)
    pictures.requires_grad_()
    norm = nn.BatchNorm2d(4)
    seen = norm(pictures)
    (slope,) = torch.autograd.grad((seen * weights).sum(), pictures, create_graph=True)
    slope.square().sum().backward()
    for ours, true in zip(found[0]["norm"], (seen, slope, pictures.grad), strict=True):
        assert true is not None
        torch.testing.assert_close(torch.tensor(ours), true.detach(), atol=3e-4, rtol=1e-3)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(torch.tensor(found[1]["buffers"]), torch.stack([norm.running_mean, norm.running_var]))


def test_a_process_alone_is_the_whole_team() -> None:
    processes.join()
    assert (processes.rank(), processes.size(), processes.restarts()) == (0, 1, 0)
    assert (processes.local_rank(), processes.local_size()) == (0, 1)
    assert processes.leads()
    assert not processes.launched()
    assert processes.first_to_tell()
    assert processes.agreed("x") == processes.from_lead(lambda: "x") == processes.first_on_node(lambda: "x") == "x"
    assert processes.gather("x") == ["x"]
    assert processes.any_of(True)
    assert processes.largest([1.0, 2.0]) == [1.0, 2.0]
    values = torch.ones(2)
    add_up([values])
    assert values.tolist() == [1, 1]
    assert summed(values) is values
    assert put_together(values, 2) is values
    with pytest.raises(DatasetError):
        processes.from_lead(_refuse)


def _refuse() -> None:
    raise DatasetError("no", "no")


@pytest.mark.parametrize(
    ("name", "text"), [("RANK", ""), ("RANK", "-1"), ("RANK", "7"), ("WORLD_SIZE", "two"), ("LOCAL_RANK", "x")]
)
def test_odd_variables_are_named(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", name: text}.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=name):
        processes.local_rank() if name == "LOCAL_RANK" else processes.join()


def test_one_gpu_is_not_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match="cuda:1 is one GPU, and there are 4 processes"):
        Engine.detect("cuda:1")
    with pytest.raises(DeviceError, match=r"2 GPUs, and process 2 \(from 0\) has none") as refusal:
        Engine.detect("cuda")
    assert "--nproc-per-node 2" in refusal.value.hint


def test_norms_of_a_team_take_the_place_of_those_of_a_network() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(144), nn.ReLU())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pictures = torch.randn(6, 3, 8, 8)
    plain = network(pictures)
    changed = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(before)
    share_norms(network)
    assert isinstance(network[1], TeamNorm2d)
    assert isinstance(network[3], TeamNorm1d)
    torch.testing.assert_close(network(pictures), plain)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, changed[name])
    network.eval()
    shown = network(pictures)
    norm = network[1]
    kept = F.batch_norm(network[0](pictures), norm.running_mean, norm.running_var, norm.weight, norm.bias)
    torch.testing.assert_close(shown, F.relu(network[3](kept.flatten(1))))
    assert os.environ.get("WORLD_SIZE") is None
