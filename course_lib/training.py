"""The adversarial training loop of lesson 09, as a generator of records.

    state = GanState.create(recipe, device)
    for record in train_gan(state, images):
        print(record.step, record.losses)

Everything random at step t is a function of (seed, t) alone: no random state has to be saved for a
resumed training to equal an uninterrupted one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from course_lib import losses, runtime
from course_lib.data import EpochSampler, ImageSet
from course_lib.distributed import ALONE, World, spread
from course_lib.models import dcgan
from course_lib.recipes import Recipe


@dataclass(frozen=True)
class Record:
    """What happened since the last record; losses are means over those steps, in nats.

    Attributes:
        step: steps done since the start of training.
        images: real images seen since the start of training.
        seconds: time spent in training steps since the start, over all sittings.
        rate: images a second since the last record.
        losses: mean value by name: "discriminator", "generator", and the mean logits of real and
            generated images as "real logit" and "fake logit".
    """

    step: int
    images: int
    seconds: float
    rate: float
    losses: dict[str, float]


def _fresh_networks(recipe: Recipe) -> tuple[dcgan.Generator, dcgan.Discriminator]:
    sizes = {"channels": recipe.channels, "size": recipe.size}
    width = recipe.discriminator_width or recipe.width
    # torch draws initial weights from its global generator, which is left as it was found.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator = dcgan.Generator(recipe.latent, width=recipe.width, depth=recipe.depth, **sizes)
        discriminator = dcgan.Discriminator(
            width=width, norm=recipe.norm, group=recipe.group, **sizes
        )
        if recipe.initial == "paper":
            dcgan.initialise(generator)
            dcgan.initialise(discriminator)
    return generator, discriminator


@dataclass
class GanState:
    """Two networks, their optimisers, the averaged generator, and how far training has come.

    `distributed.spread` sets `world` and `wrapped` for training in several processes; `compiled`
    sets `wrapped` for training in one.
    """

    recipe: Recipe
    device: torch.device
    generator: dcgan.Generator
    discriminator: dcgan.Discriminator
    average: dcgan.Generator
    generator_adam: torch.optim.Adam
    discriminator_adam: torch.optim.Adam
    step: int = 0
    seconds: float = 0.0
    history: list[Record] = field(default_factory=list)
    world: World = ALONE
    wrapped: tuple[nn.Module, nn.Module] | None = None

    @classmethod
    def create(
        cls,
        recipe: Recipe,
        device: torch.device,
        networks: tuple[nn.Module, nn.Module] | None = None,
    ) -> GanState:
        """A state at step 0, on the device.

        Args:
            recipe: what to train, and how.
            device: where.
            networks: a generator (B, Z) -> (B, C, H, W) and a discriminator (B, C, H, W) -> (B,)
                of your own; if None, the DCGAN's with weights drawn from the recipe's seed.
        """
        generator, discriminator = networks or _fresh_networks(recipe)
        for network in (generator, discriminator):
            # Channels last in memory is the order that the fast convolution routines want.
            network.to(device, memory_format=torch.channels_last)

        def adam(network: nn.Module) -> torch.optim.Adam:
            return torch.optim.Adam(network.parameters(), recipe.rate, recipe.betas, fused=True)

        average = copy.deepcopy(generator).requires_grad_(False).eval()
        return cls(
            recipe,
            device,
            generator,
            discriminator,
            average,
            adam(generator),
            adam(discriminator),
        )

    @property
    def players(self) -> tuple[nn.Module, nn.Module]:
        """Generator and discriminator, compiled or with averaged gradients if they are wrapped."""
        return self.wrapped or (self.generator, self.discriminator)

    def compiled(self, backend: str = "inductor") -> GanState:
        """The same state, whose passes through both networks `torch.compile` translates first.

        Samples, averages and checkpoints are of the plain networks, which hold the weights.

        Args:
            backend: of `torch.compile`; the usual one needs a C++ compiler, on a GPU Triton.

        Raises:
            RuntimeSettingError: if the state is spread over several processes.
        """
        if self.world.size > 1:
            raise runtime.RuntimeSettingError(
                f"expected one process to compile the networks in, got {self.world.size}; "
                "leave out --compile"
            )
        compiling = (
            torch.compile(network, backend=backend)
            for network in (self.generator, self.discriminator)
        )
        return replace(self, wrapped=tuple(compiling))

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        """Images of the averaged generator in evaluation mode: (B, Z) -> (B, C, size, size)."""
        return self.average(z)


def train_gan(state: GanState, images: ImageSet, every: int = 50) -> Iterator[Record]:
    """Train from where the state stands to the recipe's last step, and yield records.

    Between two records the state is consistent: it can be saved, sampled from, or left.

    Args:
        state: changed in place.
        images: real images of the recipe's size and channels, on any device.
        every: steps between records; the last step always ends one.

    Yields:
        A `Record`, also appended to `state.history`.

    Raises:
        ValueError: if the images do not have the recipe's shape, are fewer than a batch, or a
            batch cannot be shared equally by the processes.
        FloatingPointError: if a loss is no longer finite.
    """
    recipe, device, world = state.recipe, state.device, state.world
    expected = (recipe.channels, recipe.size, recipe.size)
    if tuple(images.images.shape[1:]) != expected:
        raise ValueError(
            f"expected images of shape {expected}, got {tuple(images.images.shape[1:])}"
        )
    images = images.near(device)
    sampler = EpochSampler(len(images), recipe.batch, recipe.seed)
    random = torch.Generator(device)
    sums: dict[str, Tensor] = {}
    last_step, start = state.step, time.perf_counter()
    _training_mode(state)
    while state.step < recipe.steps:
        random.manual_seed(recipe.seed * 1_000_003 + state.step)
        real = images.batch(world.share(sampler.indices(state.step)), device)
        real = real.contiguous(memory_format=torch.channels_last)  # (B / world.size, C, H, W)
        measured = gan_step(state, real, random)
        # Sums stay on the device: reading a number every step would make a GPU wait.
        sums = {name: sums.get(name, 0) + value for name, value in measured.items()}
        state.step += 1
        if state.step % every == 0 or state.step == recipe.steps:
            steps = state.step - last_step
            means = {name: float(total) / steps for name, total in world.mean(sums).items()}
            spent = time.perf_counter() - start
            state.seconds += spent
            record = Record(
                state.step,
                state.step * recipe.batch,
                state.seconds,
                steps * recipe.batch / spent,
                means,
            )
            state.history.append(record)
            if not all(math.isfinite(value) for value in means.values()):
                raise FloatingPointError(
                    f"the losses are no longer finite at step {state.step}: {means}. "
                    "Lower the learning rate, or train in float32."
                )
            yield record
            _training_mode(state)
            sums, last_step, start = {}, state.step, time.perf_counter()


def _training_mode(state: GanState) -> None:
    """Undo `eval()`: whoever drew samples between two records may have left a network in it."""
    state.generator.train()
    state.discriminator.train()


def _number_format(state: GanState) -> torch.autocast:
    """The recipe's number format for convolutions and matrix products, as a context."""
    low = state.recipe.dtype == "bfloat16"
    return torch.autocast(state.device.type, torch.bfloat16, enabled=low)


def forward(
    state: GanState, real: Tensor, random: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """What the discriminator compares in a step: generated images, and the logits of both kinds.

    Args:
        state: its networks are used, and not changed but for batch normalisation's statistics.
        real: (B, C, H, W) in [-1, 1], with several processes the share of each.
        random: source of the noise, the same in all processes.

    Returns:
        Generated images (B, C, H, W), whose graph leads to the generator; logits of real images
        (B,), and of the generated ones (B,), whose graph ends at the images.
    """
    world, (generator, discriminator) = state.world, state.players
    shape = (world.size * len(real), state.recipe.latent)
    z = world.share(torch.randn(*shape, generator=random, device=real.device))  # (B, Z)
    with _number_format(state):
        fake = generator(z)  # (B, C, H, W)
        # In separate batches, because batch normalisation would otherwise mix their statistics.
        real_logits = discriminator(real).float()  # (B,)
        fake_logits = discriminator(fake.detach()).float()  # (B,)
    return fake, real_logits, fake_logits


def gan_step(state: GanState, real: Tensor, random: torch.Generator) -> dict[str, Tensor]:
    """One step of both players on a batch of real images (B, C, H, W) in [-1, 1].

    With several processes B is the share of each, and `random` is the same in all of them.

    Returns:
        The two losses and the mean logits as tensors of shape (), without a graph.
    """
    recipe, world, low = state.recipe, state.world, _number_format(state)
    rate = recipe.rate
    if recipe.decay == "linear":
        rate *= min(1.0, 2 * (1 - state.step / recipe.steps))
    for adam in (state.generator_adam, state.discriminator_adam):
        adam.param_groups[0]["lr"] = rate
    adversarial = losses.LOSSES[recipe.loss]

    # 1. The discriminator learns to tell them apart. The generated images are detached: its step
    #    must not reach the generator.
    fake, real_logits, fake_logits = forward(state, real, random)
    d_loss = adversarial.discriminator(real_logits, fake_logits)
    total = d_loss
    if state.step % recipe.r1_every == 0:
        for weight, penalty in _penalties(state, real, fake.detach().float(), random):
            total = total + weight * recipe.r1_every * penalty
    state.discriminator_adam.zero_grad(set_to_none=True)
    total.backward()
    state.discriminator_adam.step()
    if recipe.clip:
        with torch.no_grad():
            for weight in state.discriminator.parameters():
                weight.clamp_(-recipe.clip, recipe.clip)

    # 2. The generator learns to raise the score of the same images. The discriminator is frozen:
    #    gradients pass through it to the images, none is computed for its weights, so none is
    #    averaged over processes either.
    discriminator = state.discriminator.requires_grad_(False)
    with low:
        logits = discriminator(fake).float()  # (B,)
        # The real images keep their logits from before the discriminator's step: only their level
        # matters here, and it is not worth one more pass over them.
        g_loss = adversarial.generator(logits, real_logits.detach())
    state.generator_adam.zero_grad(set_to_none=True)
    g_loss.backward()
    state.generator_adam.step()
    discriminator.requires_grad_(True)

    if world.rank == 0:
        update_average(state)
    return {
        "discriminator": d_loss.detach(),
        "generator": g_loss.detach(),
        "real logit": real_logits.detach().mean(),
        "fake logit": fake_logits.detach().mean(),
    }


def _penalties(
    state: GanState, real: Tensor, fake: Tensor, random: torch.Generator
) -> Iterator[tuple[float, Tensor]]:
    """The recipe's penalties on the discriminator's slope, each as (weight, value).

    In float32: a gradient of a gradient loses too many digits in bfloat16. By the plain network,
    since a compiled one cannot be differentiated twice; with several processes by the wrapped one,
    which averages the gradients.
    """
    recipe, world = state.recipe, state.world
    discriminator = state.discriminator if world.size == 1 else state.players[1]
    for weight, images in ((recipe.r1, real), (recipe.r2, fake)):
        if weight:
            inputs = images.detach().requires_grad_()
            yield weight / 2, losses.squared_gradient_norm(discriminator(inputs), inputs)
    if recipe.slope_one:
        mix = torch.rand(world.size * len(real), generator=random, device=real.device)
        mix = world.share(mix)  # (B,)
        yield recipe.slope_one, losses.gradient_penalty(discriminator, real, fake, mix)


@torch.no_grad()
def update_average(state: GanState) -> None:
    """Move the averaged generator towards the trained one (lesson 09, equation (9.11)).

    The decay is smaller in the first steps, so that the average forgets the initial noise. The
    running statistics of batch normalisation are averaged as the weights are: those of the last
    few batches alone belong to other weights, and are noisy.
    """
    decay = min(state.recipe.average, (1 + state.step) / (10 + state.step))
    average, trained = state.average.state_dict(), state.generator.state_dict()
    for name, kept in average.items():
        if kept.is_floating_point():
            kept.lerp_(trained[name], 1 - decay)
        else:
            kept.copy_(trained[name])


def _rehearsal(recipe: Recipe, device: torch.device, world: World = ALONE) -> Callable[[], None]:
    """A function that does one training step on black images with networks of its own."""
    state, random = GanState.create(recipe, device), torch.Generator(device)
    spread(state, world)
    shape = (world.share_size(recipe.batch), recipe.channels, recipe.size, recipe.size)
    real = torch.full(shape, -1.0, device=device).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        gan_step(state, real, random)
        state.step += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def faster_dtype(recipe: Recipe, device: torch.device) -> str:
    """The number format in which this machine trains this recipe faster, measured in seconds.

    Returns:
        "float32" or "bfloat16", for `Recipe.dtype`.
    """
    steps = {
        dtype: _rehearsal(replace(recipe, dtype=str(dtype).removeprefix("torch."), r1=0.0), device)
        for dtype in (torch.float32, torch.bfloat16)
    }
    chosen = runtime.compute_dtype(device, lambda dtype: steps[dtype]())
    return str(chosen).removeprefix("torch.")


def steps_in(minutes: float, recipe: Recipe, device: torch.device, world: World = ALONE) -> int:
    """How many steps of the recipe this machine does in so many minutes, measured for seconds.

    Several processes measure it together, and the first one's clock decides.
    """
    step = _rehearsal(recipe, device, world)
    for _ in range(3):  # the first steps pay for one-off set-up
        step()
    done, start = 0, time.perf_counter()
    while world.tell(done < 3 or time.perf_counter() - start < min(4.0, 6 * minutes)):
        step()
        done += 1
    return world.tell(max(1, round(minutes * 60 * done / (time.perf_counter() - start))))
