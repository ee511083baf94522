"""What the README says of torchrun and Slurm is read by bash, by torchrun and by artgan, without being run."""

import re
import shlex
import subprocess

import pytest
import torch.distributed.run as torchrun
from torch.distributed.launcher.api import LaunchConfig

from tests.docs.test_readme import BLOCKS, README, parse

STARTED = [block for block in BLOCKS if "torchrun" in block]
COMMANDS = [
    shlex.split(line.partition("torchrun ")[2], comments=True)
    for block in STARTED
    for line in block.replace("\\\n", " ").splitlines()
    if "torchrun " in line
]
SLURM = next(block for block in STARTED if "#SBATCH" in block)
SLURM_SAYS = {"$SLURM_NNODES": "2", "$SLURM_JOB_ID": "4711", "$lead:29500": "rain:29500"}


def read(command: list[str]) -> tuple[LaunchConfig, list[str]]:
    """What torchrun understands of its arguments: how it would start processes, and what of artgan."""
    args = torchrun.get_args_parser().parse_args([SLURM_SAYS.get(word, word) for word in command])
    assert (args.module, args.training_script) == (True, "artgan")
    if args.standalone:  # as torchrun's own `run` does
        args.rdzv_backend, args.rdzv_endpoint = "c10d", "localhost:0"
    config, _, _ = torchrun.config_from_args(args)
    return config, args.training_script_args


@pytest.mark.parametrize("block", STARTED, ids=lambda block: block.split()[0])
def test_bash_can_read_it(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_there_is_something_to_test() -> None:
    assert len(COMMANDS) >= 6
    assert {command[command.index("artgan") + 1] for command in COMMANDS} == {"doctor", "train", "score", "curate"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_torchrun_and_artgan_can_read_it(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # else torchrun sets it, for good
    config, words = read(command)
    parse(words)
    assert config.nproc_per_node >= 2
    assert config.min_nodes == config.max_nodes
    assert config.rdzv_backend == "c10d"
    if config.max_nodes > 1:
        assert re.fullmatch(r"\w+:\d+", config.rdzv_endpoint)
        assert config.run_id != "none"  # torchrun's own, which two jobs of one machine would share
        assert "--runs" in words


def test_wrong_words_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    good = "--nnodes 2 --nproc-per-node 8 --rdzv-endpoint rain:29500 -m artgan train x"
    read(good.split())
    with pytest.raises(SystemExit):
        read(good.replace("--nnodes", "--nnode-count").split())
    with pytest.raises(ValueError, match="eight"):
        read(good.replace("8", "eight").split())


def test_slurm_sees_its_settings_and_leaves_time_to_save() -> None:
    lines = SLURM.splitlines()
    assert lines[0] == "#!/bin/bash"
    told = [line for line in lines if line.startswith("#SBATCH")]
    assert lines[1 : 1 + len(told)] == told  # Slurm does not look below the first command
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in told)
    before = re.search(r"--signal=TERM@(\d+)", SLURM)
    wait = re.search(r"--shutdown-timeout (\d+)", SLURM)
    assert before is not None
    assert wait is not None
    assert int(wait[1]) < int(before[1])
    settings = dict(line.removeprefix("#SBATCH --").partition("=")[::2] for line in told)
    assert settings["ntasks-per-node"] == "1"  # a torchrun, which starts the processes of its machine
    threads = re.search(r"OMP_NUM_THREADS=(\d+)", SLURM)
    each = re.search(r"--nproc-per-node (\d+)", SLURM)
    assert threads is not None
    assert each is not None
    assert settings["gpus-per-node"] == each[1]
    assert int(threads[1]) * int(each[1]) == int(settings["cpus-per-task"])


def test_costs_in_the_readme_follow_from_the_networks() -> None:
    from artgan.config import validated
    from artgan.models import build_discriminator, build_generator
    from artgan.presets import find_preset

    def weights(preset: str) -> int:
        settings = validated(find_preset(preset).values)
        width, height = settings.data.size
        networks = [build(settings.model, (3, height, width), 0) for build in (build_generator, build_discriminator)]
        return sum(parameter.numel() for network in networks for parameter in network.parameters())

    counts = {preset: weights(preset) for preset in ("painter-64", "painter-256", "dcgan64")}
    for preset, million in re.findall(r"`([\w-]+)`: ([\d.]+) million\s", README):
        assert float(million) == pytest.approx(counts[preset] / 1e6, abs=0.05)
    rows = re.findall(r"^\| (\d+) Gbit/s \| ([\d.]+) ms \| ([\d.]+) ms \|$", README, flags=re.MULTILINE)
    assert len(rows) == 3
    for gigabits, *told in rows:
        for preset, said in zip(("painter-64", "painter-256"), told, strict=True):
            seconds = 2 * 7 / 8 * 4 * counts[preset] / (int(gigabits) * 1e9 / 8)
            assert float(said) == pytest.approx(seconds * 1000, rel=0.03)
