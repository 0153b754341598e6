"""The smallest GAN: one real number, one generated number, a critic with one weight (lesson 08).

All real images are the number 0, all generated ones the number theta, and the discriminator's
logit at x is psi * x. What training does can then be drawn in a plane, and computed in advance.

Source: Mescheder, Geiger, Nowozin, "Which Training Methods for GANs do actually Converge?", 2018,
section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.losses import LOSSES, squared_gradient_norm


def _generator_slope(loss: str, theta: Tensor, psi: Tensor) -> Tensor:
    """The slope of the generator's loss in theta, ()."""
    theta = theta.detach().requires_grad_()
    fake, real = psi * theta, torch.zeros_like(theta)  # logits
    return torch.autograd.grad(LOSSES[loss].generator(fake[None], real[None]), theta)[0]


def _discriminator_slope(
    loss: str, theta: Tensor, psi: Tensor, r1: float, r2: float, slope_one: float
) -> Tensor:
    """The slope of the discriminator's loss, with its penalties, in psi, ()."""
    psi = psi.detach().requires_grad_()
    d_loss = LOSSES[loss].discriminator((psi * 0)[None], (psi * theta)[None])
    for weight, place in ((r1, torch.zeros_like(theta)), (r2, theta)):
        if weight:
            inputs = place.view(1, 1, 1, 1).clone().requires_grad_()
            d_loss = d_loss + weight / 2 * squared_gradient_norm(psi * inputs.flatten(), inputs)
    if slope_one:
        d_loss = d_loss + slope_one * (psi.abs() - 1).square()
    return torch.autograd.grad(d_loss, psi)[0]


def simulate(
    loss: str,
    start: tuple[float, float],
    *,
    rate: float,
    steps: int,
    alternating: bool = True,
    r1: float = 0.0,
    r2: float = 0.0,
    slope_one: float = 0.0,
    clip: float = 0.0,
) -> Tensor:
    """Gradient descent of both players of the Dirac-GAN, with the library's own losses.

    Args:
        loss: a name in `losses.LOSSES`.
        start: theta and psi at the beginning.
        rate: learning rate of both.
        steps: how many.
        alternating: the generator answers the new discriminator; otherwise both move at once.
        r1, r2, slope_one, clip: as in `recipes.Recipe`; the penalties are taken at every step.

    Returns:
        theta and psi before each step and after the last, (steps + 1, 2), float64.

    Source: lesson 08, section 8.10.
    """
    theta, psi = torch.tensor(start, dtype=torch.float64)
    path = [torch.stack([theta, psi])]
    for _ in range(steps):
        old = psi
        psi = psi - rate * _discriminator_slope(loss, theta, psi, r1, r2, slope_one)
        if clip:
            psi = psi.clamp(-clip, clip)
        theta = theta - rate * _generator_slope(loss, theta, psi if alternating else old)
        path.append(torch.stack([theta, psi]))
    return torch.stack(path)
