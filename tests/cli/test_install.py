"""The wheel that `pip install .` makes: it carries its presets and needs nothing of the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("artgan-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def in_wheel(installed: Path, code: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_finds_its_presets(installed: Path, tmp_path: Path) -> None:
    code = "import artgan; print(artgan.__file__); print(*sorted(p.name for p in artgan.list_presets()))"
    where, names = in_wheel(installed, code, tmp_path).splitlines()
    assert Path(where).is_relative_to(installed)
    assert names.split() == sorted(path.stem for path in (ROOT / "presets").glob("*.toml"))


def test_the_checkout_uses_its_own_presets() -> None:
    """An editable install keeps an old copy inside the package; the checkout's folder must win."""
    import artgan

    assert {preset.path.parent for preset in artgan.list_presets()} == {ROOT / "presets"}


def test_the_wheel_carries_what_it_should(installed: Path) -> None:
    assert (installed / "artgan" / "py.typed").is_file()
    for name in ("encoder", "stylist"):
        assert (installed / "artgan" / "models" / f"{name}.safetensors").is_file()
    (metadata,) = installed.glob("artgan-*.dist-info")
    assert "artgan = artgan.cli.main:main" in (metadata / "entry_points.txt").read_text()
    assert list(metadata.rglob("LICENSE"))
    assert {path.name for path in installed.iterdir()} == {"artgan", metadata.name}
