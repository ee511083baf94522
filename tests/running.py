"""Commands of artgan, run in this process or begun in one of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner

from artgan.cli.main import app
from artgan.training.events import Step

_HELPS = """
import json, sys
from typer.testing import CliRunner
from artgan.cli.main import app
results = [CliRunner().invoke(app, words) for words in json.loads(sys.argv[1])]
assert all(result.exit_code == 0 for result in results), results
heavy = {"torch", "torchvision", "numpy", "PIL"} & set(sys.modules)
assert not heavy, heavy
print(json.dumps([result.stdout for result in results]))
"""


def artgan(*words: object) -> Any:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def begin_program(program: str, *words: str, **environment: str) -> subprocess.Popen[str]:
    """Start a Python program that takes a command's words in a process of its own, on one thread."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_without_torch(*commands: list[str]) -> list[str]:
    """What commands print, run in one new process, which must end well without loading torch or the like."""
    program = [sys.executable, "-c", _HELPS, json.dumps(commands)]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: list[str] = json.loads(done.stdout)
    return told


def stop_at(nimg: int) -> tuple[Callable[[Any], None], Callable[[], bool]]:
    """A listener and a should_stop that ask to stop once `nimg` pictures were shown."""
    seen = [0]

    def listen(event: object) -> None:
        if isinstance(event, Step):
            seen[0] = event.nimg

    return listen, lambda: seen[0] >= nimg
