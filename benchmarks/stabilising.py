"""What each way to stabilise or speed up a GAN changes, one at a time (lesson 11).

All rows begin with the course's recipe at a small width, with a discriminator of single images; a
row changes nothing but what it names, and its settings are stored with it. Compared are the
relative Fréchet distance of the averaged generator, of the last weights themselves, and the
distance of the averaged generator in the features of *another* classifier, which no row has trained
with; and the seconds of training. A training that diverged has none of them.

Sources: Heusel et al., 2017 (two rates); Arjovsky et al., 2017 (clipping weights); Miyato et al.,
2018 (spectral normalisation); Mescheder et al., 2018 (R1); Zhao et al., 2020 (augmentation); Sauer
et al., 2021 (trained features).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import checkpoints, classification, data, metrics, recipes, training, treatments
from course_lib.models.classifier import Classifier

STEPS, WIDTH = 600, 24  # of 32 images: less than a third of the 60,000, once
FEW = 3_000  # images: 5 % of them
OTHER_SEED, OTHER_EPOCHS = 77, 1  # of the classifier that only judges
R1 = {"r1": 0.3}
NONE = {"r1": 0.0}
# Settings that are not the recipe's: see `course_lib.treatments.treated`, and `images`.
EXTRA = ("rate_ratio", "gradient_limit", "spectral", "augment", "features", "images")
ROWS: dict[str, dict[str, object]] = {
    "the course's recipe": R1,
    "no penalty": NONE,
    "no penalty, gradients clipped": {**NONE, "gradient_limit": 0.1},
    "no penalty, weights clipped": {**NONE, "clip": 0.05},
    "no penalty, spectral normalisation": {**NONE, "spectral": True},
    "discriminator four times as fast": {**R1, "rate_ratio": 4.0},
    "one layer a size": {**R1, "depth": 1},
    "trained features": {**R1, "features": True},
    "5 % of the images": {**R1, "images": FEW},
    "5 % of the images, augmented": {**R1, "images": FEW, "augment": True},
}


def state(
    settings: Mapping[str, object], seed: int, dtype: str, device: torch.device
) -> training.GanState:
    """A fresh training state for the settings of a row."""
    changes = {name: value for name, value in settings.items() if name not in EXTRA}
    recipe = recipes.course_recipe(
        device, steps=STEPS, width=WIDTH, group=0, seed=seed, dtype=dtype, **changes
    )
    more = {name: settings[name] for name in EXTRA[:3] if name in settings}
    if settings.get("augment"):
        more["augment"] = treatments.diff_augment
    if settings.get("features"):
        more["features"], _ = checkpoints.load_classifier(device)
    return treatments.treated(recipe, device, **more)


def judges(images: data.ImageSet, device: torch.device) -> dict[str, metrics.RelativeFrechet]:
    """The two distances to the test images, by the name under which they are stored.

    The first is in the features of the course's classifier, the second in those of a classifier
    with other initial weights and another order of images, trained here for one epoch.
    """
    known, _ = checkpoints.load_classifier(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(OTHER_SEED)
        other = Classifier().to(device, memory_format=torch.channels_last)
        for _ in classification.train_classifier(
            other, images, epochs=OTHER_EPOCHS, seed=OTHER_SEED
        ):
            pass
    test = data.normalise(data.load_images("fashion-mnist", "test", 32).images)
    return {
        "relative_frechet_distance": metrics.RelativeFrechet(known, test, device),
        "distance_in_other_features": metrics.RelativeFrechet(other.eval(), test, device),
    }


def plan(device: torch.device) -> Nested:
    """Steps, width, batch, the faster number format, and the settings of each row."""
    recipe = recipes.course_recipe(device, steps=STEPS, width=WIDTH)
    rows = {name: {"settings": dict(settings)} for name, settings in ROWS.items()}
    return measuring.plan_of(recipe, device, steps=STEPS, width=WIDTH, rate=recipe.rate, rows=rows)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """The distances and the seconds of each row, under one seed after the other."""
    images = data.load_images("fashion-mnist", "train", 32)
    distances = judges(images, device)
    names = (*distances, "distance_of_the_last_weights", "seconds")
    first = next(iter(distances.values()))
    progress = Progress(len(repeats) * len(plan["rows"]))
    for seed in repeats:
        found: Nested = {}
        for name, row in plan["rows"].items():
            settings = row["settings"]
            fresh = state(settings, seed, plan["dtype"], device)
            few = images.take(min(len(images), settings.get("images", len(images))))
            torch.manual_seed(seed)  # of the augmentation
            score: dict[str, float | None] = dict.fromkeys(names)
            try:
                for _ in training.train_gan(fresh, few, every=fresh.recipe.steps):
                    pass
                drawn = measuring.sample(
                    fresh.generate, fresh.recipe.latent, measuring.COUNT, device
                )
                last = measuring.sample(
                    fresh.generator.eval(), fresh.recipe.latent, measuring.COUNT, device
                )
                measured = {judge: distance(drawn) for judge, distance in distances.items()}
                measured["distance_of_the_last_weights"] = first(last)
                score = {**measured, "seconds": fresh.seconds}
                said = f"{score['relative_frechet_distance']:.3f}"
            except FloatingPointError:
                said = "diverged"
            found[name] = score
            progress.say(f"seed {seed}  {name:36} {said}  ({fresh.seconds:.0f} s)")
        yield {"rows": found}
