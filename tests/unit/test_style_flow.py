"""Motion between frames: found where it is known, believed where it may be, and nowhere else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from artgan.engine.feeding import Frame
from artgan.style.flow import motion_between
from tests.conftest import painted


def textured(height: int = 72, width: int = 96, seed: int = 0) -> Frame:
    return np.array(painted(seed, width, height).convert("RGB"))


def grain(frame: Frame) -> NDArray[np.float32]:
    """The same with something in it that moves with it: a result has other pixels than its content."""
    rng = np.random.default_rng(0)
    return (frame + rng.normal(0, 20, frame.shape)).astype(np.float32)


def test_what_stands_still_is_carried_to_the_last_bit() -> None:
    frame = textured()
    motion = motion_between(frame, frame)
    result = grain(frame)
    assert np.abs(motion.flow).max() < 1e-3
    assert motion.belief.min() == 1
    assert not motion.is_cut
    assert np.array_equal(motion.carried(result), result)


@pytest.mark.parametrize(("down", "across"), [(0, 3), (2, 0), (-2, -3)])
def test_a_pan_is_undone_and_what_comes_into_view_is_not_believed(down: int, across: int) -> None:
    wide = textured(100, 120)
    before, now = wide[10:82, 10:106], wide[10 + down : 82 + down, 10 + across : 106 + across]
    motion = motion_between(np.ascontiguousarray(before), np.ascontiguousarray(now))
    error = np.hypot(motion.flow[..., 0] - across, motion.flow[..., 1] - down)
    assert np.median(error) < 0.15
    old = np.ones((72, 96), bool)
    y, x = np.mgrid[:72, :96]
    old &= (y + down >= 0) & (y + down < 72) & (x + across >= 0) & (x + across < 96)
    assert motion.belief[~old].max() < 0.2
    assert motion.belief[old].mean() > 0.9
    assert not motion.is_cut


def test_what_was_hidden_is_not_believed() -> None:
    ground, thing = textured(), textured(seed=5)
    y, x = np.mgrid[:72, :96]
    frames = []
    for across in (30, 36):
        inside = (y - 36) ** 2 + (x - across) ** 2 < 16**2
        moved = np.roll(thing, across, 1)
        frames.append(np.where(inside[..., None], moved, ground).astype(np.uint8))
    motion = motion_between(*frames)
    was, now = ((y - 36) ** 2 + (x - across) ** 2 < 16**2 for across in (30, 36))
    uncovered = was & ~now
    far = (y - 36) ** 2 + (x - 33) ** 2 > 26**2
    assert motion.belief[uncovered].mean() < 0.35
    assert motion.belief[far].min() > 0.9
    assert np.abs(motion.flow[far]).max() < 0.3, "the ground does not move along"
    assert np.median(motion.flow[(y - 36) ** 2 + (x - 36) ** 2 < 10**2, 0]) == pytest.approx(-6, abs=0.5)


def test_another_scene_is_a_cut_and_a_brighter_one_too_much_is_not_believed() -> None:
    one = textured()
    rng = np.random.default_rng(1)
    other = rng.integers(0, 256, one.shape, dtype=np.uint8)
    assert motion_between(one, other).is_cut
    assert motion_between(np.zeros_like(one), np.full_like(one, 255)).is_cut


def test_the_smallest_and_narrow_frames_have_motion_too() -> None:
    for height, width in ((32, 32), (33, 400), (300, 32)):
        frame = textured(height, width)
        assert motion_between(frame, frame).belief.min() == 1
