"""How things move from one frame of a film to the next, and how far that can be believed.

Optical flow is OpenCV's DIS (Kroeger et al. 2016, dense inverse search with variational refinement): a well-kept
library, Apache 2.0, which takes about 0.1 s a frame of 1024 pixels on one core and is exact to a tenth of a pixel where
there is texture. An estimate of our own at low resolution would cost as much in torch, and lose small things that move.

The check forward and backward and the one at borders of motion are those of Sundaram et al. 2010, as Ruder et al. 2016
use them to style films; a third one looks at the colours themselves.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from artgan.engine.feeding import Frame

_ALIKE = 0.1  # of black to white: colours that differ more, in the mean of 3 x 3 pixels, are not of one thing
_STILL, _BETTER = 0.03, 1 / 255  # where 5 x 5 pixels differ by less, and by so much less than moved, nothing has moved
_FADE = 1.0  # pixels over which belief fades beside what is not believed
_STEEP = 0.02  # the squared gradient that a flow may have where nothing moves; ten times that of Ruder et al.
_CUT = 0.25  # of the frame: where less is believed, another scene has begun


@dataclass(frozen=True)
class Motion:
    """Where a frame comes from.

    Attributes:
        flow: (H, W, 2), from each pixel to where it was in the frame before, in pixels across and down.
        belief: (H, W) in [0, 1], how far that is to be trusted; 0 for what was hidden or outside.
        guess: (H, W) in [0, 1], the same where borders of motion count too: good enough to begin with.
    """

    flow: NDArray[np.float32]
    belief: NDArray[np.float32]
    guess: NDArray[np.float32]

    @property
    def is_cut(self) -> bool:
        """Whether there is so little to go on that another scene has begun."""
        return float(self.belief.mean()) < _CUT

    def carried(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """What was seen in the frame before, (H, W, C), as it lies in this one; between pixels it is bicubic."""
        return _taken(picture, self.flow, cv2.INTER_CUBIC)


def motion_between(before: Frame, now: Frame) -> Motion:
    """The motion from a frame (H, W, 3) to the next."""
    old, new = (np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in (before, now))
    flow, there = _flow(new, old), _flow(old, new)
    # Flow is smooth, and so what moves draws along the border of what does not.
    still = _unlike(before, now, np.zeros_like(flow), 5)
    stays = (still < _STILL) & (still < _unlike(before, now, flow, 5) - _BETTER)
    flow = np.where(stays[..., None], np.float32(0), flow)
    back = _taken(there, flow, cv2.INTER_LINEAR)
    lengths = np.square(flow).sum(-1) + np.square(back).sum(-1)
    alike = _inside(flow) & (_unlike(before, now, flow, 3) <= _ALIKE)
    found = alike & ((np.square(flow + back).sum(-1) <= 0.01 * lengths + 0.5) | stays)
    believed = found & ((_steepness(flow) <= 0.01 * np.square(flow).sum(-1) + _STEEP) | stays)
    belief = np.minimum(believed, np.clip(2 * _blurred(believed) - 1, 0, 1))
    return Motion(flow, belief, np.maximum(belief, _blurred(found)))


def _blurred(where: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(where.astype(np.float32), (0, 0), _FADE), np.float32)


def _flow(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.float32]:
    """From each pixel of a grey picture to where it is in another, (H, W, 2)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*source.shape, 2), np.float32)
    return np.asarray(search.calc(source, target, start), np.float32)


def _taken(values: NDArray[np.float32], flow: NDArray[np.float32], way: int) -> NDArray[np.float32]:
    """Values (H, W, C) from where the flow leads; what lies outside is what the border shows."""
    across, down = _places(flow)
    return np.asarray(cv2.remap(values, across, down, way, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _unlike(before: Frame, now: Frame, flow: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """How much colours differ from where they are said to come from, (H, W) in [0, 1], mean of squares of `side`."""
    carried = _taken(before.astype(np.float32), flow, cv2.INTER_LINEAR)
    difference = np.abs(carried - now.astype(np.float32)).max(-1) / np.float32(255)
    return np.asarray(cv2.blur(difference, (side, side)), np.float32)


def _places(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    down, across = np.indices(flow.shape[:2], np.float32)
    return across + flow[..., 0], down + flow[..., 1]


def _inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    (height, width), (across, down) = flow.shape[:2], _places(flow)
    # To the edge of the outermost pixels, not to their middle.
    beyond = np.maximum(np.abs(across - (width - 1) / 2) - width / 2, np.abs(down - (height - 1) / 2) - height / 2)
    return np.asarray(beyond <= 0, np.bool_)


def _steepness(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """The squared length of the flow's gradient."""
    down, across = np.gradient(flow, axis=(0, 1))
    return np.asarray(np.square(down).sum(-1) + np.square(across).sum(-1), np.float32)
