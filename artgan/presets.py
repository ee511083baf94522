"""Presets: files of settings, those that come with artgan and those of the user.

Order of precedence: defaults < preset < `--set section.key=value` < flag.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from artgan.config import Settings, validated, with_overrides
from artgan.errors import SettingError

MAX_PRESET_BYTES = 1 << 15
"""Ours take one or two KiB. Hostile TOML takes quadratic time: 5 seconds for this much, 25 for twice."""


class Preset(NamedTuple):
    """A named file of settings."""

    name: str
    title: str
    description: str
    path: Path
    values: dict[str, Any]


def preset_folder() -> Path:
    """Where artgan's own presets are: the checkout's `presets/`, or the copy inside an installed package."""
    package = Path(__file__).parent
    checkout = package.parent / "presets"
    # An editable install keeps an old copy inside the package, so the checkout comes first.
    return checkout if (package.parent / "pyproject.toml").is_file() and checkout.is_dir() else package / "_presets"


def list_presets() -> list[Preset]:
    """All presets that come with artgan, by name."""
    return [read_preset(path) for path in sorted(preset_folder().glob("*.toml"))]


def find_preset(name: str) -> Preset:
    """The preset called `name`: a path, `./NAME.toml`, or one that comes with artgan.

    Raises:
        SettingError: there is none of that name, or the file is not a preset.
    """
    for candidate in (Path(name), Path(f"{name}.toml"), preset_folder() / f"{name}.toml"):
        if candidate.suffix == ".toml" and candidate.is_file():
            return read_preset(candidate)
    known = [path.stem for path in sorted(preset_folder().glob("*.toml"))]
    near = difflib.get_close_matches(name, known, n=1)
    raise SettingError(
        f"There is no preset {name!r}.",
        f"Did you mean {near[0]!r}?" if near else f"Known presets: {', '.join(known)}; or give a path to a .toml file.",
    )


def read_preset(path: Path) -> Preset:
    """Read one preset file and check its keys.

    Raises:
        SettingError: it is not TOML, or a key or value in it is wrong.
    """
    try:
        values = _read_toml(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError(
            f"The preset {path} cannot be read: {reason}.", "Compare it with `artgan presets show`."
        ) from error
    title, description = values.pop("title", path.stem), values.pop("description", "")
    if not isinstance(title, str) or not isinstance(description, str):
        raise SettingError(f"In preset {path}, title and description must be text.", "Put them in quotes.")
    validated(values, where=f"preset {path}")
    return Preset(path.stem, title, description, path, values)


def _read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says; everything wrong with its content is a ValueError."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is not a file")
    if path.stat().st_size > MAX_PRESET_BYTES:
        raise ValueError(f"it is larger than {MAX_PRESET_BYTES >> 10} KiB")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def resolve(preset: str | None, overrides: Mapping[str, object], flags: Mapping[str, object] | None = None) -> Settings:
    """Settings from defaults, a preset, `section.key` overrides and flags (flags that are None are left out).

    Raises:
        SettingError: a key does not exist (the nearest is named) or a value does not fit.
    """
    values = find_preset(preset).values if preset else {}
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    return validated(with_overrides(values, {**overrides, **given}))
