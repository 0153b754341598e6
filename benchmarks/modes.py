"""How many of 1000 kinds of images a generator makes: three stacked grey images in one of colour.

Each real image stacks three random images of Fashion-MNIST as its colour channels, so there are
10 x 10 x 10 kinds, all equally frequent: the modes. A generator of three channels is trained, and
26,000 of its images are classified, channel by channel, by the course's classifier. Counted are
the modes that occur, and the Kullback-Leibler divergence of their histogram from that of real
images, in nats. Two trainings of equally many steps are compared: the course's recipe, and the same
settings with the plain non-saturating loss, no R1, no moving average and a discriminator of single
images.

26,000 real images, stacked from the test set, show what a perfect generator would get.

Sources: Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, section 3.3.1 and
Srivastava et al., "VEEGAN", NIPS 2017, section 4.2, both with MNIST.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import checkpoints, data, recipes, training
from course_lib.stacked import mode_numbers, shown_classes, stacked

STEPS = 2_000
TRAINED, COUNT = 60_000, 26_000  # stacked images to train with, and images that are classified
COURSE, PLAIN = "course", "course, plain loss and no safeguards"
REAL = "real images"


def coverage(modes: Tensor, expected: Tensor) -> dict[str, float]:
    """How well images cover the modes.

    Args:
        modes: mode of each image, (N,).
        expected: share of each mode among real images, (M,), all above 0.

    Returns:
        "modes": how many occur; "kl_divergence": of their shares from the expected ones, in nats.

    Raises:
        ValueError: if a mode is expected never.
    """
    if (expected <= 0).any():
        raise ValueError("expected shares above 0 for all modes; the divergence would be infinite")
    shares = torch.bincount(modes, minlength=len(expected)).double() / len(modes)
    terms = torch.special.xlogy(shares, shares / expected)
    return {"modes": int((shares > 0).sum()), "kl_divergence": float(terms.sum())}


def settings(device: torch.device, dtype: str) -> dict[str, recipes.Recipe]:
    """The two recipes that are compared."""
    course = recipes.course_recipe(device, channels=3, steps=STEPS, dtype=dtype)
    plain = replace(course, loss="non-saturating", r1=0.0, average=0.0, group=0)
    return {COURSE: course, PLAIN: plain}


def plan(device: torch.device) -> Nested:
    """Steps, batch, counts and the faster number format."""
    recipe = recipes.course_recipe(device, channels=3, steps=STEPS)
    return measuring.plan_of(recipe, device, steps=STEPS, images=COUNT)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Modes and divergence of each training and of real images, under one seed after the other."""
    classifier, _ = checkpoints.load_classifier(device)
    train, test = (data.load_images("fashion-mnist", split, 32) for split in ("train", "test"))
    # What the classifier sees in real images, its errors included. Channels are independent.
    seen = shown_classes(classifier, data.normalise(test.images), device)[:, 0]
    share = torch.bincount(seen, minlength=len(test.classes)).double() / len(seen)
    expected = torch.einsum("a,b,c->abc", share, share, share).flatten()
    recipes_compared = settings(device, plan["dtype"])
    progress = Progress(len(repeats) * len(recipes_compared))
    for seed in repeats:
        images = stacked(train, 3, TRAINED, seed)
        random = torch.Generator().manual_seed(seed)
        drawn = seen[torch.randint(len(seen), (COUNT, 3), generator=random)]
        found = {REAL: coverage(mode_numbers(drawn), expected)}
        for name, recipe in recipes_compared.items():
            state = training.GanState.create(replace(recipe, seed=seed), device)
            try:
                for _ in measuring.train(state, images, [STEPS], f"seed {seed}, {name}"):
                    pass
                made = measuring.sample(state.generate, recipe.latent, COUNT, device)
            except FloatingPointError:
                found[name] = {"modes": None, "kl_divergence": None}
                progress.say(f"seed {seed}  {name:40} diverged")
                continue
            classes = shown_classes(classifier, made, device)
            found[name] = coverage(mode_numbers(classes), expected)
            progress.say(
                f"seed {seed}  {name:40} {found[name]['modes']} modes, "
                f"{found[name]['kl_divergence']:.3f} nats"
            )
        yield found
