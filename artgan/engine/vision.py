"""The one door to torchvision."""

import importlib
import sys
from types import ModuleType

import torch

from artgan.errors import WeightsError

_operators: list[torch.library.Library] = []  # a library's definitions live as long as the object


def torchvision() -> ModuleType:
    """The torchvision package, also where its compiled half does not fit the installed torch.

    PyPI's Linux wheels of torchvision are built for the CUDA torch of the same release. Over a CPU-only torch the
    import stops at `torchvision::nms`; with the schemas of its two operators defined, all of it works that is plain
    Python (models, transforms, utils). Its own picture reading stays off; artgan reads pictures with Pillow.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.append(library)
    return importlib.import_module("torchvision")


def torch_fidelity() -> ModuleType:
    """The torch_fidelity package, which needs torchvision.

    Raises:
        WeightsError: it is not installed.
    """
    torchvision()
    try:
        return importlib.import_module("torch_fidelity")
    except ModuleNotFoundError as error:
        raise WeightsError(
            "The package torch-fidelity, which knows the Inception of FID, is not installed.",
            "pip install 'artgan[fid]', or use --features artgan.",
        ) from error


def state() -> str:
    """In words: the version of torchvision and whether its compiled operators are there."""
    version = torchvision().__version__
    return f"{version}, its compiled operators are off (built for another torch)" if _operators else str(version)


def grid(pictures: torch.Tensor, columns: int, padding: int = 2) -> torch.Tensor:
    """Pictures (N, C, H, W) in [-1, 1] side by side as one (C, H', W'), white between them."""
    make_grid = torchvision().utils.make_grid
    picture: torch.Tensor = make_grid(pictures, nrow=columns, padding=padding, pad_value=1.0)
    return picture
