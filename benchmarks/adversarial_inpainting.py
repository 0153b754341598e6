"""Distortion against realism: critics of several weights, latent search, many answers (lesson 14).

One U-Net is trained with L1 alone. From it, training goes on for some more steps, once with L1
alone and once for each weight of a local and a global critic. Of the composites of all test images
stand the PSNR over missing pixels and the relative Fréchet distance to those images; both also
relative to the row with L1 alone. A DCGAN of lesson 09 is trained and searched for the best
agreement with the known pixels of some test images; its passes and seconds an image stand beside
those of the network with L1 alone on the same images. From the same network, two that are fed noise
are trained, with and without critics. They answer each hole several times; their spread is the mean
absolute difference of two answers over missing pixels.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch import Tensor

from benchmarks.inpainting import masks_of, trained
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import (
    checkpoints,
    data,
    inpainting,
    latent_search,
    masked_metrics,
    metrics,
    recipes,
    several_answers,
    training,
)
from course_lib import masks as holes
from course_lib.inpaint_recipes import course_inpaint_recipe

STEPS = 1_400  # with L1 alone, which all rows share; lesson 13's table has more
MORE = 1_000  # of each row
GAN_STEPS = 6_000  # of the searched DCGAN: those of the course's recipe
WEIGHTS = (0.0, 0.1, 0.5, 1.0)
FAMILIES = ("centre square", "random box", "free form")
SEARCHED = 100  # images, all with a hole of the first family
SEARCH = latent_search.Settings()
ANSWERS = 8  # to one hole
NOISE = 16
SEVERAL: dict[str, dict[str, float]] = {
    "spread 1": {"spread": 1.0},
    "spread 1 and critics": {"spread": 1.0, "adversarial": 0.5},
}


def recipe(settings: dict[str, object], seed: int, dtype: str, device: torch.device):
    """A recipe with critics has no momentum, as lesson 09's; that of L1 alone is lesson 13's."""
    betas = {"betas": (0.0, 0.99)} if settings.get("adversarial") else {}
    settings = {"steps": MORE} | betas | settings
    return course_inpaint_recipe(device, seed=seed, dtype=dtype, **settings)


def name_of(weight: float) -> str:
    """The name of a row."""
    return f"adversarial weight {weight:g}" if weight else "L1 alone"


def plan(device: torch.device) -> Nested:
    """Steps, batch, the faster number format, the weights, and the settings of the search."""
    base = recipe({"adversarial": 0.5}, 0, "float32", device)
    return {
        "steps": STEPS,
        "more_steps": MORE,
        "batch": base.batch,
        "dtype": inpainting.faster_dtype(base, device),
        "weights": list(WEIGHTS),
        "gan_steps": GAN_STEPS,
        "search_settings": asdict(SEARCH),
        "searched_images": SEARCHED,
    }


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """The curve, the search, and the several answers, under one seed after the other."""
    train, test = (data.load_images("fashion-mnist", split, 32) for split in ("train", "test"))
    images = data.normalise(test.images)
    classifier, _ = checkpoints.load_classifier(device)
    frechet = metrics.RelativeFrechet(classifier, images, device)
    progress = Progress(len(repeats) * (len(plan["weights"]) + 2 + len(SEVERAL)))
    for seed in repeats:
        masks = {family: masks_of(family, len(images), seed) for family in FAMILIES}
        areas = {family: float(holes.share(one).mean()) for family, one in masks.items()}
        found: Nested = {"hole_area": areas, "curve": {}}
        shared = recipe({"steps": plan["steps"]}, seed, plan["dtype"], device)
        begun = trained(shared, train, device)
        if begun is None:
            raise FloatingPointError("L1 alone diverged: lower its learning rate")
        progress.say(f"seed {seed}  shared training ({begun.seconds:.0f} s)")
        found["shared_training_seconds"] = begun.seconds
        first, plain = None, begun
        for weight in plan["weights"]:
            chosen = recipe({"adversarial": weight}, seed, plan["dtype"], device)
            state = trained(chosen, train, device, copy.deepcopy(begun.generator))
            row = _row(state, images, masks, frechet, first)
            if first is None:
                if state is None:
                    raise FloatingPointError("L1 alone diverged: lower its learning rate")
                first, plain = row, state
            found["curve"][name_of(weight)] = row
            said = "diverged" if state is None else f"({state.seconds:.0f} s)"
            progress.say(f"seed {seed}  {name_of(weight):26} {said}")
        found["latent_search"] = _search(plan, plain, train, images, seed, device)
        progress.say(f"seed {seed}  latent search")
        found["several_answers"] = {}
        for name, settings in SEVERAL.items():
            random = torch.Generator().manual_seed(seed)
            fed = several_answers.with_noise(begun.generator, NOISE, random)
            chosen = recipe({"noise": NOISE} | settings, seed, plan["dtype"], device)
            state = trained(chosen, train, device, fed)
            one = masks[FAMILIES[0]]
            found["several_answers"][name] = _several(state, images, one, frechet)
            progress.say(f"seed {seed}  several answers, {name}")
        yield found


def _row(state, images, masks: dict, frechet, first: Nested | None) -> Nested:
    """PSNR and distance by family, and both beside those of `first`."""
    row: Nested = {"training_seconds": state and state.seconds}
    for family, one in masks.items():
        score: Nested = dict.fromkeys(("masked_l1", "masked_psnr", "composite_frechet"))
        if state is not None:
            composites = inpainting.fill(state.average, images, one)
            score["masked_l1"] = float(masked_metrics.masked_l1(composites, images, one).mean())
            score["masked_psnr"] = float(masked_metrics.masked_psnr(composites, images, one))
            score["composite_frechet"] = frechet(composites)
        if first is not None:
            whole = state is not None
            base = first[family]
            score["psnr_lost"] = base["masked_psnr"] - score["masked_psnr"] if whole else None
            score["frechet_over_l1_alone"] = (
                score["composite_frechet"] / base["composite_frechet"] if whole else None
            )
        row[family] = score
    return row


def _search(plan: Nested, plain, train, images, seed: int, device: torch.device) -> Nested:
    """Latent search and the network on the same few images and holes."""
    settings = recipes.course_recipe(device, steps=plan["gan_steps"], seed=seed, group=0)
    gan = training.GanState.create(settings, device)
    for _ in training.train_gan(gan, train, every=settings.steps):
        pass
    count = min(plan["searched_images"], len(images))
    some, masks = images[:count], masks_of(FAMILIES[0], count, seed)
    random = torch.Generator(device).manual_seed(seed)
    search = latent_search.Settings(**plan["search_settings"])
    start = time.perf_counter()
    result = latent_search.search(gan.average, some.to(device), masks.to(device), random, search)
    seconds = time.perf_counter() - start
    inpainting.fill(plain.average, some, masks)  # the first pass pays for one-off set-up
    start = time.perf_counter()
    ours = inpainting.fill(plain.average, some, masks)
    own = time.perf_counter() - start

    def scored(composites) -> Nested:
        return {
            "masked_l1": float(masked_metrics.masked_l1(composites, some, masks).mean()),
            "masked_psnr": float(masked_metrics.masked_psnr(composites, some, masks)),
        }

    return {
        "search": scored(result.composites.cpu())
        | {"seconds_per_image": seconds / count, "passes": result.passes.total},
        "network": scored(ours) | {"seconds_per_image": own / count, "passes": 1},
        "search_over_network_seconds": seconds / own,
        "gan_training_seconds": gan.seconds,
    }


def _several(
    state: inpainting.InpaintState | None, images: Tensor, masks: Tensor, frechet
) -> Nested:
    """The spread of several answers, what is gained by the best or their mean, and realism."""
    names = ("spread", "l1_of_one", "l1_of_the_best", "l1_of_the_mean")
    names += ("psnr_of_one", "psnr_of_the_mean", "composite_frechet", "training_seconds")
    if state is None:
        return dict.fromkeys(names)
    count = min(len(images), 1_000)
    some, hole = images[:count], masks[:count]
    random = torch.Generator().manual_seed(0)
    found = several_answers.several(state.average, some, hole, ANSWERS, random)
    errors = torch.stack([masked_metrics.masked_l1(one, some, hole) for one in found])
    mean = found.mean(dim=0)
    (one,) = several_answers.several(state.average, images, masks, 1, random)
    values = (
        several_answers.spread(found, hole).mean(),
        errors.mean(),
        errors.amin(dim=0).mean(),
        masked_metrics.masked_l1(mean, some, hole).mean(),
        masked_metrics.masked_psnr(found[0], some, hole),
        masked_metrics.masked_psnr(mean, some, hole),
        frechet(one),
        state.seconds,
    )
    return dict(zip(names, map(float, values), strict=True))
