"""Whether a curated folder trains a better model than the messy one that it was made from."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import artgan
from artgan.errors import ArtganError
from tests.bench.curate_truth import make_messy

ORIGINALS, SAMPLES = 150, 500
JUDGED = re.compile(r"floor ([\d.]+)\s+fd ([\d.]+)")


def measure_training(shared: Path, work: Path, minutes: float, seed: int = 1) -> None:
    """Train on a messy folder and on the curated one for as long, and judge both against the clean originals."""
    messy, curated, clean = work / "messy", work / "curated", work / "clean"
    truth = make_messy(shared, messy, seed, ORIGINALS)
    clean.mkdir()
    for number, name in enumerate(name for name, (kind, _) in truth.items() if kind == "original"):
        shutil.copyfile(messy / name, clean / f"{number:03d}.jpg")
    report = artgan.curate(messy, curated, variants="drop", defects="drop", outliers="off")
    print(f"  {len(truth)} files, of which {report.in_set} are in the curated set; {minutes:g} minutes each")
    for name, folder in {"as it is": messy, "curated": curated}.items():
        runs = work / f"runs {name}"
        try:
            trained = artgan.train(folder, minutes=minutes, runs_dir=runs, labels="none", seed=0)
        except ArtganError as error:
            print(f"  {name}: {error.message} {error.hint}")
            continue
        samples = work / f"samples {name}"
        artgan.sample(trained.run, seeds=f"0-{SAMPLES - 1}", out=samples)
        command = [sys.executable, "judge.py", str(clean), str(samples), "--size", "64"]
        said = subprocess.run(command, cwd=shared / "tools", check=True, capture_output=True, text=True).stdout
        found = JUDGED.search(said)
        assert found is not None, said
        print(f"  {name:9} fd {float(found[2]):7.2f} % (floor {float(found[1]):.2f} %), {trained.nimg / 1000:.1f} kimg")
