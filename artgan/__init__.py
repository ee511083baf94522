"""artgan: from a messy folder of pictures to finished generative art.

    >>> import artgan
    >>> artgan.curate("messy", "paintings")
    >>> artgan.train("paintings", preset="studio64", minutes=10)
    >>> artgan.sample(seeds="0-15", out="sheet.png")
    >>> artgan.walk("out.mp4", frames=120)
    >>> artgan.stylize("photo.jpg", "painting.jpg")

Every command of the command line is a function here, with the same words. Importing this module is cheap: torch is
imported when the first function is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "ArtganError": "artgan.errors",
    "BallotResult": "artgan.judging.judge",
    "BreedResult": "artgan.latent.breed",
    "CurationReport": "artgan.curation.report",
    "Engine": "artgan.engine.device",
    "ExploreResult": "artgan.latent.explore",
    "ExportResult": "artgan.sharing.export",
    "Generator": "artgan.latent.generator",
    "InterpretResult": "artgan.interpretation.interpret",
    "LoadedGenerator": "artgan.models.trained",
    "MixResult": "artgan.latent.mix",
    "PackResult": "artgan.sharing.pack",
    "ProgressResult": "artgan.training.film",
    "ProjectResult": "artgan.latent.project",
    "SampleResult": "artgan.latent.sample",
    "ScoreResult": "artgan.metrics.score",
    "Settings": "artgan.config",
    "StyleTrainResult": "artgan.style.style_train",
    "StylizeResult": "artgan.style.stylize",
    "TallyResult": "artgan.judging.tally",
    "TrainResult": "artgan.training.session",
    "WalkResult": "artgan.latent.walk",
    "again": "artgan.remake",
    "breed": "artgan.latent.breed",
    "curate": "artgan.curation.curate",
    "diagnose": "artgan.engine.doctor",
    "diagnose_team": "artgan.training.team",
    "explore": "artgan.latent.explore",
    "export": "artgan.sharing.export",
    "export_textbook": "artgan.curation.textbook",
    "forget_direction": "artgan.latent.sliders",
    "get_weights": "artgan.engine.weights",
    "interpret": "artgan.interpretation.interpret",
    "judge": "artgan.judging.judge",
    "list_directions": "artgan.latent.sliders",
    "list_presets": "artgan.presets",
    "list_runs": "artgan.engine.storage",
    "list_weights": "artgan.engine.weights",
    "load": "artgan.models.trained",
    "mix": "artgan.latent.mix",
    "name_direction": "artgan.latent.sliders",
    "pack": "artgan.sharing.pack",
    "paint": "artgan.data.painters",
    "paint_collection": "artgan.data.painters",
    "progress": "artgan.training.film",
    "project": "artgan.latent.project",
    "read_recipe": "artgan.engine.images",
    "resume": "artgan.training.train",
    "sample": "artgan.latent.sample",
    "score": "artgan.metrics.score",
    "style_train": "artgan.style.style_train",
    "stylize": "artgan.style.stylize",
    "tally": "artgan.judging.tally",
    "train": "artgan.training.train",
    "walk": "artgan.latent.walk",
}

__all__ = [*_LAZY, "__version__"]  # noqa: PLE0604 - the names are literal above

if TYPE_CHECKING:
    from artgan.config import Settings as Settings
    from artgan.curation.curate import curate as curate
    from artgan.curation.report import CurationReport as CurationReport
    from artgan.curation.textbook import export_textbook as export_textbook
    from artgan.data.painters import paint as paint
    from artgan.data.painters import paint_collection as paint_collection
    from artgan.engine.device import Engine as Engine
    from artgan.engine.doctor import diagnose as diagnose
    from artgan.engine.images import read_recipe as read_recipe
    from artgan.engine.storage import list_runs as list_runs
    from artgan.engine.weights import get_weights as get_weights
    from artgan.engine.weights import list_weights as list_weights
    from artgan.errors import ArtganError as ArtganError
    from artgan.interpretation.interpret import InterpretResult as InterpretResult
    from artgan.interpretation.interpret import interpret as interpret
    from artgan.judging.judge import BallotResult as BallotResult
    from artgan.judging.judge import judge as judge
    from artgan.judging.tally import TallyResult as TallyResult
    from artgan.judging.tally import tally as tally
    from artgan.latent.breed import BreedResult as BreedResult
    from artgan.latent.breed import breed as breed
    from artgan.latent.explore import ExploreResult as ExploreResult
    from artgan.latent.explore import explore as explore
    from artgan.latent.generator import Generator as Generator
    from artgan.latent.mix import MixResult as MixResult
    from artgan.latent.mix import mix as mix
    from artgan.latent.project import ProjectResult as ProjectResult
    from artgan.latent.project import project as project
    from artgan.latent.sample import SampleResult as SampleResult
    from artgan.latent.sample import sample as sample
    from artgan.latent.sliders import forget_direction as forget_direction
    from artgan.latent.sliders import list_directions as list_directions
    from artgan.latent.sliders import name_direction as name_direction
    from artgan.latent.walk import WalkResult as WalkResult
    from artgan.latent.walk import walk as walk
    from artgan.metrics.score import ScoreResult as ScoreResult
    from artgan.metrics.score import score as score
    from artgan.models.trained import LoadedGenerator as LoadedGenerator
    from artgan.models.trained import load as load
    from artgan.presets import list_presets as list_presets
    from artgan.remake import again as again
    from artgan.sharing.export import ExportResult as ExportResult
    from artgan.sharing.export import export as export
    from artgan.sharing.pack import PackResult as PackResult
    from artgan.sharing.pack import pack as pack
    from artgan.style.style_train import StyleTrainResult as StyleTrainResult
    from artgan.style.style_train import style_train as style_train
    from artgan.style.stylize import StylizeResult as StylizeResult
    from artgan.style.stylize import stylize as stylize
    from artgan.training.film import ProgressResult as ProgressResult
    from artgan.training.film import progress as progress
    from artgan.training.session import TrainResult as TrainResult
    from artgan.training.team import diagnose_team as diagnose_team
    from artgan.training.train import resume as resume
    from artgan.training.train import train as train


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'artgan' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
