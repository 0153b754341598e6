"""Every loss of lesson 08 on the same networks, data, steps and seeds.

All rows share the course's networks, learning rate, averaging and number of steps, with a
discriminator of single images; a row changes nothing but what it names, and its settings are stored
with it. The penalty of the Wasserstein critic is computed at every step, as its authors do; R1 and
R2 at every 16th step with 16 times the weight. Compared are the relative Fréchet distance at the
end and the seconds of training; a training that diverged has neither.

Sources: Mao et al., 2017 (least squares); Arjovsky et al., 2017 (clipping); Gulrajani et al., 2017
(gradient penalty); Miyato et al., 2018 (spectral normalisation); Mescheder et al., 2018 (R1);
Jolicoeur-Martineau, 2018, and Huang et al., 2024 (relativistic pairing, R1 and R2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training

STEPS = 800  # of 32 images: less than half of the 60,000 images, once
NONE = {"r1": 0.0}  # the course's recipe has an R1 penalty
SPECTRAL = "spectral_normalisation"  # a setting of the networks, not of the recipe
ROWS: dict[str, dict[str, object]] = {
    "non-saturating": {"loss": "non-saturating", **NONE},
    "saturating": {"loss": "saturating", **NONE},
    "least squares": {"loss": "least-squares", **NONE},
    "hinge": {"loss": "hinge", **NONE},
    "hinge, spectral normalisation": {"loss": "hinge", **NONE, SPECTRAL: True},
    "Wasserstein, clipped weights": {"loss": "wasserstein", **NONE, "clip": 0.01},
    "Wasserstein, gradient penalty": {
        "loss": "wasserstein",
        **NONE,
        "slope_one": 10.0,
        "r1_every": 1,
    },
    "non-saturating, R1": {"loss": "non-saturating", "r1": 0.3},
    "relativistic": {"loss": "relativistic", **NONE},
    "relativistic, R1": {"loss": "relativistic", "r1": 0.3},
    "relativistic, R1 and R2": {"loss": "relativistic", "r1": 0.3, "r2": 0.3},
}


def state(
    settings: Mapping[str, object], seed: int, dtype: str, device: torch.device
) -> training.GanState:
    """A fresh training state for the settings of a row."""
    changes = {name: value for name, value in settings.items() if name != SPECTRAL}
    recipe = recipes.course_recipe(device, steps=STEPS, seed=seed, dtype=dtype, group=0, **changes)
    fresh = training.GanState.create(recipe, device)
    if not settings.get(SPECTRAL):
        return fresh
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of the vectors with which the power iterations begin
        for module in list(fresh.discriminator.modules()):
            if isinstance(module, nn.Conv2d):
                spectral_norm(module)
    # Anew, so that the optimiser holds the parameters that lie below the normalised weights.
    return training.GanState.create(recipe, device, (fresh.generator, fresh.discriminator))


def plan(device: torch.device) -> Nested:
    """Steps, batch, the faster number format, and the settings of each row."""
    recipe = recipes.course_recipe(device, steps=STEPS)
    rows = {name: {"settings": dict(settings)} for name, settings in ROWS.items()}
    return measuring.plan_of(recipe, device, steps=STEPS, rate=recipe.rate, rows=rows)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """The distance and the seconds of each row, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    progress = Progress(len(repeats) * len(plan["rows"]))
    for seed in repeats:
        found: Nested = {}
        for name, row in plan["rows"].items():
            fresh = state(row["settings"], seed, plan["dtype"], device)
            score: dict[str, float | None] = {"relative_frechet_distance": None, "seconds": None}
            try:
                for _ in training.train_gan(fresh, images, every=fresh.recipe.steps):
                    pass
                score["relative_frechet_distance"] = distance(fresh.generate, fresh.recipe.latent)
                score["seconds"] = fresh.seconds
                said = f"{score['relative_frechet_distance']:.3f}"
            except FloatingPointError:
                said = "diverged"
            found[name] = score
            progress.say(f"seed {seed}  {name:30} {said}  ({fresh.seconds:.0f} s)")
        yield {"rows": found}
