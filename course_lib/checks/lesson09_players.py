"""Checks of lesson 09 on one step of each player: what moved, and by which gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_probes import (
    RATE,
    RecordingSGD,
    TinyDiscriminator,
    TinyGenerator,
    ask,
    close,
    leave_gradients,
    logits_of,
    loss_of,
    own_randomness,
    pull,
    push,
    refuse_frozen,
    refuse_match,
)

BATCH = 6


def discriminator_step(answer: Answer) -> None:
    """Exercise 9.4, on linear networks whose gradients are known."""
    with own_randomness(94) as random:
        diary: list = []
        generator = TinyGenerator(random, diary)
        discriminator = TinyDiscriminator(random, diary)
        adam = RecordingSGD(discriminator, diary, "step", discriminator.weight)
        real = torch.randn(BATCH, 1, 2, 2, generator=random) + 0.5
        z = torch.randn(BATCH, 3, generator=random)
        left = leave_gradients(discriminator, random)
        before, pictures = discriminator.flat(), generator.weight.detach().clone()
        value = ask(answer, generator, discriminator, adam, real, z)
        loss = loss_of(value, "loss")
    refuse_one_batch(diary, BATCH)
    expect_latent(diary, z)
    if generator.weight.grad is not None and generator.weight.grad.abs().max() > 0:
        fail(
            "not-detached",
            "After your step the generator holds gradients. They come from the discriminator's "
            "loss and point the wrong way for the generator, which would add them to its own. "
            "Where should the graph be cut?",
        )
    if not torch.equal(generator.weight, pictures):
        fail("generator-moved", "Your step changed the generator's weights. It is not its turn.")
    fake = generator.images(z)
    refuse_discriminator_update(before, discriminator.flat(), left, real, fake, diary, "step")
    true = float(
        -torch.log(torch.sigmoid(logits_of(before, real))).mean()
        - torch.log(1 - torch.sigmoid(logits_of(before, fake))).mean()
    )
    expect_loss(loss, true, "loss")
    refuse_frozen(generator, discriminator)
    passed("discriminator_step")


def refuse_one_batch(diary: list, batch: int) -> None:
    """Refuse real and generated images in one call of the discriminator."""
    largest = max((len(x) for who, x, _ in diary if who == "discriminator"), default=0)
    if largest > batch:
        fail(
            "one-batch",
            f"The discriminator received {largest} images at once, real and generated ones "
            "together. Its batch normalisation would normalise both with their common mean and "
            "variance, which hides exactly the difference that it should find.",
        )


def expect_latent(diary: list, z: Tensor) -> None:
    """Refuse a step that does not generate from the z that it was given."""
    if not any(who == "generator" and torch.equal(x, z) for who, x, _ in diary):
        fail(
            "own-noise",
            "The generator was never called with the z that your step was given. Noise comes in "
            "as an argument so that a run can be repeated.",
        )


def refuse_discriminator_update(
    before: Tensor, after: Tensor, left: Tensor, real: Tensor, fake: Tensor, diary: list, name: str
) -> None:
    """Refuse any update of the tiny discriminator but one step down its loss, saying which it is.

    before, after: its weights, flat. left: the gradients that lay there before the step.
    """
    on_real, on_fake = pull(before, real, 1.0), pull(before, fake, 0.0)
    right, used = on_real + on_fake, (before - after) / RATE
    if close(used, right):
        return
    refuse_idle(used, left, diary, name, "discriminator")
    refuse_match(
        used,
        {
            "not-zeroed": (
                right + left,
                "Your step follows the sum of its own gradient and of what an earlier step had "
                "left. `backward` adds to gradients, it does not replace them.",
            ),
            "swapped": (
                pull(before, real, 0.0) + pull(before, fake, 1.0),
                "Your step teaches the discriminator to score generated images high and real ones "
                "low. The two labels, or the two batches, are exchanged.",
            ),
            "ascent": (
                -right,
                "Your step climbs the loss. An optimiser goes downhill by itself: hand it the "
                "loss as it is.",
            ),
            "never-generated": (
                on_real,
                "Your discriminator learns from real images only. It will call everything real, "
                "and the generator can learn nothing from it.",
            ),
            "only-fake": (
                on_fake,
                "Your discriminator learns from generated images only. It will call everything "
                "generated.",
            ),
            "half": (
                right / 2,
                "Your step is half as long as equation (9.4) says. The equation adds the two "
                "means.",
            ),
            "sum": (
                right * len(real),
                f"Your step is {len(real)} times too long for a batch of {len(real)}. A loss is a "
                "mean over the batch, so that the learning rate does not depend on its size.",
            ),
        },
    )
    fail(
        "wrong",
        "The discriminator's weights moved, and not down its loss (9.4). Compare your loss with "
        "exercise 9.2, and check that one step is made with it.",
    )


def refuse_idle(used: Tensor, left: Tensor, diary: list, name: str, network: str) -> None:
    """Refuse a step that was not made, or made before the gradient was there."""
    if not any(who == name for who, _, _ in diary):
        fail("no-step", f"The {network}'s optimiser made no step. A gradient alone moves nothing.")
    if close(used, torch.zeros_like(used)) or close(used, left):
        fail(
            "step-first",
            f"The {network}'s optimiser stepped before your loss had a gradient: it followed what "
            "an earlier step had left, or nothing. Mind the order of the three lines.",
        )


def expect_loss(value: float, true: float, what: str) -> None:
    """Refuse a reported loss that is not the one before the update."""
    if abs(value - true) > 1e-3 * abs(true) + 1e-5:
        fail(
            "reported",
            f"The update is right and the {what} that you report is not: {value:.4f} where "
            f"{true:.4f} was minimised.",
        )


def generator_step(answer: Answer) -> None:
    """Exercise 9.5, on linear networks whose gradients are known."""
    with own_randomness(95) as random:
        diary: list = []
        generator = TinyGenerator(random, diary)
        discriminator = TinyDiscriminator(random, diary)
        adam = RecordingSGD(generator, diary, "step", generator.weight)
        z = torch.randn(BATCH, 3, generator=random)
        left = leave_gradients(generator, random)
        before, theta = generator.weight.detach().clone(), discriminator.flat()
        value = _ask_with_gradient(answer, generator, discriminator, adam, z)
        loss = loss_of(value, "loss")
    expect_latent(diary, z)
    refuse_frozen(generator, discriminator)
    if any(parameter.grad is not None for parameter in discriminator.parameters()):
        fail(
            "discriminator-gradients",
            "After your step the discriminator holds gradients of the generator's loss. They were "
            "computed for nothing, and are added to its own if nobody clears them. They need not "
            "be computed at all.",
        )
    if not torch.equal(discriminator.flat(), theta):
        fail("discriminator-moved", "Your step changed the discriminator. It is not its turn.")
    images = (z @ before).view(BATCH, 1, 2, 2)
    refuse_generator_update(before, generator.weight, left, theta, images, z, diary, "step")
    true = float(-torch.log(torch.sigmoid(logits_of(theta, images))).mean())
    expect_loss(loss, true, "loss")
    passed("generator_step")


def _ask_with_gradient(answer: Answer, *arguments: object) -> object:
    """Ask, and explain torch's error for a loss that no weight has led to."""
    try:
        return ask(answer, *arguments)
    except CheckFailed as refusal:
        if "does not require grad" not in str(refusal):
            raise
        raise CheckFailed(
            "no-gradient",
            "Your loss has no way back to the generator's weights: torch says that it does not "
            "require a gradient. The generator learns through the discriminator's input, so its "
            "images must keep their graph here.",
        ) from refusal


def refuse_generator_update(
    before: Tensor,
    after: Tensor,
    left: Tensor,
    theta: Tensor,
    images: Tensor,
    z: Tensor,
    diary: list,
    name: str,
) -> None:
    """Refuse any update of the tiny generator but one step down its non-saturating loss.

    left: the gradients that lay there, flat. theta: the discriminator that it must please.
    """
    right = push(theta, images, z).flatten()
    used = ((before - after.detach()) / RATE).flatten().double()
    if close(used, right):
        return
    refuse_idle(used, left, diary, name, "generator")
    saturating = push(theta, images, z, saturating=True).flatten()
    refuse_match(
        used,
        {
            "not-zeroed": (
                right + left,
                "Your step follows the sum of its own gradient and of what an earlier step had "
                "left. `backward` adds to gradients, it does not replace them.",
            ),
            "saturating": (
                saturating,
                "Your generator minimises log(1 - D). Its slope is D itself, which is nearly zero "
                "as long as the images are bad. The lesson uses the loss that is steep there.",
            ),
            "ascent": (
                -right,
                "Your step makes the generated images score lower. The generator wants the "
                "discriminator to say real: check the sign or the label.",
            ),
            "helps-discriminator": (
                -saturating,
                "Your generator minimises -log(1 - D), the discriminator's own loss. It learns to "
                "be caught: check the label.",
            ),
            "sum": (
                right * len(z),
                f"Your step is {len(z)} times too long for a batch of {len(z)}. A loss is a mean "
                "over the batch.",
            ),
        },
    )
    fail(
        "wrong",
        "The generator's weights moved, and not down its loss (9.5). Compare your loss with the "
        "lesson's, and check that one step is made with it.",
    )
