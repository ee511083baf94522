"""`artgan train` and `artgan resume` on shards: as curate packs them, as the shell spells them out, after a move."""

import json
import shutil
from pathlib import Path

import pytest

from artgan.data.shard_names import find_shards
from tests.curating import make
from tests.running import artgan
from tests.sharding import write_shards

pytestmark = pytest.mark.usefixtures("one_thread", "studio")
TINY = ["--preset", "dcgan64", "--resolution", "8", "--batch", "4", "--device", "cpu"]
TINY += ["--set", "model.base_channels=4", "--set", "model.z_dim=4"]


def run_of(*words: object) -> Path:
    """The run that a command trains."""
    result = artgan(*words)
    assert result.exit_code == 0, result.stderr
    return Path(result.stdout.strip())


def nimg(run: Path) -> int:
    return int((run / "latest").read_text())


def test_the_shell_may_spell_the_list_out_and_moved_shards_are_resumed() -> None:
    shards = write_shards(Path("big/set"), [4, 4, 4])
    run = run_of("train", *shards, *TINY, "--kimg", "0.004")
    assert run.name == "00000-set-dcgan64"
    noted = Path(json.loads((run / "run.json").read_text())["data"]["path"])
    assert noted == Path("big/set/{000000..000002}.tar").absolute()
    assert run_of("train", "big/set/{000000..000002}.tar", *TINY, "--kimg", "0.008") == run
    assert nimg(run) == 8
    shutil.move("big", "far")
    gone = artgan("resume", "0", "--kimg", "0.012")
    assert gone.exit_code == 3
    assert "3 of the 3 shards in" in " ".join(gone.stderr.split())
    assert run_of("resume", "0", "--data", "far/set/{000000..000002}.tar", "--kimg", "0.012") == run
    assert nimg(run) == 12


def test_shards_that_curate_packed_are_trained_on_in_part_or_whole(paintings: Path) -> None:
    packed = artgan("curate", paintings, "whole", "--format", "webdataset", "--least-side", "8", "--processes", "1")
    assert packed.exit_code == 0, packed.stderr
    assert run_of("train", "whole", *TINY, "--kimg", "0.004").name == "00000-whole-dcgan64"
    words = ["--format", "webdataset", "--least-side", "8", "--processes", "1", "--split", "0.6/0.4"]
    assert artgan("curate", paintings, "parts", *words).exit_code == 0
    refused = artgan("train", "parts", *TINY)
    assert refused.exit_code == 3
    told = " ".join(refused.stderr.split())
    assert told == "parts is split into parts: test, train. Take one of them: 'parts/train-000000.tar'."
    run = run_of("train", "parts/train-000000.tar", *TINY, "--kimg", "0.004")
    (shard,) = find_shards(Path("parts/train-000000.tar")) or ()
    index = json.loads((shard.parent / "shards.json").read_text())["shards"]
    assert json.loads((run / "run.json").read_text())["data"]["pictures"] == index[shard.name]["pictures"] < 12


REFUSED = [
    (["train", "cats", "dogs"], 2, "cats is no .tar, and several paths at once are for shards."),
    (["train", "s/000000.tar", "a,b.tar"], 2, "a,b.tar has a brace or a comma in its name."),
    (["train", "s/{000000..000003}.tar"], 3, "2 of the 4 shards in s/{000000..000003}.tar cannot be found"),
    (["train", "s/{000000..000001}.png"], 3, "which is no .tar"),
    (["train", "https://x.org/{0..9}.tar"], 3, "is on the net, and artgan has no network"),
    (["train", "list.txt"], 3, "Line 1 of list.txt names no .tar"),
    (["train", "nothing.tar"], 3, "nothing.tar does not exist"),
    (["train", "{}.tar".format("x" * 5000)], 5, "File name too long"),
    (["train"], 2, "DATA"),
    (["score", "--real", "s", "--fake", "cats"], 3, "s means shards (.tar), and only training streams these."),
    (["score", "--real", "s/{000000..000001}.tar", "--fake", "cats"], 3, "only training streams these"),
    (["curate", "s", "new"], 3, "only training streams these"),
    (["curate", "s/000000.tar"], 3, "s/000000.tar means shards"),
]


@pytest.mark.parametrize(("words", "code", "told"), REFUSED)
def test_wrong_data_is_one_sentence_and_one_hint(words: list[str], code: int, told: str) -> None:
    write_shards(Path("s"), [4, 4])
    make(Path(), {"cats/a.png": b"a", "dogs/a.png": b"a", "a,b.tar": b"", "list.txt": b"cats\n"})
    result = artgan(*words)
    assert result.exit_code == code, result.stderr
    assert told in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not Path("runs").exists()
