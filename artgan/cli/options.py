"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str | None, typer.Option(help="auto, float32 or bf16.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Minutes = Annotated[float | None, typer.Option(help="Time budget; training ends cleanly when it is over.")]
RunsDir = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change any setting; may be repeated.")
]
TotalKimg = Annotated[float | None, typer.Option(help="Thousands of real pictures to show in all.")]
