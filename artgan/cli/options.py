"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Bends = Annotated[
    list[str] | None,
    typer.Option("--bend", metavar="LAYER:OP=VALUE", help="Bend a layer, such as 16:scale=1.4; may be repeated."),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str | None, typer.Option(help="auto, float32 or bf16.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Minutes = Annotated[float | None, typer.Option(help="Time budget; training ends cleanly when it is over.")]
RunsDir = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting; may be repeated.")
]
Sliders = Annotated[
    list[str] | None,
    typer.Option("--slider", metavar="NAME=VALUE", help="Move along a direction of artgan explore: warmth=2.5,3=-1."),
]
TotalKimg = Annotated[float | None, typer.Option(help="Thousands of real pictures to show in all.")]
