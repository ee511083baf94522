"""One page that draws in a browser, opened as the file it is: the model, what carries it out, and controls.

`numbers.js` and `player.js` draw, in a Worker; `page.js` and `page.html.jinja` are what one sees. The page asks nothing
of any network, which its policy forbids.
"""

import base64
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import artgan
from artgan.engine.captions import BUCKETS
from artgan.engine.pages import short, template
from artgan.models.trained import LoadedGenerator
from artgan.sharing.plan import Plan, Step
from artgan.sharing.shipped import REACH

_HERE = Path(__file__).parent


def halved(plan: Plan) -> Plan:
    """The plan with its weights rounded to 16 bits, which makes a page half as large."""

    def rounded(step: Step) -> Step:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is seen by whoever compares
            weights = {name: value.astype(np.float16).astype(np.float32) for name, value in step.weights.items()}
        return dataclasses.replace(step, weights=weights)

    return Plan(tuple(map(rounded, plan.steps)))


def page_html(
    plan: Plan, half: bool, model: LoadedGenerator, directions: Mapping[str, torch.Tensor], title: str | None = None
) -> str:
    """The page of a model; the same model is the same page.

    Args:
        plan: its steps.
        half: whether its weights are halves, from `halved`.
        model: the generator.
        directions: those that get a slider.
        title: what to call it; None is the name of its run.
    """
    kind = np.dtype("<f2" if half else "<f4")
    weights = [step.weights[name] for step in plan.steps for name in sorted(step.weights)]  # as JSON sorts its keys
    width, height = model.settings.data.size
    told = {
        "run": model.run,
        "nimg": model.nimg,
        "artgan": artgan.__version__,
        "title": title or model.run,
        "classes": model.classes,
        "texts": model.texts,
        "takesText": model.takes_text,
        "sliders": list(directions),
        "size": [width, height],
    }
    network: dict[str, Any] = {
        "z_dim": model.settings.model.z_dim,
        "buckets": BUCKETS,
        "bytes": kind.itemsize,
        "steps": [_plain(step) for step in plan.steps],
    }
    return template(_HERE / "page.html.jinja", short=short).render(
        told=told,
        network=network,
        weights=base64.b64encode(b"".join(value.astype(kind).tobytes() for value in weights)).decode(),
        title=told["title"],
        size=(width, height),
        reach=REACH,
        factors=[factor for factor in (1, 2, 4, 8, 16, 32) if factor == 1 or factor * max(width, height) <= 2048],
        version=artgan.__version__,
        kimg=f"{model.nimg / 1000:,.4g}",
    )


def _plain(step: Step) -> dict[str, Any]:
    weights = {name: {"shape": step.weights[name].shape} for name in sorted(step.weights)}
    return {"kind": step.kind, "takes": step.takes, "gives": step.gives, "weights": weights, "numbers": step.numbers}
