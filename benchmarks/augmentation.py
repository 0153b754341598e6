"""One network trained on few images, which are changed in six ways (lesson 05).

The network is the residual one at 100,000 parameters, the images are the first 2,000 of
Fashion-MNIST, shown 25 times. Compared is the accuracy on the test images and, to see what was
learnt by heart, on the images themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.architectures import (
    BATCH,
    BUDGETS,
    DTYPE,
    Augment,
    described,
    fashion,
    fresh,
    train,
)
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import augmentation, classification
from course_lib.models import architectures

FAMILY, PARAMETERS = "resnet", BUDGETS["parameters"]
IMAGES, EPOCHS = 2_000, 25

POLICIES: dict[str, Augment] = {
    "none": lambda images: images,
    "mirror": augmentation.mirror,
    "shift": augmentation.shift,
    "mirror and shift": lambda images: augmentation.shift(augmentation.mirror(images)),
    "erase": augmentation.erase,
    "upside down": augmentation.turn_over,
}


def plan(device: torch.device) -> Nested:
    """The settings of training, and the network's size."""
    return {
        "images": IMAGES,
        "epochs": EPOCHS,
        "batch": BATCH,
        "dtype": DTYPE,
        "family": FAMILY,
        **described(FAMILY, architectures.width_for(FAMILY, parameters=PARAMETERS)),
    }


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Both accuracies with each policy, under one seed after the other."""
    images, test = fashion()
    few = images.take(plan["images"])
    progress = Progress(len(repeats) * len(POLICIES))
    for seed in repeats:
        found = {}
        for policy, augment in POLICIES.items():
            network = fresh(FAMILY, plan["width"], seed, device)
            train(network, few, plan["epochs"], seed, augment)
            share, known = (classification.accuracy(network, some) for some in (test, few))
            found[policy] = {"accuracy": share, "training_accuracy": known}
            progress.say(f"seed {seed}  {policy:16} {share:.4f}, on its own images {known:.4f}")
        yield {"policies": found}
