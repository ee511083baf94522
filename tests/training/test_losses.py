"""Every formula against numbers worked out by hand, and the penalties against gradients known in closed form."""

import math

import pytest
import torch

from artgan.training.losses import LOSSES, accuracy, gradient_penalty, interpolated_penalty

REAL = torch.tensor([2.0, -1.0])
GEN = torch.tensor([0.5, -3.0])


def sp(x: float) -> float:
    return math.log1p(math.exp(x))


EXPECTED = {
    # -log sigmoid(2), -log sigmoid(-1); -log(1 - sigmoid(0.5)), -log(1 - sigmoid(-3))
    "bce": ((sp(-2) + sp(1)) / 2 + (sp(0.5) + sp(-3)) / 2, (sp(-0.5) + sp(3)) / 2),
    # log(1 - sigmoid(0.5)), log(1 - sigmoid(-3))
    "minimax": ((sp(-2) + sp(1)) / 2 + (sp(0.5) + sp(-3)) / 2, -(sp(0.5) + sp(-3)) / 2),
    # ((2-1)^2 + (-1-1)^2)/2 = 2.5; (0.25 + 9)/2 = 4.625; G: (0.25 + 16)/2 = 8.125; all halved
    "lsgan": (0.5 * (2.5 + 4.625), 0.5 * 8.125),
    "wgan": (-1.25 - 0.5, 1.25),
    "wgan-gp": (-1.25 - 0.5, 1.25),
    # max(0, 1-2)=0, max(0, 1+1)=2; max(0, 1.5)=1.5, max(0, -2)=0
    "hinge": (1.0 + 0.75, 1.25),
    # pairs: 0.5-2 = -1.5, -3+1 = -2
    "rpgan": ((sp(-1.5) + sp(-2)) / 2, (sp(1.5) + sp(2)) / 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_the_hand_computed_value(name: str) -> None:
    expected_D, expected_G = EXPECTED[name]
    assert LOSSES[name].loss_D(REAL, GEN).item() == pytest.approx(expected_D, rel=1e-6)
    assert LOSSES[name].loss_G(REAL, GEN).item() == pytest.approx(expected_G, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_generator_has_a_lower_loss(name: str) -> None:
    """The gradient of G's loss pushes every generated logit up; D's pushes reals up and generated ones down."""
    real, gen = (torch.tensor([0.3, 0.6], requires_grad=True) for _ in range(2))
    (slope_G,) = torch.autograd.grad(LOSSES[name].loss_G(real.detach(), gen), gen)
    assert (slope_G < 0).all()
    slope_real, slope_gen = torch.autograd.grad(LOSSES[name].loss_D(real, gen), (real, gen))
    assert (slope_real < 0).all()
    assert (slope_gen > 0).all()


def test_minimax_saturates_where_bce_does_not() -> None:
    sure = torch.tensor([-20.0], requires_grad=True)  # D is sure that the picture is generated
    (minimax,) = torch.autograd.grad(LOSSES["minimax"].loss_G(sure, sure), sure)
    (bce,) = torch.autograd.grad(LOSSES["bce"].loss_G(sure, sure), sure)
    assert abs(minimax.item()) < 1e-8
    assert bce.item() == pytest.approx(-1, rel=1e-6)


def test_accuracy_has_its_boundary_where_the_loss_has_it() -> None:
    real, gen = torch.tensor([0.7, 0.3]), torch.tensor([0.2, 0.6])
    assert [a.item() for a in accuracy(LOSSES["bce"], real, gen)] == [1.0, 0.0]
    assert [a.item() for a in accuracy(LOSSES["lsgan"], real, gen)] == [0.5, 0.5]
    shifted = accuracy(LOSSES["wgan"], real + 100, gen + 100)  # only differences mean something: 0.7 > 0.2, 0.3 < 0.6
    assert [a.item() for a in shifted] == [0.5, 0.5]
    assert [a.item() for a in accuracy(LOSSES["rpgan"], real, gen - 1)] == [1.0, 1.0]


def test_gradient_penalty_of_a_linear_critic_is_its_squared_slope() -> None:
    slope = torch.tensor([3.0, 4.0])
    penalty = gradient_penalty(lambda x: x @ slope, torch.randn(5, 2))
    assert penalty.item() == pytest.approx(25.0)


def test_gradient_penalty_of_a_quadratic_critic() -> None:
    """D(x) = |x|^2 has gradient 2x, so the penalty is the mean of 4 |x|^2."""
    pictures = torch.randn(6, 3, 2, 2)
    expected = 4 * pictures.square().flatten(1).sum(1).mean()
    found = gradient_penalty(lambda x: x.square().flatten(1).sum(1), pictures)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_gradient_penalty_reaches_the_weights() -> None:
    """d/ds of s^2 |slope|^2 at s = 1 is 2 |slope|^2."""
    scale = torch.tensor(1.0, requires_grad=True)
    gradient_penalty(lambda x: scale * (x @ torch.tensor([3.0, 4.0])), torch.randn(2, 2)).backward()
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx(50.0)


def test_interpolated_penalty_of_a_linear_critic() -> None:
    """The gradient is (3, 4) everywhere: (5 - 1)^2."""
    real, gen, mix = torch.randn(4, 2), torch.randn(4, 2), torch.rand(4)
    penalty = interpolated_penalty(lambda x: x @ torch.tensor([3.0, 4.0]), real, gen, mix)
    assert penalty.item() == pytest.approx(16.0)


def test_interpolated_penalty_looks_between_the_pictures() -> None:
    """D(x) = |x|^2 / 2 has gradient x: with mix 0.25 between 4 and 8 it is 7, the penalty (7 - 1)^2."""
    real, gen = torch.tensor([[4.0]]), torch.tensor([[8.0]])
    penalty = interpolated_penalty(lambda x: x.square().sum(1) / 2, real, gen, torch.tensor([0.25]))
    assert penalty.item() == pytest.approx(36.0)


def test_interpolated_penalty_of_a_flat_critic_is_one_and_finite() -> None:
    scale = torch.tensor(0.0, requires_grad=True)
    penalty = interpolated_penalty(lambda x: scale * x.sum(1), torch.randn(3, 2), torch.randn(3, 2), torch.rand(3))
    penalty.backward()
    assert penalty.item() == pytest.approx(1.0, abs=1e-4)
    assert scale.grad is not None
    assert torch.isfinite(scale.grad)
