"""Four families of networks at equal parameters, and at equal multiply-adds (lesson 05).

Each family is made as wide as each budget allows, and trained on Fashion-MNIST for one epoch of
mirrored images, the networks interleaved. Compared are the accuracy on the test images and the
seconds of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import augmentation, classification, data
from course_lib.data import ImageSet
from course_lib.models import architectures

EPOCHS, BATCH = 1, 128
BUDGETS = {"parameters": 100_000, "multiply_adds": 2_000_000}
DTYPE = "float32"  # the same for all, so that their rates can be compared

Augment = Callable[[Tensor], Tensor]


def fresh(family: str, width: float, seed: int, device: torch.device) -> nn.Module:
    """A network for Fashion-MNIST, its weights drawn with the seed."""
    torch.manual_seed(seed)
    network = architectures.build(family, width)
    return network.to(device, memory_format=torch.channels_last)


def train(
    network: nn.Module, images: ImageSet, epochs: int, seed: int, augment: Augment
) -> dict[str, float]:
    """Train in place, and return the "seconds" it took and the "images_per_second"."""
    records = classification.train_classifier(
        network,
        images,
        epochs=epochs,
        batch=BATCH,
        dtype=DTYPE,
        seed=seed,
        every=epochs * (len(images) // BATCH),  # one record, at the end
        augment=augment,
    )
    (last,) = records
    return {"seconds": last.seconds, "images_per_second": last.rate}


def described(family: str, width: float) -> dict[str, float]:
    """Width, parameters and multiply-adds of one network."""
    network = architectures.build(family, width)
    cost = architectures.multiply_adds(network, (1, architectures.SIZE, architectures.SIZE))
    return {
        "width": width,
        "parameters": architectures.parameters(network),
        "multiply_adds": cost,
    }


def fashion() -> tuple[ImageSet, ImageSet]:
    """Fashion-MNIST, all of it, as training and test images of 32 x 32 pixels."""
    train, test = (data.load_images("fashion-mnist", split, 32) for split in ("train", "test"))
    return train, test


def plan(device: torch.device) -> Nested:
    """The settings of training, and each network's size."""
    found = {}
    for budget, target in BUDGETS.items():
        widths = {
            family: architectures.width_for(family, **{budget: target})
            for family in architectures.FAMILIES
        }
        sizes = {family: described(family, width) for family, width in widths.items()}
        found[budget] = {"target": target, "families": sizes}
    return {
        "images": len(fashion()[0]),
        "epochs": EPOCHS,
        "batch": BATCH,
        "dtype": DTYPE,
        "augmentation": "mirror",
        "budgets": found,
    }


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Accuracy, seconds and rate of each network, under one seed after the other."""
    images, test = fashion()
    rows = {budget: found["families"] for budget, found in plan["budgets"].items()}
    progress = Progress(len(repeats) * sum(len(families) for families in rows.values()))
    for seed in repeats:
        found: Nested = {}
        for budget, families in rows.items():
            measured = found.setdefault(budget, {"families": {}})["families"]
            for family, size in families.items():
                network = fresh(family, size["width"], seed, device)
                took = train(network, images, plan["epochs"], seed, augmentation.mirror)
                share = classification.accuracy(network, test)
                measured[family] = {"accuracy": share} | took
                progress.say(
                    f"seed {seed}  equal {budget:13} {family:9} {share:.4f}  "
                    f"({took['seconds']:.0f} s, {took['images_per_second']:.0f} images/s)"
                )
        yield {"budgets": found}
