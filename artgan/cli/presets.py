"""`artgan presets list` and `artgan presets show`."""

from typing import Annotated

import typer

from artgan.cli.options import Json
from artgan.cli.screen import give, give_json, give_table

app = typer.Typer(help="Ready-made settings.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the presets that come with artgan.

    Example: artgan presets list
    """
    from artgan.presets import list_presets

    found = list_presets()
    if as_json:
        give_json([preset._asdict() for preset in found])
    else:
        give_table(["preset", "for"], [[preset.name, f"{preset.title}. {preset.description}"] for preset in found])


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a preset, or a .toml file.")], as_json: Json = False
) -> None:
    """Show every setting of a preset, with the defaults it does not change.

    Example: artgan presets show studio64 > mine.toml
    """
    from artgan.config import to_toml, validated
    from artgan.presets import find_preset

    preset = find_preset(name)
    settings = validated(preset.values)
    if as_json:
        give_json({"title": preset.title, "description": preset.description, **settings.model_dump(mode="json")})
    else:
        give(to_toml(settings, title=preset.title, description=preset.description).rstrip())
