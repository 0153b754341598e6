"""Check of the training step in lesson 09's code clinic."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_players import (
    expect_latent,
    expect_loss,
    refuse_discriminator_update,
    refuse_generator_update,
    refuse_one_batch,
)
from course_lib.checks.lesson09_probes import (
    RecordingSGD,
    TinyDiscriminator,
    TinyGenerator,
    ask,
    close,
    leave_gradients,
    logits_of,
    loss_of,
    own_randomness,
    refuse_frozen,
)

SIDE, BATCH = 28, 4


def clinic_step(answer: Answer) -> None:
    """Exercise 9.10c: one step of each player, on linear networks whose gradients are known."""
    with own_randomness(992) as random:
        diary: list = []
        generator = TinyGenerator(random, diary, SIDE)
        discriminator = TinyDiscriminator(random, diary, SIDE)
        adams = (
            RecordingSGD(generator, diary, "generator step", generator.weight),
            RecordingSGD(discriminator, diary, "discriminator step", generator.weight),
        )
        pixels = torch.randint(0, 256, (BATCH, 1, SIDE, SIDE), generator=random, dtype=torch.uint8)
        z = torch.randn(BATCH, 3, generator=random)
        left = [leave_gradients(network, random) for network in (generator, discriminator)]
        before, theta = generator.weight.detach().clone(), discriminator.flat()
        try:
            losses = ask(answer, generator, discriminator, *adams, pixels, z)
        except CheckFailed as refusal:
            if "second time" in str(refusal) or "inplace operation" in str(refusal):
                _refuse_attached()
            raise
    if not (isinstance(losses, tuple | list) and len(losses) == 2):
        fail("return", "Your step must return two losses: the discriminator's, the generator's.")
    d_loss, g_loss = loss_of(losses[0], "first loss"), loss_of(losses[1], "second loss")
    real, fake = pixels.float() / 127.5 - 1, (z @ before).view(BATCH, 1, SIDE, SIDE)
    refuse_one_batch(diary, BATCH)
    expect_latent(diary, z)
    _refuse_scale(diary)
    _refuse_order(diary)
    after = discriminator.flat()
    refuse_discriminator_update(theta, after, left[1], real, fake, diary, "discriminator step")
    at_step = next(grad for who, grad, _ in diary if who == "discriminator step")
    if at_step is not None and at_step.abs().max() > 0 and not close(at_step.flatten(), left[0]):
        _refuse_attached()
    refuse_generator_update(
        before, generator.weight, left[0], after, fake, z, diary, "generator step"
    )
    on_real, on_fake = logits_of(theta, real), logits_of(theta, fake)
    expect_loss(d_loss, float((_softplus(-on_real) + _softplus(on_fake)).mean()), "first loss")
    expect_loss(g_loss, float(_softplus(-logits_of(after, fake)).mean()), "second loss")
    refuse_frozen(generator, discriminator)
    passed("clinic_step")


def _softplus(values: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(values))


def _refuse_attached() -> None:
    fail(
        "not-detached",
        "The discriminator's loss went backward through the generator too. That gradient teaches "
        "the generator to be caught, and its graph is gone when the generator's turn comes. Cut "
        "the graph where the images enter the discriminator's turn.",
    )


def _refuse_scale(diary: list) -> None:
    """Refuse real images on another scale than the generator's output."""
    shown = [x for who, x, _ in diary if who == "discriminator" and not _generated(x, diary)]
    if not shown:
        return
    low, high = min(float(x.min()) for x in shown), max(float(x.max()) for x in shown)
    if high > 1.01 or low >= 0:
        fail(
            "unscaled",
            f"The real images that your discriminator saw lie in [{low:.0f}, {high:.0f}], the "
            "generator's in [-1, 1]. Both must have the same black and the same white: bring the "
            "bytes to [-1, 1].",
        )


def _refuse_order(diary: list) -> None:
    """Refuse a step in which the two networks never meet, or do not take turns."""
    events = [who for who, _, _ in diary]
    met = [
        i for i, (who, x, _) in enumerate(diary) if who == "discriminator" and _generated(x, diary)
    ]
    attached = [i for i in met if diary[i][2]]
    for name in ("discriminator step", "generator step"):
        if name not in events:
            fail("no-step", f"One optimiser never moved: there was no {name}.")
    turn, last = events.index("discriminator step"), events.index("generator step")
    if not attached:
        fail(
            "pixelwise",
            "Your generator was updated and never met the discriminator. Fitted to real images "
            "pixel by pixel, it maps unrelated noise to each of them, and the best it can do is "
            "their blurred mean. Its only teacher is the discriminator's verdict.",
        )
    if last < turn:
        fail("order", "Your generator moved first. The exercise asks for the discriminator first.")
    if not any(turn < i < last for i in attached):
        fail(
            "together",
            "Both networks moved from one evaluation, without taking turns. The generator has to "
            "face the discriminator after that one's step, as the lesson's training step does.",
        )
    if not any(i < turn for i in met):
        fail(
            "never-generated",
            "In its turn your discriminator never saw a generated image. It will call everything "
            "real, and the generator can learn nothing from it.",
        )


def _generated(images: Tensor, diary: list) -> bool:
    made = [x for who, x, _ in diary if who == "images"]
    return any(images.shape == x.shape and torch.allclose(images, x) for x in made)
