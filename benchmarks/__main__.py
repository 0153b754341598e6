"""Run the benchmarks and write benchmarks/results/*.json: python -m benchmarks [name ...]."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch

from benchmarks import architectures, guidelines, textbook
from benchmarks.summary import spread
from course_lib import checkpoints, data, files, metrics, recipes, runtime, training

RESULTS = Path(__file__).parent / "results"
COUNT = 10_000
Measure = Callable[[Callable, int], float]


def measure_on(device: torch.device) -> Measure:
    """A function (generate, latent size) -> relative Fréchet distance of 10,000 images."""
    classifier, _ = checkpoints.load_classifier(device)
    test = data.load_images("fashion-mnist", "test", 32)
    distance = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)

    @torch.no_grad()
    def measure(generate: Callable, latent: int) -> float:
        return distance(metrics.sample_images(generate, latent, COUNT, 20_000, device))

    return measure


def bench_guidelines(seeds: int, device: torch.device) -> dict:
    """One rule of the paper broken at a time, at equal steps."""
    measure = measure_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    recipe = recipes.paper_recipe(guidelines.STEPS, batch=guidelines.BATCH, latent=64)
    dtype = training.faster_dtype(recipe, device)
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        for rule, state in guidelines.states(seed, dtype, device):
            start = time.perf_counter()
            try:
                for _ in training.train_gan(state, images, every=guidelines.STEPS):
                    pass
                value = measure(state.generate, 64)
            except (FloatingPointError, ValueError):
                value = float("inf")  # training or its images were no longer finite
            found.setdefault(rule, []).append(value)
            took = time.perf_counter() - start
            print(f"seed {seed}  {rule:40} {value:.3f}  ({took:.0f} s)", flush=True)
    rows = {rule: spread(values) for rule, values in found.items()}
    return {"steps": guidelines.STEPS, "batch": recipe.batch, "dtype": dtype, "rules": rows}


def bench_textbook(seeds: int, device: torch.device) -> dict:
    """The course's recipe against the textbook loop, interleaved, at equal seconds."""
    measure = measure_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    recipe = recipes.course_recipe(device)
    recipe = replace(recipe, dtype=training.faster_dtype(recipe, device))
    ours, theirs, rates, their_rates, seconds = [], [], [], [], []
    for seed in range(seeds):
        state = training.GanState.create(replace(recipe, seed=seed), device)
        for _ in training.train_gan(state, images):
            pass
        ours.append(measure(state.generate, recipe.latent))
        rates.append(recipe.steps * recipe.batch / state.seconds)
        seconds.append(state.seconds)
        generator, seen = textbook.train(state.seconds, seed)
        theirs.append(measure(generator, 100))
        their_rates.append(seen / state.seconds)
        print(
            f"seed {seed}: {state.seconds:.0f} s each; course {ours[-1]:.4f} at {rates[-1]:.0f} "
            f"images/s, textbook {theirs[-1]:.4f} at {their_rates[-1]:.0f} images/s",
            flush=True,
        )
    return {
        "steps": recipe.steps,
        "batch": recipe.batch,
        "dtype": recipe.dtype,
        "seconds": spread(seconds),
        "course": {"relative_frechet_distance": spread(ours), "images_per_second": spread(rates)},
        "textbook": {
            "relative_frechet_distance": spread(theirs),
            "images_per_second": spread(their_rates),
        },
        "ratio_of_distances": spread([a / b for a, b in zip(ours, theirs, strict=True)]),
        "ratio_of_rates": spread([a / b for a, b in zip(rates, their_rates, strict=True)]),
    }


def fashion() -> tuple[data.ImageSet, data.ImageSet]:
    """Fashion-MNIST, all of it, as training and test images of 32 x 32 pixels."""
    train, test = (data.load_images("fashion-mnist", split, 32) for split in ("train", "test"))
    return train, test


def bench_architectures(seeds: int, device: torch.device) -> dict:
    """Four families of networks at equal parameters, and at equal multiply-adds."""
    return architectures.compare_families(seeds, device, *fashion())


def bench_augmentation(seeds: int, device: torch.device) -> dict:
    """One network trained on few images, which are changed in different ways."""
    return architectures.compare_policies(seeds, device, *fashion())


BENCHMARKS = {
    "guidelines": bench_guidelines,
    "textbook": bench_textbook,
    "architectures": bench_architectures,
    "augmentation": bench_augmentation,
}
SEEDS = {"guidelines": 3, "textbook": 3, "architectures": 5, "augmentation": 5}


def main() -> int:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all if none")
    parser.add_argument("--seeds", type=int, help="runs of each; 3, or 5 for lesson 05's intervals")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    device = runtime.device()
    for name in options.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name].__doc__}")
        result = BENCHMARKS[name](options.seeds or SEEDS[name], device)
        frame = {"date": date.today().isoformat(), "environment": runtime.environment(device)}
        files.write_json(RESULTS / f"{name}.json", frame | result)
        print(f"written: {RESULTS / name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
