"""Classical fills and six networks on held-out images and holes of five families (lesson 13).

Every network is trained on Fashion-MNIST with the same number of steps, batch and learning rate, on
four families of holes; the fifth, half an image, none of them has seen. What a fill can be tuned in
is chosen on training images that are kept from everything else. One network is also given the
median of the nearest training images; in training these are looked up among images that it is not
trained on, as each image's nearest would be itself. Compared are, over the missing
pixels of the same test images: the mean absolute error (images are in [-1, 1]), the PSNR in dB, the
structural similarity; and of the composites the relative Fréchet distance to the very images that
were filled, 0 for a perfect answer. Seconds are of filling, an image, and of training.
The U-Net's error is also divided by that of the best classical fill, with those that look up
training images and without them, and by that of the best linear answer; that of the network with
the nearest images by the first of these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import checkpoints, data, fills, inpainting, masked_metrics, metrics
from course_lib import masks as holes
from course_lib.data import ImageSet
from course_lib.inpaint_recipes import TRAINED, InpaintRecipe, course_inpaint_recipe
from course_lib.models import inpainting as models
from course_lib.models.architectures import parameters

STEPS = 2_500
KEPT = 1_000  # of the training images, for the tuning of fills
TUNING = 100  # of those, how many are filled for it
COUNT = 500  # test images that are filled
MASK_SEED = 30_000  # of the holes, apart from the seeds of training
NEIGHBOURS, PATCHES, NOISES = (1, 5, 15, 31), (5, 7, 9), (1e-3, 1e-2)
#: Gated convolutions have twice the weights at the same width, so theirs is less.
ROWS: dict[str, dict[str, object]] = {
    "context encoder, L2": {"network": "context", "width": 32, "loss": "l2"},
    "U-Net, L2": {"loss": "l2"},
    "U-Net, L1": {},
    "U-Net, L1, partial convolutions": {"network": "partial"},
    "U-Net, L1, gated convolutions": {"network": "gated", "width": 12},
}
BEST = "U-Net, L1"
GUIDED = "U-Net, L1, shown nearest images"  # with the settings of the one before
LOOKED_UP = 20_000  # training images among which its nearest are looked up in training, at most
LEARNT = "Gaussian"  # a fill, but not a classical one: the ratios leave it out
ONE_IMAGE = ("mean", "harmonic", "biharmonic", "patches")  # know the image that they fill, no other

Numbers = dict[str, float | None]


def fashion() -> tuple[ImageSet, ImageSet, ImageSet]:
    """Images for training, for tuning, and for the test, 32 x 32."""
    train, test = (data.load_images("fashion-mnist", split, 32) for split in ("train", "test"))
    kept = max(1, min(KEPT, len(train) // 10))

    def part(some: slice) -> ImageSet:
        return replace(train, images=train.images[some], labels=train.labels[some])

    return part(slice(None, -kept)), part(slice(-kept, None)), test


def masks_of(family: str, count: int, seed: int) -> Tensor:
    """The holes of one family for so many images of 32 x 32: (count, 1, 32, 32)."""
    return holes.draw(family, count, 32, 32, torch.Generator().manual_seed(MASK_SEED + seed))


def recipe(settings: dict[str, object], seed: int, dtype: str, device: torch.device):
    """The recipe of a row."""
    return course_inpaint_recipe(device, steps=STEPS, seed=seed, dtype=dtype, **settings)


def tuned(train: ImageSet, tuning: ImageSet) -> Nested:
    """The settings of each fill with which the tuning images' mean absolute error is least."""
    images = tuning.take(min(TUNING, len(tuning))).batch(range(min(TUNING, len(tuning))))

    def best(make: Callable[[float], fills.Fill], values: tuple) -> float:
        errors = {}
        for value in values:
            fill, found = make(value), []
            for family in TRAINED:
                masks = masks_of(family, len(images), -1)
                found.append(masked_metrics.masked_l1(fill(images, masks), images, masks).mean())
            errors[value] = float(torch.stack(found).mean())
        return min(errors, key=errors.get)

    return {
        "neighbours": best(lambda value: fills.NearestImages(train, value), NEIGHBOURS),
        "patch": best(lambda value: partial(fills.patch_fill, patch=value), PATCHES),
        "gaussian_noise": best(lambda value: fills.GaussianFill(train, value), NOISES),
    }


def fills_of(train: ImageSet, settings: Nested) -> dict[str, fills.Fill]:
    """Every fill that is compared, with the settings that `tuned` chose."""
    return {
        "mean": fills.mean_fill,
        "mean image": fills.MeanImage(train),
        "nearest images": fills.NearestImages(train, settings["neighbours"]),
        "harmonic": fills.harmonic_fill,
        "biharmonic": fills.biharmonic_fill,
        "patches": partial(fills.patch_fill, patch=settings["patch"]),
        LEARNT: fills.GaussianFill(train, settings["gaussian_noise"]),
    }


def measure(fill: fills.Fill, images: Tensor, masks: Tensor, frechet) -> Numbers:
    """The scores of a fill and its seconds an image."""
    start = time.perf_counter()
    answers = fill(images, masks)
    seconds = (time.perf_counter() - start) / len(images)
    found = masked_metrics.scores(answers, images, masks, frechet)
    del found["hole_area"]
    return found | {"seconds_per_image": seconds}


def trained(
    chosen: InpaintRecipe, images: ImageSet, device: torch.device, network: nn.Module | None = None
) -> inpainting.InpaintState | None:
    """A finished training from a network, which it changes, or a fresh one; None if it diverged."""
    state = inpainting.InpaintState.create(chosen, device, network)
    try:
        for _ in inpainting.train_inpainting(state, images, every=chosen.steps):
            pass
    except FloatingPointError:
        return None
    return state


def guided(
    chosen: InpaintRecipe, train: ImageSet, neighbours: int
) -> tuple[models.GuidedUNet, ImageSet]:
    """The network that is shown the nearest images, and the images to train it on.

    Those that it looks up are no more than a third of all.
    """
    count = min(LOOKED_UP, len(train) // 3)
    seen = replace(train, images=train.images[:count], labels=train.labels[:count])
    rest = replace(train, images=train.images[count:], labels=train.labels[count:])
    guide = fills.NearestImages(seen, neighbours, held=True).median
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(chosen.seed)
        network = models.GuidedUNet(guide, chosen.channels, width=chosen.width, kind=chosen.network)
    return network, rest


def plan(device: torch.device) -> Nested:
    """Sizes, the faster number format, what the fills are tuned to, and each network's settings."""
    train, tuning, _ = fashion()
    base = recipe({}, 0, "float32", device)
    dtype = inpainting.faster_dtype(base, device)
    rows = {}
    for name, settings in ROWS.items():
        one = recipe(settings, 0, dtype, device)
        network = inpainting.InpaintState.create(one, device).generator
        kept = {key: asdict(one)[key] for key in ("network", "width", "loss")}
        rows[name] = {"settings": kept, "parameters": parameters(network)}
    network, rest = guided(recipe({}, 0, dtype, device), train, 1)
    count = len(train) - len(rest)
    rows[GUIDED] = {
        "settings": rows[BEST]["settings"] | {"looked_up": count},
        "parameters": parameters(network),
    }
    return {
        "steps": STEPS,
        "batch": base.batch,
        "dtype": dtype,
        "trained_on": list(TRAINED),
        "test_images": COUNT,
        "tuned": tuned(train, tuning),
        "networks": rows,
    }


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Every method on every family, under one seed of networks and holes after the other."""
    train, _, test = fashion()
    count = min(plan["test_images"], len(test))
    images = test.batch(range(count))
    classifier, _ = checkpoints.load_classifier(device)
    frechet = metrics.RelativeFrechet(classifier, images, device)
    classical = fills_of(train, plan["tuned"])
    progress = Progress(len(repeats) * (len(plan["networks"]) + len(holes.FAMILIES)))
    for seed in repeats:
        methods, training = dict(classical), {}
        for name in plan["networks"]:
            chosen = recipe(ROWS[BEST if name == GUIDED else name], seed, plan["dtype"], device)
            begin, own = None, train
            if name == GUIDED:
                begin, own = guided(chosen, train, plan["tuned"]["neighbours"])
            state = trained(chosen, own, device, begin)
            if state and begin:  # of the test images none is among those that are looked up
                state.average.guide = classical["nearest images"].median
            methods[name] = state and partial(inpainting.fill, state.average)
            training[name] = {
                "training_seconds": state and state.seconds,
                "images_per_second": state and chosen.steps * chosen.batch / state.seconds,
            }
            said = "diverged" if state is None else f"{state.seconds:.0f} s"
            progress.say(f"seed {seed}  trained {name}: {said}")
        found: Nested = {"networks": training, "families": {}}
        for family in holes.FAMILIES:
            masks = masks_of(family, count, seed)
            scores = {name: _scored(fill, images, masks, frechet) for name, fill in methods.items()}
            errors = {name: score["masked_l1"] for name, score in scores.items()}
            best = min(errors[name] for name in classical if name != LEARNT)
            alone = min(errors[name] for name in ONE_IMAGE)
            ours, shown = errors[BEST], errors[GUIDED]
            found["families"][family] = {
                "hole_area": float(holes.share(masks).mean()),
                "methods": scores,
                "l1_over_best_classical": None if ours is None else ours / best,
                "l1_over_best_of_one_image": None if ours is None else ours / alone,
                "l1_over_gaussian": None if ours is None else ours / errors[LEARNT],
                "guided_l1_over_best_classical": None if shown is None else shown / best,
            }
            said = "none" if ours is None else f"{ours:.4f}"
            progress.say(f"seed {seed}  {family:17} {BEST} {said}, best classical {best:.4f}")
        yield found


def _scored(fill: fills.Fill | None, images: Tensor, masks: Tensor, frechet) -> Numbers:
    """The scores of a method, all None if its training diverged."""
    if fill is None:
        names = ("masked_l1", "masked_psnr", "masked_ssim", "composite_frechet")
        return dict.fromkeys((*names, "seconds_per_image"))
    return measure(fill, images, masks, frechet)
