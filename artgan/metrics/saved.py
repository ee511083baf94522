"""Statistics of a set of pictures in a file: ours, and the `mu` and `sigma` of pytorch-fid."""

import io
import zipfile
from pathlib import Path

import numpy as np
import torch

from artgan.engine.storage import atomic_write
from artgan.errors import DatasetError
from artgan.metrics.features import Seen
from artgan.metrics.frechet import Moments
from artgan.metrics.networks import FeatureNetwork


def write_statistics(path: Path, moments: Moments, seen: Seen | None, network: FeatureNetwork) -> None:
    """Write an .npz of mean, covariance, count, the name of the network and, where they are known, all features.

    Raises:
        StorageError: it cannot be written.
    """
    arrays = {"mu": moments.mean.numpy(), "sigma": moments.covariance.numpy(), "count": np.array(moments.count)}
    arrays["network"] = np.frombuffer(network.key.encode(), np.uint8)
    if seen is not None:
        arrays["values"] = seen.values.numpy()
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    atomic_write(path, buffer.getvalue())


def read_statistics(path: Path, network: FeatureNetwork) -> tuple[Moments, Seen | None]:
    """Read what `write_statistics` or pytorch-fid wrote; the latter does not tell its count, which is 0 then.

    Raises:
        DatasetError: it is missing or damaged, or made with another network.
    """
    hint = "Save it again with: artgan score --real FOLDER ... --save FILE.npz"
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            mean, covariance = (torch.from_numpy(arrays[name]).double() for name in ("mu", "sigma"))
            count = int(arrays["count"]) if "count" in arrays else 0
            made_with = arrays["network"].tobytes().decode() if "network" in arrays else None
            values = torch.from_numpy(arrays["values"]) if "values" in arrays else None
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist.", hint) from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise DatasetError(f"{path} holds no statistics of pictures.", hint) from error
    dim = network.dim
    told = f" (it says {made_with.partition(' ')[0]})" if made_with else ""
    if mean.shape != (dim,) or covariance.shape != (dim, dim) or (made_with and made_with != network.key):
        raise DatasetError(f"{path} was not made with the features {network.name}{told}.", "Choose its --features.")
    if not bool(mean.isfinite().all()) or not bool(covariance.isfinite().all()) or count < 0:
        raise DatasetError(f"{path} holds values that are not numbers.", hint)
    if values is None:
        return Moments(mean, covariance, count), None
    if values.shape != (count, dim) or values.dtype != torch.float32 or not bool(values.isfinite().all()) or count < 2:
        raise DatasetError(f"{path} holds no statistics of pictures.", hint)
    return Moments(mean, covariance, count), Seen(values, None, tuple(range(count)))
