"""Several processes that do one job, as `torchrun` starts them. The one door to torch.distributed.

A process that was started alone is the whole team: every function here then does nothing, or the obvious.

    rank     number of a process, 0 to size() - 1; 0 is the lead, which alone writes files and speaks
    node     machine; the first process of each has local_rank() 0

Whatever a function here exchanges, all processes must call it, in the same order. One that ends while others wait for
it closes its connections, and they raise ProcessLost at once. torch is imported only where there is a team, since the
command line asks for rank() as it starts.
"""

import atexit
import contextlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from artgan.errors import ArtganError, ProcessLost, UsageError

T = TypeVar("T")

LONGEST_WAIT = timedelta(hours=2)
"""So long the others wait while the lead decodes a set or scores; a process that ends is noticed at once, not so."""
LONGEST_MEETING = timedelta(minutes=5)
_store: Any = None  # where processes meet; None in a process that is alone


def launched() -> bool:
    """Whether torchrun, or what sets the same variables, started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def rank() -> int:
    """The number of this process, known before it joins."""
    return _number("RANK") if launched() else 0


def size() -> int:
    """How many processes do the job."""
    return _number("WORLD_SIZE") if launched() else 1


def local_rank() -> int:
    """The number of this process on its machine."""
    return _number("LOCAL_RANK") if launched() else 0


def local_size() -> int:
    """How many processes share this machine."""
    return _number("LOCAL_WORLD_SIZE", 1) if launched() else 1


def leads() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


def restarts() -> int:
    """How often torchrun (`--max-restarts`) has started this team anew."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0)


def backends() -> tuple[str, ...]:
    """The backends of torch.distributed that this PyTorch has."""
    import torch.distributed as dist

    there = {"gloo": dist.is_gloo_available(), "nccl": dist.is_nccl_available(), "mpi": dist.is_mpi_available()}
    return tuple(name for name, is_there in there.items() if is_there)


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise UsageError(
            f"WORLD_SIZE is set, and {name} is {text!r}, not a number.",
            "Start with torchrun, which sets both, or unset WORLD_SIZE.",
        )
    return int(text)


def join() -> None:
    """Meet the other processes, once; NCCL carries what lies on NVIDIA GPUs, gloo the rest.

    Raises:
        ProcessLost: they cannot be reached.
        UsageError: the variables that torchrun sets are not whole.
    """
    global _store  # noqa: PLW0603 - a process belongs to one team, as torch.distributed has it
    if _store is not None or size() == 1:
        return
    if rank() >= size():
        raise UsageError(f"RANK {rank()} is not below WORLD_SIZE {size()}.", "Start with torchrun, which sets both.")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # its stack of C++ for every lost process; we say so
    import torch
    import torch.distributed as dist

    # The first optimiser imports it. Before there is a group: the defaults of its functions keep the one they find.
    import torch.distributed.nn
    from torch.distributed.rendezvous import rendezvous

    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    with noticing_loss():
        store, number, count = next(iter(rendezvous("env://", timeout=LONGEST_MEETING)))
        store = dist.PrefixStore(_meet(store), store)  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=LONGEST_WAIT)
        _store = store
    atexit.register(_leave)


def _leave() -> None:
    """Let go of the others: threads of gloo or the store that are still there when Python ends make it crash."""
    global _store  # noqa: PLW0603 - as above
    import torch.distributed as dist

    _store = None
    with contextlib.suppress(RuntimeError):  # they may be gone
        dist.destroy_process_group()


def _meet(store: Any) -> str:
    """The name of this team, once all of it are there.

    torchrun keeps one store through all restarts, and in it what processes left there that are dead now. So each says
    that it is here by a name of its own, and the lead, by a fresh name, says whom it has seen until all have answered.
    """
    own, until = uuid.uuid4().hex, time.monotonic() + LONGEST_MEETING.total_seconds()
    if not leads():
        store.set(f"here {rank()}", own)
    while time.monotonic() < until:
        if leads():
            here = [own, *(store.get(f"here {number}").decode() for number in range(1, size()))]
            store.set("team", " ".join(here))
        else:
            here = store.get("team").decode().split()
            if len(here) == size() and here[rank()] == own:
                store.set(f"{here[0]} {rank()}", "")
                return str(here[0])
        time.sleep(0.05)
        if leads() and store.check([f"{own} {number}" for number in range(1, size())]):
            return own
    raise TimeoutError


@contextlib.contextmanager
def noticing_loss() -> Iterator[None]:
    """Turn what torch.distributed raises when a process is gone into one sentence."""
    try:
        yield
    except (RuntimeError, ConnectionError, TimeoutError) as error:  # DistError and its kind are RuntimeErrors
        raise ProcessLost(
            f"Process {rank()} of {size()} lost the others: one of them has ended.",
            "See what it said. The same command goes on from what is saved; torchrun --max-restarts 3 gives it by "
            "itself.",
        ) from error


def first_to_tell() -> bool:
    """Whether no other process has said yet why the job ends; what all of them meet is to be said once."""
    if _store is None:
        return True
    try:
        return bool(_store.add("artgan has told why", 1) == 1)
    except (RuntimeError, ConnectionError):  # where they met is gone, too: rather twice than never
        return True


def agreed(value: T) -> T:
    """The lead's value, in every process; those of the others do not matter."""
    if size() == 1:
        return value
    import torch
    import torch.distributed as dist

    box = [value if leads() else None]
    with noticing_loss():
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]  # type: ignore[return-value]


def from_lead(work: Callable[[], T]) -> T:
    """What `work` returns in the lead, which alone does it; all raise what it raises there.

    Raises:
        ArtganError: `work` did.
    """
    if size() == 1:
        return work()
    found: T | None = None
    failed: ArtganError | None = None
    if leads():
        try:
            found = work()
        except ArtganError as error:
            failed = error
    found, failed = agreed((found, failed))
    if failed is not None:
        raise failed
    return found  # type: ignore[return-value]


def gather(value: T) -> list[T]:
    """The values of all processes, by rank, in every process."""
    if size() == 1:
        return [value]
    import torch.distributed as dist

    found: list[Any] = [None] * size()
    with noticing_loss():
        dist.all_gather_object(found, value)
    return found


def first_on_node(work: Callable[[], T]) -> T:
    """What `work` returns here; the first process of every machine does it before the others, which find it done.

    Raises:
        ArtganError: `work` did, here or elsewhere.
    """
    if size() == 1:
        return work()
    found: T | None = None
    for turn in (True, False):
        failed: ArtganError | None = None
        if (local_rank() == 0) is turn:
            try:
                found = work()
            except ArtganError as error:
                failed = error
        problem = next((error for error in gather(failed) if error is not None), None)
        if problem is not None:
            raise problem
    return found  # type: ignore[return-value]


def largest(values: list[float]) -> list[float]:
    """The largest of the values of all processes, place by place; what is no number counts as endless."""
    if size() == 1:
        return values
    import torch
    import torch.distributed as dist

    most = torch.tensor(values, dtype=torch.float64).nan_to_num(torch.inf, torch.inf)
    with noticing_loss():
        dist.all_reduce(most, dist.ReduceOp.MAX)
    return most.tolist()


def any_of(flag: bool) -> bool:
    """Whether it is so in any process."""
    return largest([float(flag)]) != [0.0]


def whereabouts() -> str:
    """This process in words, such as `process 3 of 8 on rain`."""
    return f"process {rank()} of {size()} on {socket.gethostname()}"
