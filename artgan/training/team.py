"""What several processes have in common, and what it costs them to train together: `artgan doctor --distributed`."""

import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import artgan
from artgan.config import validated
from artgan.engine import processes
from artgan.engine.device import Engine, device_name
from artgan.engine.doctor import Check, disk
from artgan.engine.storage import atomic_write, beside, cache_folder
from artgan.engine.sums import exchange
from artgan.errors import DeviceError, StorageError, UsageError
from artgan.models import build_discriminator, build_generator
from artgan.presets import find_preset

PRESET = "painter-64"
"""The preset whose gradients are exchanged on trial."""
LONGEST_LOOK = 10.0
"""Seconds that a process looks for what the lead wrote: a network's file system may show it late."""
CLOCKS_APART = 2.0
"""Seconds; torchrun takes a machine for gone when its heartbeats look three times five seconds old."""
_WARM_UP = 2
_MIB = 1 << 20
_NAMED = 4


@dataclass(frozen=True)
class Member:
    """What a process says of itself.

    Attributes:
        rank: its number among all, from 0.
        local_rank: its number on its machine, from 0.
        host: the name of its machine.
        kind: of its device: cpu, cuda, mps; empty when there is none for it.
        device: that device in words, or why there is none.
        hint: what helps when there is none.
        threads: of PyTorch, for work on the CPU.
        cores: logical processors of its machine.
        versions: of artgan, PyTorch and Python.
        backends: of torch.distributed, as far as this PyTorch has them.
    """

    rank: int
    local_rank: int
    host: str
    kind: str
    device: str
    hint: str
    threads: int
    cores: int
    versions: str
    backends: tuple[str, ...]

    @property
    def node(self) -> int:
        """The rank of the first process on the same machine: torchrun numbers machine by machine."""
        return self.rank - self.local_rank


def diagnose_team(runs_dir: str | Path = "runs") -> tuple[Check, ...]:
    """Look at the processes that torchrun started: versions, devices, speed of exchange, folders, clocks.

    Every one of them must call it, and all get the same answer.

    Args:
        runs_dir: where runs would be written.

    Raises:
        UsageError: this process was started alone.
        ProcessLost: another one has ended.
    """
    if processes.size() == 1:
        raise UsageError(
            "There is only this one process, so there is nothing between processes to look at.",
            "Start several: torchrun --standalone --nproc-per-node 2 -m artgan doctor --distributed",
        )
    processes.join()
    team = processes.gather(_present())
    # What follows is exchanged in this order by all.
    return (
        _meeting(team),
        *(_introduced(member) for member in team),
        *_crowded(team),
        _versions(team),
        _backends(team),
        *_exchange(_common_device(team)),
        _shared_folder(team, Path(runs_dir)),
        *_caches(team),
        _clocks(),
    )


def bus_bandwidth(size: int, count: int, seconds: float) -> float:
    """Bytes per second over the slowest link when `count` processes add up `size` bytes in `seconds`.

    The definition of NVIDIA's nccl-tests (PERFORMANCE.md): 2 (count - 1) / count * size / seconds, which does not
    depend on the number of processes.
    """
    return 2 * (count - 1) / count * size / seconds


def _present() -> Member:
    try:
        chosen = Engine.detect().device
        kind, device, hint = chosen.type, f"{chosen} ({device_name(chosen)})", ""
    except DeviceError as error:
        kind, device, hint = "", error.message, error.hint
    return Member(
        rank=processes.rank(),
        local_rank=processes.local_rank(),
        host=platform.node(),
        kind=kind,
        device=device,
        hint=hint,
        threads=torch.get_num_threads(),
        cores=os.cpu_count() or 1,
        versions=f"artgan {artgan.__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}",
        backends=processes.backends(),
    )


def _meeting(team: Sequence[Member]) -> Check:
    nodes = len({member.node for member in team})
    where = f"{os.environ.get('MASTER_ADDR')}, port {os.environ.get('MASTER_PORT')}"
    return Check("team", f"{len(team)} processes on {nodes} machine{'s' * (nodes > 1)}, which met at {where}")


def _introduced(member: Member) -> Check:
    threads = f"{member.threads} thread{'s' * (member.threads > 1)}"
    found = f"{member.host}, process {member.local_rank} there, {threads}: {member.device}"
    return Check(f"process {member.rank}", found, not member.hint, member.hint)


def _crowded(team: Sequence[Member]) -> list[Check]:
    """Whether the processes of each machine leave one another room on its processors."""
    checks = []
    for first in team:
        here = [member for member in team if member.node == first.node]
        threads = sum(member.threads for member in here)
        if first.local_rank == 0 and threads > first.cores:
            fitting = max(1, first.cores // len(here))
            found = f"{threads} on the {first.cores} logical processors of {first.host}"
            checks.append(Check("threads", found, False, f"Set OMP_NUM_THREADS={fitting}, or start fewer processes."))
    return checks


def _versions(team: Sequence[Member]) -> Check:
    others = [member for member in team if member.versions != team[0].versions]
    found = f"{team[0].versions}, in all processes"
    if not others:
        return Check("versions", found)
    told = "; ".join(f"process {member.rank} on {member.host}: {member.versions}" for member in others[:_NAMED])
    more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    found = f"process 0: {team[0].versions}; {told}{more}"
    return Check("versions", found, False, "Install the same versions of all three on every machine.")


def _common_device(team: Sequence[Member]) -> torch.device:
    """Where sums can be tried: on the GPUs when every process has one, and NCCL; or else on the CPUs."""
    if all(member.kind == "cuda" and "nccl" in member.backends for member in team):
        return torch.device("cuda", processes.local_rank())
    return torch.device("cpu")


def _backends(team: Sequence[Member]) -> Check:
    common = [name for name in team[0].backends if all(name in member.backends for member in team)]
    there = f"{' and '.join(common) or 'none'} in every PyTorch here"
    kinds = {member.kind for member in team} - {""}
    if len(kinds) > 1:
        hint = "Add --device cpu, or use machines of one kind."
        return Check("backends", f"{there}; but some processes have a GPU, others none", False, hint)
    if kinds == {"cuda"} and "nccl" not in common:
        return Check("backends", there, False, "GPUs need a PyTorch with NCCL, which there is for Linux.")
    if kinds == {"mps"}:
        return Check("backends", f"{there}; none carries what lies on an Apple GPU", False, "Add --device cpu.")
    return Check("backends", f"{there}; {'nccl' if kinds == {'cuda'} else 'gloo'} carries the gradients")


def _seconds(
    numbers: int,
    device: torch.device,
    turns: int,
    typical: Callable[[list[float]], float] = statistics.median,
    apart: float = 0.0,
) -> float:
    """What it takes to add up `numbers` float32 numbers over all processes, each time after `apart` seconds of work.

    That of the slowest process; of many turns the `typical` one.
    """
    tensor = torch.zeros(numbers, device=device)
    taken: list[float] = []
    for _ in range(_WARM_UP + turns):
        until = time.perf_counter() + apart
        while (started := time.perf_counter()) < until:
            pass
        exchange(tensor)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return processes.largest([typical(taken[_WARM_UP:])])[0]


def _exchange(device: torch.device) -> list[Check]:
    count = processes.size()
    own = torch.full((_MIB // 4,), processes.rank() + 1.0, device=device)
    exchange(own)
    if processes.any_of(not bool((own == count * (count + 1) / 2).all())):
        hint = "With NCCL, try NCCL_P2P_DISABLE=1; the drivers or the machines' settings are at fault."
        return [Check("sums", "what the processes add up together is wrong", False, hint)]
    # As in a training: while a process computes, what carries its sums falls asleep, and now and then wakes up late.
    latency = _seconds(1, device, 100, statistics.fmean, apart=0.004)
    speeds = {mib: bus_bandwidth(mib * _MIB, count, _seconds(mib * _MIB // 4, device, 5)) for mib in (1, 64)}
    told = ", ".join(f"{speed / 1e9:.3g} GB/s at {mib} MiB" for mib, speed in speeds.items())
    networks = _sizes(PRESET)
    spent = sum(_seconds(numbers, device, 5) for numbers in networks)
    numbers = sum(networks)
    return [
        Check("latency", f"{latency * 1000:.2f} ms to add up one number (mean of 100, with 4 ms of work between)"),
        Check("bandwidth", f"{told} (bus bandwidth as nccl-tests has it: 2 (N - 1) / N x bytes / seconds)"),
        Check(
            "gradients",
            f"{spent * 1000:.1f} ms in each step of {PRESET}, whose networks have {numbers:,} weights "
            f"({numbers * 4 / 1e6:.1f} MB)",
        ),
    ]


def _sizes(preset: str) -> tuple[int, int]:
    """How many weights generator and discriminator of a preset have."""
    settings = validated(find_preset(preset).values)
    width, height = settings.data.size
    shape = (3, height, width)
    with torch.random.fork_rng(devices=[]):
        networks = build_generator(settings.model, shape, 0), build_discriminator(settings.model, shape, 0)
    generator, discriminator = (sum(weights.numel() for weights in network.parameters()) for network in networks)
    return generator, discriminator


def _shared_folder(team: Sequence[Member], runs_dir: Path) -> Check:
    """Whether what the lead writes is seen by all."""
    try:
        seen = _seen(runs_dir, LONGEST_LOOK)
    except StorageError as error:
        return Check("runs folder", error.message, False, error.hint)
    blind = [f"process {member.rank} on {member.host}" for member, sees in zip(team, seen, strict=True) if not sees]
    if blind:
        told = "; ".join(blind[:_NAMED]) + (f"; and {len(blind) - _NAMED} more" if len(blind) > _NAMED else "")
        hint = (
            "Training works, as process 0 alone writes. For `artgan curate` into a folder, and to go on when another "
            f"machine has process 0, let all see one folder: --runs /shared/{runs_dir.name}"
        )
        return Check("runs folder", f"what process 0 wrote into {runs_dir} is not seen by {told}", False, hint)
    return Check("runs folder", f"{runs_dir}: all see what process 0 writes")


def _seen(folder: Path, seconds: float) -> list[bool]:
    """Which processes see within `seconds` what the lead writes into a folder; nothing of it stays.

    Raises:
        StorageError: it cannot be written; all raise it.
    """
    file = folder / processes.agreed(beside(folder / "doctor").name)
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    processes.from_lead(lambda: atomic_write(file, "artgan doctor --distributed\n"))
    seen = processes.gather(_appears(file, seconds))
    if processes.leads():
        with contextlib.suppress(OSError):  # another program may have put something there meanwhile
            file.unlink()
            for parent in made:
                parent.rmdir()
    return seen


def _appears(file: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _caches(team: Sequence[Member]) -> list[Check]:
    """The cache of every machine, as its first process sees it, and whether it is its own."""
    found = processes.gather(disk("cache", cache_folder()) if processes.local_rank() == 0 else None)
    first = [(member, check) for member, check in zip(team, found, strict=True) if check is not None]
    checks = [replace(check, name=f"cache on {member.host}") for member, check in first]
    if len(first) == 1 or not first[0][1].well:
        return checks
    seen = _seen(cache_folder(), 1.0)
    sharing = [member.host for member, _ in first[1:] if seen[member.rank]]
    if sharing:
        told = f"{first[0][0].host} has it in common with {', '.join(sharing[:_NAMED])}"
        hint = "Set ARTGAN_CACHE to a folder on a disk of each machine: what is decoded is read in every step."
        checks.append(Check("caches", told, False, hint))
    return checks


def _clocks() -> Check:
    """How far the clocks are apart, roughly: all leave a sum at nearly the same moment, and look."""
    apart = float("inf")
    for _ in range(5):
        processes.largest([0.0])
        times = processes.gather(time.time())
        apart = min(apart, max(times) - min(times))
    hint = "Let NTP set the clocks: torchrun takes a machine whose clock is 15 seconds late for gone."
    return Check("clocks", f"{apart * 1000:.1f} ms apart at most (roughly)", apart < CLOCKS_APART, hint)
