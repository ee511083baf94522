"""`artgan train --from`: exit codes, what is said on stderr, and that a file cannot run code."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.generators import untrained_run
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("one_thread", "studio")
SHORT = ["--batch", "4", "--kimg", "0.008"]


def test_train_from_a_run_says_what_was_kept_and_goes_on(paintings: Path) -> None:
    size = ["--resolution", "8", "--set", "model.base_channels=4", "--set", "model.z_dim=4"]
    first = artgan("train", paintings, *size, *SHORT)
    assert first.exit_code == 0, first.stderr
    begun = artgan("train", paintings, "--from", "0", "--freeze-d", "1", *SHORT)
    assert begun.exit_code == 0, begun.stderr
    told = "(0.008 kimg): kept 100 % of the generator's and 100 % of the discriminator's weights."
    assert told in " ".join(begun.stderr.split())
    assert begun.stdout.strip() != first.stdout.strip()
    again = artgan("train", paintings, "--from", "0", "--freeze-d", "1", "--batch", "4", "--kimg", "0.012")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == begun.stdout
    assert "kept" not in again.stderr
    info = json.loads((Path(begun.stdout.strip()) / "run.json").read_text())
    assert info["from"]["run"] == Path(first.stdout.strip()).name


def test_a_checkpoint_without_a_state_serves_as_a_file(paintings: Path, tmp_path: Path) -> None:
    run = untrained_run(tmp_path / "models", resolution=16)
    checkpoint = run / "checkpoints" / "000000064"
    for name in ("manifest.json", "state.safetensors"):
        (checkpoint / name).unlink()
    begun = artgan("train", paintings, "--from", checkpoint, *SHORT)
    assert begun.exit_code == 0, begun.stderr
    assert "its file has no discriminator, which starts fresh" in begun.stderr


class Bomb:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (Path("exploded"),)


def test_wrong_sources_are_refused_in_one_sentence(paintings: Path, studio: Path, tmp_path: Path) -> None:
    Path("model.pt").write_bytes(pickle.dumps(Bomb()))
    Path("model.safetensors").write_bytes(pickle.dumps(Bomb()))
    Path("short.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    run = untrained_run(tmp_path / "models")  # its state holds no networks
    refused: list[tuple[list[object], int, str]] = [
        (["--from", "7"], 5, "There is no run '7'"),
        (["--from", "nowhere.safetensors"], 5, "nowhere.safetensors is not there"),
        (["--from", "model.pt"], 5, "not a .safetensors file"),
        (["--from", "model.safetensors"], 5, "model.safetensors"),
        (["--from", "short.safetensors"], 5, "cannot be read"),
        (["--from", run], 5, "do not fit its settings"),
        (["--from", studio], 5, "There is no run"),
        (["--freeze-d", "1"], 4, "train.freeze_d"),
        (["--freeze-d", "-1"], 4, "train.freeze_d"),
    ]
    for words, code, told in refused:
        result = artgan("train", paintings, *words, *SHORT)
        assert result.exit_code == code, (words, result.stderr)
        assert told in " ".join(result.stderr.split())
        assert result.stdout == ""
    assert not Path("runs").exists()
    assert not Path("exploded").exists()
