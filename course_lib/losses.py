"""The adversarial losses, each a function of logits (lessons 07, 08 and 09).

D(x) = sigmoid(logit) is the discriminator's probability that x is real. The logarithmic losses are
written with softplus, softplus(a) = log(1 + exp(a)), which neither overflows nor loses digits
where log(sigmoid(a)) does: -log D = softplus(-a) and -log(1 - D) = softplus(a). For the other
losses the logit is a score without a probability; it is called a logit all the same.

`LOSSES` names the pairs of losses that `training.gan_step` can train with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The logarithmic loss of the discriminator, -log D(x) - log(1 - D(G(z))), in nats.

    Args:
        real_logits: logits of real images, (B,).
        fake_logits: logits of generated images, (B,); pass images detached from the generator.

    Returns:
        The mean over the batch, ().

    Source: lesson 09, equation (9.4); Goodfellow et al., 2014, equation 1.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """The non-saturating loss of the generator, -log D(G(z)), in nats.

    Args:
        fake_logits: logits of generated images, (B,).

    Returns:
        The mean over the batch, ().

    Source: lesson 09, equation (9.5); Goodfellow et al., 2014, section 3.
    """
    return F.softplus(-fake_logits).mean()


def saturating_loss(fake_logits: Tensor) -> Tensor:
    """The generator's loss of the minimax game, log(1 - D(G(z))), in nats.

    Args:
        fake_logits: logits of generated images, (B,).

    Returns:
        The mean over the batch, (); never above 0.

    Source: Goodfellow et al., 2014, equation 1; its slope: lesson 08, section 8.3.
    """
    return -F.softplus(fake_logits).mean()


def least_squares_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Half the squared distance of the logits from 1 (real) and from -1 (generated).

    Args:
        real_logits: logits of real images, (B,).
        fake_logits: logits of generated images, (B,); pass images detached from the generator.

    Returns:
        The sum of the two means over the batch, ().

    Source: lesson 08, equation (8.4) with a = -1 and b = 1; Mao et al., 2017.
    """
    return (real_logits - 1).square().mean() / 2 + (fake_logits + 1).square().mean() / 2


def least_squares_generator_loss(fake_logits: Tensor) -> Tensor:
    """Half the squared distance of the logits of generated images from 0, midway.

    Args:
        fake_logits: logits of generated images, (B,).

    Returns:
        The mean over the batch, ().

    Source: lesson 08, equation (8.4) with c = 0; Mao et al., 2017.
    """
    return fake_logits.square().mean() / 2


def critic_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The Wasserstein critic's loss: how much higher generated images score than real ones.

    It is unbounded below. Minus its least value over all functions of slope at most 1 is the
    Wasserstein distance, so the critic needs a constraint or a penalty beside it.

    Args:
        real_logits: scores of real images, (B,).
        fake_logits: scores of generated images, (B,); pass images detached from the generator.

    Returns:
        The difference of the two means, (), of either sign.

    Source: lesson 08, equation (8.11); Arjovsky et al., 2017, section 3.
    """
    return fake_logits.mean() - real_logits.mean()


def score_loss(fake_logits: Tensor) -> Tensor:
    """The generator's loss beside a Wasserstein or a hinge critic: minus the mean score.

    Args:
        fake_logits: scores of generated images, (B,).

    Returns:
        The mean over the batch, (), of either sign.

    Source: lesson 08, equations (8.11) and (8.17).
    """
    return -fake_logits.mean()


def hinge_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The hinge loss of the discriminator: real images should score above 1, others below -1.

    Args:
        real_logits: logits of real images, (B,).
        fake_logits: logits of generated images, (B,); pass images detached from the generator.

    Returns:
        The sum of the two means over the batch, (), at least 0.

    Source: lesson 08, equation (8.17); Lim and Ye, 2017; Miyato et al., 2018.
    """
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def relativistic_loss(better_logits: Tensor, worse_logits: Tensor) -> Tensor:
    """The relativistic pairing loss, -log sigmoid(better - worse), in nats.

    The discriminator minimises it with real images as the better and generated ones as the worse
    of each pair; the generator minimises it with the two exchanged.

    Args:
        better_logits: logits of the images that should score higher, (B,).
        worse_logits: logits of the images that should score lower, (B,).

    Returns:
        The mean over the pairs, ().

    Source: lesson 08, equation (8.19), and lesson 09, equation (9.9); Jolicoeur-Martineau, 2018,
        section 4; Huang et al., 2024.
    """
    return F.softplus(worse_logits - better_logits).mean()


def squared_gradient_norm(logits: Tensor, images: Tensor) -> Tensor:
    """The squared norm of the logit's gradient with respect to the image, averaged over the batch.

    R1 is gamma / 2 times this at real images. The graph is kept, so that it can be minimised. Where
    logits depend on other images too, the gradient is that of the sum of all logits.

    Args:
        logits: (B,), computed from `images`.
        images: (B, C, H, W) with `requires_grad`.

    Returns:
        mean over B of sum over C, H, W of (d logit / d image)^2, ().

    Raises:
        ValueError: if `images` does not require a gradient: the penalty would be an error later,
            or silently zero.

    Source: lesson 09, equation (9.10); Mescheder et al., 2018, equation 9.
    """
    if not images.requires_grad:
        raise ValueError("expected images that require a gradient: call images.requires_grad_()")
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor
) -> Tensor:
    """How far the critic's slope is from 1 between a real and a generated image, squared.

    Args:
        critic: images (B, C, H, W) -> scores (B,), each of its own image alone: no batch
            normalisation and no minibatch standard deviation.
        real: real images, (B, C, H, W).
        fake: as many generated images; the penalty does not reach the generator.
        mix: how much of the real image, in [0, 1], (B,); drawn uniformly by the caller.

    Returns:
        mean over B of (norm over C, H, W of d score / d image - 1)^2, (); the graph is kept.

    Source: lesson 08, equation (8.13); Gulrajani et al., 2017, section 4.
    """
    mix = mix.view(-1, 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


@dataclass(frozen=True)
class Adversarial:
    """The losses of both players.

    Attributes:
        discriminator: (real logits (B,), fake logits (B,)) -> ().
        generator: (fake logits (B,), real logits (B,)) -> (); most ignore the real ones.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]


def _alone(loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A generator's loss that takes no notice of the real images."""
    return lambda fake_logits, real_logits: loss(fake_logits)


LOSSES: dict[str, Adversarial] = {
    "non-saturating": Adversarial(discriminator_loss, _alone(generator_loss)),
    "saturating": Adversarial(discriminator_loss, _alone(saturating_loss)),
    "least-squares": Adversarial(
        least_squares_discriminator_loss, _alone(least_squares_generator_loss)
    ),
    "wasserstein": Adversarial(critic_loss, _alone(score_loss)),
    "hinge": Adversarial(hinge_loss, _alone(score_loss)),
    "relativistic": Adversarial(relativistic_loss, relativistic_loss),
}
