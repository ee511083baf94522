"""What the self-contained pages share: templates in which no name can become markup, and names cut short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

LONGEST = 160
"""Letters of a name; its middle is left out of a longer one, for a zip may hold names of 65,535."""


def template(path: Path, **filters: Callable[..., Any]) -> Template:
    """The Jinja template at `path`, with filters by name; user text comes out escaped and visible."""
    folder = FileSystemLoader(path.parent)
    house = Environment(loader=folder, autoescape=True, finalize=visible, undefined=StrictUndefined, trim_blocks=True)
    house.filters |= filters
    return house.get_template(path.name)


def short(text: str, most: int = LONGEST) -> str:
    """A name without its middle where it is longer than `most`: beginning and end tell more."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def visible(value: object) -> object:
    """Text with what cannot be seen or spelt written out, so that a name can neither hide nor turn around the rest."""
    if isinstance(value, str) and not hasattr(value, "__html__") and not value.isprintable():
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return value
