"""The installed program: start-up, signals, bugs. Each test starts a real process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.running import told_without_torch

PROGRAM = [sys.executable, "-m", "artgan"]


def test_help_and_import_do_not_touch_torch() -> None:
    assert all(told_without_torch(["--help"], ["train", "--help"], ["presets", "list"]))


def test_version_and_module() -> None:
    import artgan

    done = subprocess.run([*PROGRAM, "--version"], check=False, capture_output=True, text=True)
    assert done.stdout.strip() == f"artgan {artgan.__version__}"


def test_help_of_every_command_ends_with_an_example() -> None:
    from artgan.cli.main import app

    commands = [command.callback for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        commands += [command.callback for command in group.typer_instance.registered_commands]
    assert len(commands) >= 10
    for callback in commands:
        assert callback is not None
        assert callback.__doc__ is not None
        assert "Example: artgan " in callback.__doc__.splitlines()[-2], callback


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(number: signal.Signals, paintings: Path, tmp_path: Path) -> None:
    settings = ["--set", "model.base_channels=4", "--batch", "4", "--resolution", "8"]
    command = [*PROGRAM, "train", str(paintings), *settings]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(tmp_path, "runs/*/fakes000000000.png", process)
        process.send_signal(number)
        out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert out == ""
    assert "Stopping: finishing this step" in told
    assert "everything is saved in" in told
    assert "Go on with: artgan resume 0" in told
    assert "Traceback" not in told
    assert list(tmp_path.glob("runs/*/checkpoints/*/manifest.json"))


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if list(folder.glob(pattern)):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"{pattern} did not appear")


def test_a_bug_ends_with_one_sentence_and_a_log(tmp_path: Path) -> None:
    breaking = (
        "import artgan.cli.main as m, artgan.presets;"
        "artgan.presets.list_presets = lambda: 1 / 0;"
        "import sys; sys.argv = ['artgan', 'presets', 'list'];"
        "m.main()"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", breaking], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (log,) = tmp_path.rglob("bug-*.log")
    assert str(log) in done.stderr.replace("\n", "")
    assert "ZeroDivisionError" in log.read_text()
