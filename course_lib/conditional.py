"""Training of conditional GANs, and of GANs that find a code of their own (lesson 12).

    state = ConditionalState.create("projection", recipe, device)
    for record in train_conditional(state, images):
        print(record.step, record.losses)

As in `training`, everything random at step t is a function of (seed, t) alone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import losses
from course_lib.data import EpochSampler, ImageSet
from course_lib.models import conditional as models
from course_lib.recipes import Recipe
from course_lib.record_loop import recorded
from course_lib.training import Record, update_average

#: Where the class meets the image; "information" is the only one that needs no labels.
MEETINGS = ("concatenation", "projection", "auxiliary", "twin", "information")
#: Standard deviation of the Gaussian that the recogniser gives each dial.
DIAL_SPREAD = 0.5


def class_loss(kind_logits: Tensor, kinds: Tensor) -> Tensor:
    """The auxiliary classifier's loss: the mean of -log C(y | x) over the batch, in nats.

    Args:
        kind_logits: logits of the classes, (B, K).
        kinds: the classes that were asked for, or the labels of real images, int64 (B,).

    Returns:
        (), at least 0.

    Source: lesson 12, equation (12.8); Odena et al., 2017, section 3.
    """
    return F.cross_entropy(kind_logits, kinds)


def dial_loss(means: Tensor, dials: Tensor) -> Tensor:
    """The mean over the batch of -log Q(c | x) of all dials, Gaussians of one spread, in nats.

    Args:
        means: the recogniser's means, (B, J).
        dials: the values that the images were made with, (B, J).

    Returns:
        (); it may be negative, because it is a density's logarithm. 0 if there are no dials.

    Source: lesson 12, equation (12.11); Chen et al., 2016, section 6.
    """
    constant = math.log(DIAL_SPREAD * math.sqrt(2 * math.pi))
    squares = ((means - dials) / DIAL_SPREAD).square() / 2
    return (squares + constant).sum(dim=1).mean()


def code_loss(seen: models.Judgement, kinds: Tensor, dials: Tensor | None = None) -> Tensor:
    """Minus the mean of log Q(c | x) over a batch, of the class or code and of the dials, ()."""
    loss = class_loss(seen.kinds.float(), kinds)
    return loss if dials is None else loss + dial_loss(seen.dials.float(), dials)


def information_bound(kind_logits: Tensor, kinds: Tensor) -> float:
    """A lower bound on the mutual information of image and categorical code, in nats.

    Args:
        kind_logits: the recogniser's logits, (N, K).
        kinds: the codes that the images were made with, drawn uniformly, int64 (N,).

    Returns:
        log K + mean of log Q(c | x), at most log K. Below zero for a recogniser that is worse
        than no recogniser.

    Source: lesson 12, equation (12.11); Chen et al., 2016, section 5.
    """
    return math.log(kind_logits.shape[1]) - float(class_loss(kind_logits.double(), kinds))


def _networks(meeting: str, recipe: Recipe, kinds: int, dials: int) -> tuple[nn.Module, nn.Module]:
    sizes = {"channels": recipe.channels, "size": recipe.size}
    judged = {**sizes, "width": recipe.discriminator_width or recipe.width, "norm": recipe.norm}
    # torch draws initial weights from its global generator, which is left as it was found.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator = models.Generator(
            recipe.latent, kinds, dials, width=recipe.width, depth=recipe.depth, **sizes
        )
        if meeting == "concatenation":
            return generator, models.ConcatenatingDiscriminator(kinds, **judged)
        if meeting == "projection":
            return generator, models.ProjectionDiscriminator(kinds, **judged)
        return generator, models.GuessingDiscriminator(kinds, dials, meeting == "twin", **judged)


@dataclass
class ConditionalState:
    """Two networks, their optimisers, the averaged generator, and how far training has come.

    Attributes:
        meeting: one of `MEETINGS`.
        kinds, dials: numbers K of classes or codes and J of continuous codes.
        weight: of the guesses in the discriminator's loss; nothing is guessed by the first two.
        push: of the guesses in the generator's loss.
    """

    recipe: Recipe
    device: torch.device
    meeting: str
    kinds: int
    dials: int
    weight: float
    push: float
    generator: models.Generator
    discriminator: nn.Module
    average: models.Generator
    generator_adam: torch.optim.Adam
    discriminator_adam: torch.optim.Adam
    step: int = 0
    seconds: float = 0.0
    history: list[Record] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        meeting: str,
        recipe: Recipe,
        device: torch.device,
        kinds: int = 10,
        dials: int = 0,
        weight: float = 1.0,
        push: float = 1.0,
    ) -> ConditionalState:
        """A state at step 0, on the device, with weights drawn from the recipe's seed.

        Raises:
            ValueError: for another meeting than one of `MEETINGS`, dials where nobody guesses
                them, and the penalties and groups of a recipe that this loop does not know.
        """
        if meeting not in MEETINGS:
            raise ValueError(f"expected one of {MEETINGS}, got {meeting!r}")
        if dials and meeting != "information":
            raise ValueError(f'dials need the meeting "information", got {meeting!r}')
        if recipe.r2 or recipe.slope_one or recipe.clip or recipe.initial != "fan-in":
            raise ValueError("expected a recipe with R1 as its only penalty and fan-in weights")
        if recipe.group:
            raise ValueError(
                f"expected a recipe without groups, got group={recipe.group}: these discriminators "
                "see one image and what it was asked to show"
            )
        generator, discriminator = _networks(meeting, recipe, kinds, dials)
        for network in (generator, discriminator):
            network.to(device, memory_format=torch.channels_last)

        def adam(network: nn.Module) -> torch.optim.Adam:
            return torch.optim.Adam(network.parameters(), recipe.rate, recipe.betas, fused=True)

        average = copy.deepcopy(generator).requires_grad_(False).eval()
        return cls(
            recipe,
            device,
            meeting,
            kinds,
            dials,
            weight,
            push,
            generator,
            discriminator,
            average,
            adam(generator),
            adam(discriminator),
        )

    @property
    def guesses(self) -> bool:
        """Whether the discriminator guesses the class or code instead of being told."""
        return self.meeting in ("auxiliary", "twin", "information")

    @torch.no_grad()
    def generate(self, z: Tensor, kinds: Tensor, dials: Tensor | None = None) -> Tensor:
        """Images of the averaged generator in evaluation mode: -> (B, C, size, size)."""
        return self.average(z, kinds, dials)


def train_conditional(
    state: ConditionalState, images: ImageSet, every: int = 50
) -> Iterator[Record]:
    """Train from where the state stands to the recipe's last step, and yield records.

    Args:
        state: changed in place.
        images: real images of the recipe's size and channels, with labels from 0 to K - 1 unless
            the meeting is "information", which looks at no label.
        every: steps between records; the last step always ends one.

    Yields:
        A `Record`, also appended to `state.history`.

    Raises:
        ValueError: if the images do not have the recipe's shape, or a label is too large.
        FloatingPointError: if a loss is no longer finite.
    """
    recipe, device = state.recipe, state.device
    expected = (recipe.channels, recipe.size, recipe.size)
    if tuple(images.images.shape[1:]) != expected:
        raise ValueError(
            f"expected images of shape {expected}, got {tuple(images.images.shape[1:])}"
        )
    if state.meeting != "information" and int(images.labels.max()) >= state.kinds:
        raise ValueError(f"expected labels below {state.kinds}, got {int(images.labels.max())}")
    images = images.near(device)
    sampler = EpochSampler(len(images), recipe.batch, recipe.seed)
    random = torch.Generator(device)

    def step() -> dict[str, Tensor]:
        random.manual_seed(recipe.seed * 1_000_003 + state.step)
        chosen = sampler.indices(state.step)
        real = images.batch(chosen, device)
        real = real.contiguous(memory_format=torch.channels_last)  # (B, C, H, W)
        labels = images.labels[chosen.to(images.labels.device)].to(device)  # (B,)
        return conditional_step(state, real, labels, random)

    yield from recorded(state, every, step, lambda: _training_mode(state))


def _training_mode(state: ConditionalState) -> None:
    """Undo `eval()`: whoever drew samples between two records may have left a network in it."""
    state.generator.train()
    state.discriminator.train()


def conditional_step(
    state: ConditionalState, real: Tensor, labels: Tensor, random: torch.Generator
) -> dict[str, Tensor]:
    """One step of both players on real images (B, C, H, W) in [-1, 1] with labels (B,).

    A class GAN generates the classes of the real batch, so that each pair of a real and a generated
    image is of one class. With "information" the codes are drawn, and no label is used.

    Returns:
        The two adversarial losses, the mean logits, and if the discriminator guesses the loss of
        its guesses of generated images as "code", all of shape () and without a graph.
    """
    recipe, generator, discriminator = state.recipe, state.generator, state.discriminator
    count, where = len(real), {"generator": random, "device": real.device}
    low = torch.autocast(state.device.type, torch.bfloat16, enabled=recipe.dtype == "bfloat16")
    rate = recipe.rate
    if recipe.decay == "linear":
        rate *= min(1.0, 2 * (1 - state.step / recipe.steps))
    for adam in (state.generator_adam, state.discriminator_adam):
        adam.param_groups[0]["lr"] = rate
    adversarial = losses.LOSSES[recipe.loss]

    z = torch.randn(count, recipe.latent, **where)  # (B, Z)
    kinds, dials = labels, None
    if state.meeting == "information":
        kinds = torch.randint(state.kinds, (count,), **where)  # (B,)
        dials = 2 * torch.rand(count, state.dials, **where) - 1  # (B, J), in [-1, 1]

    # 1. The discriminator, on images that are detached from the generator.
    with low:
        fake = generator(z, kinds, dials)  # (B, C, H, W)
        real_seen = discriminator(real, labels)
        fake_seen = discriminator(fake.detach(), kinds)
    real_logits = real_seen.logits.float()
    d_loss = adversarial.discriminator(real_logits, fake_seen.logits.float())
    total = d_loss
    if state.meeting in ("auxiliary", "information"):
        total = total + state.weight * code_loss(fake_seen, kinds, dials)
    if state.meeting in ("auxiliary", "twin"):
        total = total + state.weight * code_loss(real_seen, labels)
    if state.meeting == "twin":  # one classifier of real images alone, one of generated ones alone
        total = total + state.weight * class_loss(fake_seen.twin.float(), kinds)
    if recipe.r1 and state.step % recipe.r1_every == 0:
        inputs = real.detach().requires_grad_()
        slope = losses.squared_gradient_norm(discriminator(inputs, labels).logits, inputs)
        total = total + recipe.r1 / 2 * recipe.r1_every * slope
    state.discriminator_adam.zero_grad(set_to_none=True)
    total.backward()
    state.discriminator_adam.step()

    # 2. The generator, through a frozen discriminator.
    discriminator.requires_grad_(False)
    with low:
        seen = discriminator(fake, kinds)
    g_loss = adversarial.generator(seen.logits.float(), real_logits.detach())
    total = g_loss
    if state.guesses:
        code = code_loss(seen, kinds, dials)
        total = total + state.push * code
    if state.meeting == "twin":  # lesson 12, equation (12.9)
        total = total - state.push * class_loss(seen.twin.float(), kinds)
    state.generator_adam.zero_grad(set_to_none=True)
    total.backward()
    state.generator_adam.step()
    discriminator.requires_grad_(True)

    update_average(state)
    measured = {
        "discriminator": d_loss,
        "generator": g_loss,
        "real logit": real_logits.mean(),
        "fake logit": fake_seen.logits.float().mean(),
    }
    if state.guesses:
        measured["code"] = code
    return {name: value.detach() for name, value in measured.items()}
