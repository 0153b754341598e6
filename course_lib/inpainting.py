"""Training networks to fill holes (lessons 13 and 14), as a generator of records.

    state = InpaintState.create(recipe, device)
    for record in train_inpainting(state, images):
        print(record.step, record.losses)
    composites = fill(state.average, images, masks)

As in `training`, everything random at step t is a function of (seed, t) alone: the holes too.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from course_lib import losses, runtime
from course_lib import masks as holes
from course_lib.data import EpochSampler, ImageSet
from course_lib.inpaint_losses import energy_loss, reconstruction_loss
from course_lib.inpaint_recipes import InpaintRecipe, build
from course_lib.models.inpainting import Critics
from course_lib.record_loop import recorded
from course_lib.training import Record, update_average


@dataclass
class InpaintState:
    """A network, its critics if it has any, their optimisers, the average, and the progress.

    The network is called `generator`, as in `training.GanState`.
    """

    recipe: InpaintRecipe
    device: torch.device
    generator: nn.Module
    critics: Critics | None
    average: nn.Module
    generator_adam: torch.optim.Adam
    critics_adam: torch.optim.Adam | None
    step: int = 0
    seconds: float = 0.0
    history: list[Record] = field(default_factory=list)

    @classmethod
    def create(
        cls, recipe: InpaintRecipe, device: torch.device, network: nn.Module | None = None
    ) -> InpaintState:
        """A state at step 0, on the device.

        Args:
            recipe: what to train, and how.
            device: where.
            network: to begin with, such as one that was trained without critics; if None, a fresh
                one with weights drawn from the recipe's seed. It is changed by the training.
        """
        generator, critics = build(recipe)
        generator = generator if network is None else network

        def placed(one: nn.Module) -> nn.Module:
            return one.to(device, memory_format=torch.channels_last)

        def adam(one: nn.Module, rate: float) -> torch.optim.Adam:
            return torch.optim.Adam(one.parameters(), rate, recipe.betas, fused=True)

        placed(generator).requires_grad_(True)
        average = copy.deepcopy(generator).requires_grad_(False).eval()
        return cls(
            recipe,
            device,
            generator,
            critics and placed(critics),
            average,
            adam(generator, recipe.rate),
            critics and adam(critics, recipe.critic_rate),
        )


def train_inpainting(state: InpaintState, images: ImageSet, every: int = 50) -> Iterator[Record]:
    """Train from where the state stands to the recipe's last step, and yield records.

    Between two records the state is consistent: it can be saved, used, or left.

    Args:
        state: changed in place.
        images: whole images of the recipe's size and channels, on any device.
        every: steps between records; the last step always ends one.

    Yields:
        A `training.Record`, also appended to `state.history`. Its losses are means: "loss", and
        with critics "discriminator", "generator", "real logit" and "fake logit".

    Raises:
        ValueError: if the images do not have the recipe's shape, or are fewer than a batch.
        FloatingPointError: if a loss is no longer finite.
    """
    recipe, device = state.recipe, state.device
    expected = (recipe.channels, recipe.size, recipe.size)
    if tuple(images.images.shape[1:]) != expected:
        raise ValueError(
            f"expected images of shape {expected}, got {tuple(images.images.shape[1:])}"
        )
    images = images.near(device)
    sampler = EpochSampler(len(images), recipe.batch, recipe.seed)
    random = torch.Generator(device)

    def step() -> dict[str, Tensor]:
        random.manual_seed(recipe.seed * 1_000_003 + state.step)
        whole = images.batch(sampler.indices(state.step), device)
        whole = whole.contiguous(memory_format=torch.channels_last)  # (B, C, H, W)
        masks = holes.draw(recipe.families, recipe.batch, recipe.size, recipe.size, random)
        return inpaint_step(state, whole, masks, random)

    yield from recorded(state, every, step, state.generator.train)


def inpaint_step(
    state: InpaintState, images: Tensor, masks: Tensor, random: torch.Generator
) -> dict[str, Tensor]:
    """One step of the network, and before it of its critics, on whole images and holes.

    Args:
        state: changed in place, but for its step.
        images: (B, C, H, W) in [-1, 1].
        masks: (B, 1, H, W), 1 for missing.
        random: source of the noise.

    Returns:
        The losses, and with critics the mean logits, as tensors of shape (), without a graph.
    """
    recipe = state.recipe
    low = torch.autocast(state.device.type, torch.bfloat16, enabled=recipe.dtype == "bfloat16")
    fall = min(1.0, 2 * (1 - state.step / recipe.steps)) if recipe.decay == "linear" else 1.0
    state.generator_adam.param_groups[0]["lr"] = recipe.rate * fall

    if recipe.noise:  # two answers to each image, in one pass
        z = torch.randn(2 * len(images), recipe.noise, generator=random, device=images.device)
        with low:
            both = state.generator(images.repeat(2, 1, 1, 1), masks.repeat(2, 1, 1, 1), z).float()
        answers, others = both.chunk(2)  # (B, C, H, W) each
        loss = energy_loss(answers, others, images, masks, recipe.spread)
    else:
        with low:
            answers = state.generator(images, masks).float()  # (B, C, H, W)
        loss = reconstruction_loss(answers, images, masks, recipe.loss, recipe.known)
    measured, total = {"loss": loss.detach()}, loss
    if state.critics is not None:
        filled = holes.composite(answers, images, masks)
        state.critics_adam.param_groups[0]["lr"] = recipe.critic_rate * fall
        real_logits, against = _critics_step(state, images, filled.detach(), masks, low)
        # The critics are frozen: gradients pass through them to the composite.
        critics = state.critics.requires_grad_(False)
        with low:
            logits = critics(filled, masks).float().flatten()  # (2 B,)
        towards = losses.LOSSES[recipe.gan].generator(logits, real_logits)
        total = loss + recipe.adversarial * towards
        measured |= against | {"generator": towards.detach()}
    state.generator_adam.zero_grad(set_to_none=True)
    total.backward()
    state.generator_adam.step()
    if state.critics is not None:
        state.critics.requires_grad_(True)
    update_average(state)
    return measured


def _critics_step(
    state: InpaintState, images: Tensor, filled: Tensor, masks: Tensor, low: torch.autocast
) -> tuple[Tensor, dict[str, Tensor]]:
    """One step of the critics; returns the real images' logits (2 B,) and what was measured."""
    recipe, critics = state.recipe, state.critics
    with low:
        real_logits = critics(images, masks).float().flatten()  # (2 B,): whole and square in turn
        fake_logits = critics(filled, masks).float().flatten()
    loss = losses.LOSSES[recipe.gan].discriminator(real_logits, fake_logits)
    total = loss
    if recipe.r1 and state.step % recipe.r1_every == 0:
        inputs = images.detach().requires_grad_()  # in float32, as in training.gan_step
        penalty = losses.squared_gradient_norm(critics(inputs, masks), inputs)
        total = total + recipe.r1 / 2 * recipe.r1_every * penalty
    state.critics_adam.zero_grad(set_to_none=True)
    total.backward()
    state.critics_adam.step()
    return real_logits.detach(), {
        "discriminator": loss.detach(),
        "real logit": real_logits.detach().mean(),
        "fake logit": fake_logits.detach().mean(),
    }


@torch.no_grad()
def fill(
    network: nn.Module,
    images: Tensor,
    masks: Tensor,
    z: Tensor | None = None,
    batch: int = 500,
) -> Tensor:
    """Composites of a network's answers, float32 on the CPU: (N, C, H, W) in [-1, 1].

    Args:
        network: one of `models.inpainting`; its mode is left as it is, so call `eval()` first.
        images: (N, C, H, W) in [-1, 1], on any device.
        masks: (N, 1, H, W), 1 for missing.
        z: noise (N, Z) for a network that takes it.
        batch: images at a time, which bounds the memory.

    Raises:
        MaskError: for masks of the wrong shape, type or device.
    """
    holes.check_shape(masks, images)
    device, parts = next(network.parameters()).device, []
    for indices in torch.arange(len(images)).split(batch):
        some = slice(int(indices[0]), int(indices[-1]) + 1)
        noise = None if z is None else z[some].to(device)
        answers = network(images[some].to(device), masks[some].to(device), noise)
        parts.append(holes.composite(answers.float().cpu(), images[some].cpu(), masks[some].cpu()))
    return torch.cat(parts)


def _rehearsal(recipe: InpaintRecipe, device: torch.device) -> Callable[[], None]:
    """A function that does one training step on black images with networks of its own."""
    state, random = InpaintState.create(recipe, device), torch.Generator(device)
    shape = (recipe.batch, recipe.channels, recipe.size, recipe.size)
    images = torch.full(shape, -1.0, device=device).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        masks = holes.draw(recipe.families, recipe.batch, recipe.size, recipe.size, random)
        inpaint_step(state, images, masks, random)
        state.step += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def faster_dtype(recipe: InpaintRecipe, device: torch.device) -> str:
    """The number format in which this machine trains this recipe faster, measured in seconds.

    Returns:
        "float32" or "bfloat16", for `InpaintRecipe.dtype`.
    """
    # More steps than are rehearsed, so that no learning rate falls below zero.
    longer = replace(recipe, steps=max(recipe.steps, 100))
    steps = {
        dtype: _rehearsal(replace(longer, dtype=str(dtype).removeprefix("torch.")), device)
        for dtype in (torch.float32, torch.bfloat16)
    }
    chosen = runtime.compute_dtype(device, lambda dtype: steps[dtype]())
    return str(chosen).removeprefix("torch.")


def steps_in(minutes: float, recipe: InpaintRecipe, device: torch.device) -> int:
    """How many steps of the recipe this machine does in so many minutes, measured for seconds."""
    step = _rehearsal(replace(recipe, decay="none"), device)
    for _ in range(3):  # the first steps pay for one-off set-up
        step()
    done, start = 0, time.perf_counter()
    while done < 3 or time.perf_counter() - start < min(4.0, 6 * minutes):
        step()
        done += 1
    return max(1, round(minutes * 60 * done / (time.perf_counter() - start)))
