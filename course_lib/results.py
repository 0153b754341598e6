"""What a finished training leaves: its generator, pictures, history and metrics."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from course_lib import checkpoints, data, files, metrics, plotting, runtime, training
from course_lib.latent import slerp
from course_lib.models.classifier import Classifier
from course_lib.models.gaussian import GaussianSampler

Generate = Callable[[Tensor], Tensor]

COUNT = 10_000  # images that are compared: as many as there are test images
SAMPLE_SEED = 20_000  # of the latent vectors of pictures and metrics, apart from training's seeds


def leave(state: training.GanState, data_name: str, out: Path) -> None:
    """Write the generator, pictures, history and metrics of a finished training."""
    recipe, device = state.recipe, state.device
    info = {"data": data_name, "seed": recipe.seed, "steps": recipe.steps}
    checkpoints.save_generator(state.average, out / "generator.safetensors", info)
    write_history(state.history, out / "history.csv")
    samples = metrics.sample_images(state.generate, recipe.latent, 64, SAMPLE_SEED, device)
    plotting.image_grid(
        samples, columns=8, alt=f"64 images drawn by the generator trained on {data_name}."
    ).save(out / "samples.png")
    plotting.training_figure(
        state.history, alt="Losses of the discriminator and the generator by images seen."
    ).save(out / "curves.png")
    rows = interpolation(state.generate, recipe.latent, device)
    plotting.image_grid(
        rows, columns=10, alt="Six rows of images, each a path between two latent vectors."
    ).save(out / "interpolation.png")
    report = {
        "data": data_name,
        "relative_frechet_distance": None,
        "seconds": round(state.seconds, 1),
        "images_per_second": round(recipe.steps * recipe.batch / state.seconds, 1),
        "images": recipe.steps * recipe.batch,
        "seed": recipe.seed,
        "dtype": recipe.dtype,
        "processes": state.world.size,
        "recipe": asdict(recipe),
        "environment": runtime.environment(device),
    }
    if data_name == "fashion-mnist":
        print(f"Comparing {COUNT} generated images with the {COUNT} test images ...")
        report |= quality(state.generate, recipe.latent, device)
    files.write_json(out / "metrics.json", report)
    if data_name == "fashion-mnist":
        print(
            f"Relative Fréchet distance {report['relative_frechet_distance']:.4f} "
            f"(training images {report['floor']:.4f}, Gaussian sampler "
            f"{report['gaussian_sampler']:.2f}); {report['seconds']:.0f} s of training at "
            f"{report['images_per_second']:.0f} images/s."
        )
    print(f"Now open {out / 'samples.png'}, then the lessons: make lab")


def quality(generate: Generate, latent: int, device: torch.device) -> dict[str, object]:
    """The generator's relative Fréchet distance, beside the two values that give it meaning."""
    classifier, info = checkpoints.load_classifier(device)
    test = data.load_images("fashion-mnist", "test", 32)
    measure = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)
    images = metrics.sample_images(generate, latent, COUNT, SAMPLE_SEED, device)
    return {
        "relative_frechet_distance": measure(images),
        "floor": info["floor"],
        "gaussian_sampler": info["gaussian_sampler"],
        "compared": COUNT,
        "features": f"course classifier, test accuracy {info['accuracy']:.4f}",
    }


def interpolation(generate: Generate, latent: int, device: torch.device) -> Tensor:
    """Six paths of ten images between latent vectors, on the sphere: (60, C, H, W)."""
    random = torch.Generator().manual_seed(SAMPLE_SEED + 1)
    start, end = torch.randn(2, 6, latent, generator=random)  # (6, Z) each
    paths = [slerp(start, end, t) for t in torch.linspace(0, 1, 10)]
    z = torch.stack(paths, dim=1).flatten(0, 1)  # (60, Z)
    return generate(z.to(device)).float().cpu()


def write_history(history: list[training.Record], path: Path) -> None:
    """Write the records as a table: step, images, seconds, rate and one column a loss."""
    with files.whole(path) as aside, open(aside, "w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(["step", "images", "seconds", "rate", *history[0].losses])
        for record in history:
            numbers = (record.seconds, record.rate, *record.losses.values())
            table.writerow([record.step, record.images, *(f"{value:.6g}" for value in numbers)])


def reference(classifier: Classifier, device: torch.device) -> dict[str, float]:
    """What the relative Fréchet distance is for real training images and for a Gaussian sampler."""
    test = data.load_images("fashion-mnist", "test", 32)
    train = data.normalise(data.load_images("fashion-mnist", "train", 32).images)
    measure = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)
    drawn = GaussianSampler(train).sample(COUNT, SAMPLE_SEED)
    return {"floor": measure(train[:COUNT]), "gaussian_sampler": measure(drawn)}
