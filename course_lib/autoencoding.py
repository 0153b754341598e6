"""Training and measuring autoencoders and VAEs (lesson 06).

for record in train(model, negative_elbo, images, steps=900):
    print(record.step, record.losses)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from course_lib import elbo
from course_lib.data import EpochSampler, ImageSet
from course_lib.models.vae import VAE
from course_lib.training import Record

#: Differences before squares: a distance between near points keeps its digits.
EXACT = "donot_use_mm_for_euclid_dist"
#: From a model, images (B, C, H, W) in [-1, 1] and a source of noise to means over the batch, each
#: (); "loss" is what training descends.
Loss = Callable[[nn.Module, Tensor, torch.Generator], dict[str, Tensor]]


def squared_error(model: nn.Module, images: Tensor, random: torch.Generator) -> dict[str, Tensor]:
    """The autoencoder's loss: squared error of the reconstruction, summed over the pixels.

    Args:
        model: from images (B, C, H, W) to reconstructions of the same shape.
        images: (B, C, H, W).
        random: not used; other losses need it.

    Source: lesson 06, equation (6.1).
    """
    return {"loss": (model(images) - images).square().flatten(1).sum(dim=1).mean()}


def negative_elbo(
    model: VAE, images: Tensor, random: torch.Generator, beta: float = 1.0
) -> dict[str, Tensor]:
    """The VAE's loss, and the two things that it weighs against each other.

    Returns:
        "loss", minus the evidence lower bound in nats; "rate", the KL divergence in nats; and
        "distortion", the squared error summed over the pixels. Means over the batch, ().

    Source: lesson 06, equations (6.5) and (6.10).
    """
    noise = torch.randn(len(images), model.latent, generator=random, device=images.device)
    means, mean, log_variance = model(images, noise)
    bound = elbo.elbo(images, means, mean, log_variance, model.log_sigma, beta)
    return {
        "loss": -bound.mean(),
        "rate": elbo.gaussian_kl(mean, log_variance).mean(),
        "distortion": (means - images).square().flatten(1).sum(dim=1).mean(),
    }


def train(
    model: nn.Module,
    loss: Loss,
    images: ImageSet,
    *,
    steps: int,
    batch: int = 128,
    rate: float = 2e-3,
    seed: int = 0,
    every: int = 50,
) -> Iterator[Record]:
    """Train a model with Adam, the learning rate falling to zero on a straight line.

    Everything random at step t is a function of (seed, t).

    Args:
        model: changed in place; its device is the one that is used.
        loss: `squared_error`, `negative_elbo` or one like them.
        images: training images of the model's size.
        steps: training steps.
        batch: images a step.
        rate: learning rate at the first step.
        seed: of the order of images and of the noise.
        every: steps between records; the last step always ends one.

    Yields:
        A `Record` whose losses are means over the steps since the last one.

    Raises:
        FloatingPointError: if the loss is no longer finite.
    """
    device = next(model.parameters()).device
    images, sampler = images.to(device), EpochSampler(len(images), batch, seed)
    random = torch.Generator(device)
    weights = [one for one in model.parameters() if one.requires_grad]
    adam = torch.optim.Adam(weights, rate, fused=True)
    sums: dict[str, Tensor] = {}
    start, seconds, last = time.perf_counter(), 0.0, 0
    model.train()
    for step in range(steps):
        random.manual_seed(seed * 1_000_003 + step)
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        inputs = images.batch(sampler.indices(step).to(device))  # (B, C, H, W)
        found = loss(model, inputs, random)
        adam.zero_grad(set_to_none=True)
        found["loss"].backward()
        adam.step()
        # Sums stay on the device: reading a number every step would make a GPU wait.
        sums = {name: sums.get(name, 0) + value.detach() for name, value in found.items()}
        done = step + 1
        if done % every == 0 or done == steps:
            means = {name: float(total) / (done - last) for name, total in sums.items()}
            spent = time.perf_counter() - start
            seconds += spent
            if not all(math.isfinite(value) for value in means.values()):
                raise FloatingPointError(
                    f"the loss is no longer finite at step {done}: {means}. "
                    "Lower the learning rate."
                )
            yield Record(done, done * batch, seconds, (done - last) * batch / spent, means)
            model.train()
            sums, last, start = {}, done, time.perf_counter()


@torch.no_grad()
def evaluate(
    model: nn.Module, loss: Loss, images: ImageSet, *, seed: int = 0, batch: int = 500
) -> dict[str, float]:
    """Means of a loss and its parts over a set of images, with the weights left as they are.

    Args:
        model: put into evaluation mode, and left there.
        loss: as for `train`.
        images: the images, on any device; each is used once.
        seed: of the noise.
        batch: images at a time, which bounds the memory.
    """
    device = next(model.parameters()).device
    images, random = images.to(device), torch.Generator(device).manual_seed(seed)
    model.eval()
    sums: dict[str, float] = {}
    for indices in torch.arange(len(images)).split(batch):
        found = loss(model, images.batch(indices), random)
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(indices)
    return {name: total / len(images) for name, total in sums.items()}


@torch.no_grad()
def encode(model: VAE, images: ImageSet, batch: int = 500) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of q(z|x) for each image, on the CPU: (N, Z) each.

    Args:
        model: put into evaluation mode, and left there.
        images: the images, on any device.
        batch: images at a time, which bounds the memory.
    """
    device = next(model.parameters()).device
    images = images.to(device)
    model.eval()
    parts = [
        model.encode(images.batch(indices)) for indices in torch.arange(len(images)).split(batch)
    ]
    mean, log_variance = (torch.cat(columns).cpu() for columns in zip(*parts, strict=True))
    return mean, log_variance


def hole_share(codes: Tensor, fresh: Tensor, points: Tensor, usual: float = 0.99) -> float:
    """Share of points in latent space that lie where no code is near, 0 to 1.

    Near is what is usual among codes: the distance to the nearest code within which all but one
    per cent of fresh codes have one. Fresh codes themselves so have a share of 0.01.

    Args:
        codes: codes of images, (N, Z).
        fresh: codes of other images, (M, Z).
        points: the points to judge, (P, Z).
        usual: the share of fresh codes that have a code near.

    Source: lesson 06, section 6.2.
    """
    reach = torch.quantile(_to_nearest(fresh, codes), usual)
    return float((_to_nearest(points, codes) > reach).double().mean())


def _to_nearest(points: Tensor, codes: Tensor) -> Tensor:
    """Distance of each point to the nearest code: (P, Z), (N, Z) -> (P,)."""
    # In parts: the table of all distances would not fit into memory.
    return torch.cat(
        [torch.cdist(part, codes, compute_mode=EXACT).amin(dim=1) for part in points.split(500)]
    )
