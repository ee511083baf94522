"""Several processes that do one job, started as torchrun does, without its agent."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ARTGAN = ("-m", "artgan")


def start(
    args: Sequence[str],
    count: int,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    program: Sequence[str] = ARTGAN,
) -> list[subprocess.Popen[str]]:
    """`artgan args` as a team of `count` processes with one thread each, by rank; what they print goes into pipes.

    `program` is what Python is given in place of `-m artgan`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    team = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        **(env or {}),
    }
    return [
        subprocess.Popen(
            [sys.executable, *program, *args],
            cwd=cwd,
            env={**team, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for rank in range(count)
    ]


def finish(team: list[subprocess.Popen[str]], timeout: float = 120) -> list[subprocess.CompletedProcess[str]]:
    """Wait for all of a team, by rank; those that hang are killed.

    Raises:
        subprocess.TimeoutExpired: one hangs.
    """

    def wait(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    with ThreadPoolExecutor(len(team)) as threads:  # together: a full pipe must not hold up a process
        return list(threads.map(wait, team))


def together(
    args: Sequence[str], count: int, cwd: Path, env: Mapping[str, str] | None = None
) -> list[subprocess.CompletedProcess[str]]:
    """What the processes of a team say when they do `artgan args` together, by rank."""
    return finish(start(args, count, cwd, env))
