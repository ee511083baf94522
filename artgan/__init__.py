"""artgan: from a messy folder of pictures to finished generative art.

    >>> import artgan
    >>> artgan.curate("messy", "paintings")
    >>> artgan.train("paintings", preset="studio64", minutes=10)
    >>> artgan.sample(seeds="0-15", out="sheet.png")
    >>> artgan.stylize("photo.jpg", "painting.jpg")

Every command of the command line is a function here, with the same words. Importing this module is cheap: torch is
imported when the first function is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "ArtganError": "artgan.errors",
    "CurationReport": "artgan.curation.report",
    "Engine": "artgan.engine.device",
    "LoadedGenerator": "artgan.models.trained",
    "ProgressResult": "artgan.training.film",
    "SampleResult": "artgan.latent.sample",
    "ScoreResult": "artgan.metrics.score",
    "Settings": "artgan.config",
    "StylizeResult": "artgan.style.stylize",
    "TrainResult": "artgan.training.session",
    "again": "artgan.remake",
    "curate": "artgan.curation.curate",
    "diagnose": "artgan.engine.doctor",
    "get_weights": "artgan.engine.weights",
    "list_presets": "artgan.presets",
    "list_runs": "artgan.engine.storage",
    "list_weights": "artgan.engine.weights",
    "load": "artgan.models.trained",
    "paint": "artgan.data.painters",
    "paint_collection": "artgan.data.painters",
    "progress": "artgan.training.film",
    "read_recipe": "artgan.engine.images",
    "resume": "artgan.training.train",
    "sample": "artgan.latent.sample",
    "score": "artgan.metrics.score",
    "stylize": "artgan.style.stylize",
    "train": "artgan.training.train",
}

__all__ = [*_LAZY, "__version__"]  # noqa: PLE0604 - the names are literal above

if TYPE_CHECKING:
    from artgan.config import Settings as Settings
    from artgan.curation.curate import curate as curate
    from artgan.curation.report import CurationReport as CurationReport
    from artgan.data.painters import paint as paint
    from artgan.data.painters import paint_collection as paint_collection
    from artgan.engine.device import Engine as Engine
    from artgan.engine.doctor import diagnose as diagnose
    from artgan.engine.images import read_recipe as read_recipe
    from artgan.engine.storage import list_runs as list_runs
    from artgan.engine.weights import get_weights as get_weights
    from artgan.engine.weights import list_weights as list_weights
    from artgan.errors import ArtganError as ArtganError
    from artgan.latent.sample import SampleResult as SampleResult
    from artgan.latent.sample import sample as sample
    from artgan.metrics.score import ScoreResult as ScoreResult
    from artgan.metrics.score import score as score
    from artgan.models.trained import LoadedGenerator as LoadedGenerator
    from artgan.models.trained import load as load
    from artgan.presets import list_presets as list_presets
    from artgan.remake import again as again
    from artgan.style.stylize import StylizeResult as StylizeResult
    from artgan.style.stylize import stylize as stylize
    from artgan.training.film import ProgressResult as ProgressResult
    from artgan.training.film import progress as progress
    from artgan.training.session import TrainResult as TrainResult
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
