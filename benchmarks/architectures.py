"""Four families of networks under equal budgets, and one under six augmentations (lesson 05)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from benchmarks.summary import spread
from course_lib import augmentation, classification
from course_lib.data import ImageSet
from course_lib.models import architectures

EPOCHS, BATCH = 1, 128
BUDGETS = {"parameters": 100_000, "multiply_adds": 2_000_000}
FAMILY = "resnet"  # the network that is trained with each augmentation, at 100,000 parameters
FEW, FEW_EPOCHS = 2_000, 25
DTYPE = "float32"  # the same for all, so that their rates can be compared

Augment = Callable[[Tensor], Tensor]

POLICIES: dict[str, Augment] = {
    "none": lambda images: images,
    "mirror": augmentation.mirror,
    "shift": augmentation.shift,
    "mirror and shift": lambda images: augmentation.shift(augmentation.mirror(images)),
    "erase": augmentation.erase,
    "upside down": augmentation.turn_over,
}


class Progress:
    """Prints a line for each run, with the time left if the others take as long on average."""

    def __init__(self, runs: int) -> None:
        self.runs, self.done, self.start = runs, 0, time.perf_counter()

    def say(self, line: str) -> None:
        """Count one run as done, and print what came out."""
        self.done += 1
        left = (time.perf_counter() - self.start) / self.done * (self.runs - self.done)
        print(f"{line}; {left / 60:.0f} min left", flush=True)


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


def collect(runs: list[dict[str, float]]) -> dict[str, dict]:
    """The spread of each number over runs that measured the same numbers."""
    return {name: spread([run[name] for run in runs]) for name in runs[0]}


def described(family: str, width: float) -> dict[str, float]:
    """Width, parameters and multiply-adds of one network."""
    network = architectures.build(family, width)
    cost = architectures.multiply_adds(network, (1, architectures.SIZE, architectures.SIZE))
    return {
        "width": width,
        "parameters": architectures.parameters(network),
        "multiply_adds": cost,
    }


def compare_families(
    seeds: int,
    device: torch.device,
    images: ImageSet,
    test: ImageSet,
    budgets: Mapping[str, int] = BUDGETS,
    epochs: int = EPOCHS,
) -> dict:
    """Train each family at each budget under each seed, the networks interleaved.

    Returns:
        For each budget its target and, for each family, its size and the spread over seeds of
        "accuracy" on the test images, "seconds" and "images_per_second" of training.
    """
    networks = {
        (budget, family): architectures.width_for(family, **{budget: target})
        for budget, target in budgets.items()
        for family in architectures.FAMILIES
    }
    runs: dict[tuple[str, str], list[dict[str, float]]] = {key: [] for key in networks}
    progress = Progress(seeds * len(networks))
    for seed in range(seeds):
        for (budget, family), width in networks.items():
            network = fresh(family, width, seed, device)
            took = train(network, images, epochs, seed, augmentation.mirror)
            share = classification.accuracy(network, test)
            runs[budget, family].append({"accuracy": share} | took)
            progress.say(
                f"seed {seed}  equal {budget:13} {family:9} {share:.4f}  "
                f"({took['seconds']:.0f} s, {took['images_per_second']:.0f} images/s)"
            )
    found = {
        budget: {
            "target": target,
            "families": {
                family: described(family, networks[budget, family]) | collect(runs[budget, family])
                for family in architectures.FAMILIES
            },
        }
        for budget, target in budgets.items()
    }
    return {
        "images": len(images),
        "epochs": epochs,
        "batch": BATCH,
        "dtype": DTYPE,
        "augmentation": "mirror",
        "budgets": found,
    }


def compare_policies(
    seeds: int,
    device: torch.device,
    images: ImageSet,
    test: ImageSet,
    count: int = FEW,
    epochs: int = FEW_EPOCHS,
    parameters: int = BUDGETS["parameters"],
) -> dict:
    """Train one network on the first `count` images with each policy, under each seed.

    Returns:
        Its size and, for each policy, the spread over seeds of "accuracy" on the test images and of
        "training_accuracy" on the images trained with, unchanged.
    """
    few = images.take(count)
    width = architectures.width_for(FAMILY, parameters=parameters)
    runs: dict[str, list[dict[str, float]]] = {policy: [] for policy in POLICIES}
    progress = Progress(seeds * len(POLICIES))
    for seed in range(seeds):
        for policy, augment in POLICIES.items():
            network = fresh(FAMILY, width, seed, device)
            train(network, few, epochs, seed, augment)
            share, known = (classification.accuracy(network, some) for some in (test, few))
            runs[policy].append({"accuracy": share, "training_accuracy": known})
            progress.say(f"seed {seed}  {policy:16} {share:.4f}, on its own images {known:.4f}")
    return {
        "images": len(few),
        "epochs": epochs,
        "batch": BATCH,
        "dtype": DTYPE,
        "family": FAMILY,
        **described(FAMILY, width),
        "policies": {policy: collect(found) for policy, found in runs.items()},
    }
