"""The real benchmarks, made small: few images, narrow networks, a few steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import __main__ as benchmarks
from benchmarks import (
    adversarial_inpainting,
    arithmetic,
    collapse,
    equal_quality,
    gan_losses,
    guidelines,
    inpainting,
    measuring,
    modes,
    quality,
    running,
    safeguards,
    stabilising,
    summary,
    ten_minutes,
    textbook_time,
    throughput,
    time_to_quality,
)
from course_lib import data, inpaint_recipes, latent_search, recipes, training
from course_lib import inpainting as inpaint_training

CPU = torch.device("cpu")
RECIPE = recipes.Recipe(steps=6, batch=8, latent=5, size=8, width=4, r1=1.0, r1_every=2)
load = data.load_images  # as it is, whatever a test replaces


def tiny_images() -> data.ImageSet:
    """Forty noise images for `RECIPE`."""
    random = torch.Generator().manual_seed(9)
    pixels = torch.randint(0, 256, (40, 1, 8, 8), generator=random, dtype=torch.uint8)
    return data.ImageSet("tiny", "train", pixels, torch.zeros(40).long(), ("any",), "a test")


def shrink(monkeypatch, tmp_path: Path) -> Path:
    """Make every benchmark a matter of seconds; results and figures go to the folder returned."""
    monkeypatch.setattr(data, "load_images", lambda *names: load(*names).take(600))
    monkeypatch.setattr(recipes, "CPU", recipes.Budget("fashion-mnist", 10, 8, 32, 4))
    monkeypatch.setattr(training, "faster_dtype", lambda recipe, device: "float32")
    monkeypatch.setattr(training, "steps_in", lambda minutes, recipe, device: 2 * minutes)
    monkeypatch.setattr(measuring, "COUNT", 300)
    monkeypatch.setattr(measuring, "EVERY", 2)
    monkeypatch.setattr(arithmetic, "SIZES", (8, 16))
    for module in (throughput, safeguards):
        monkeypatch.setattr(module, "SECONDS", 0.01)
    monkeypatch.setattr(time_to_quality, "STEPS", 10)
    monkeypatch.setattr(time_to_quality, "GOAL", 1e9)
    monkeypatch.setattr(modes, "STEPS", 3)
    monkeypatch.setattr(modes, "TRAINED", 200)
    monkeypatch.setattr(modes, "COUNT", 150)
    monkeypatch.setattr(quality, "MINUTES", 1)
    monkeypatch.setattr(ten_minutes, "MINUTES", 2)
    monkeypatch.setattr(textbook_time, "MINUTE", 0.01)
    monkeypatch.setattr(textbook_time, "MINUTES", 3)
    monkeypatch.setattr(textbook_time, "KEPT", (1, 3))
    monkeypatch.setattr(collapse, "EPOCH", 80)
    monkeypatch.setattr(collapse, "FACTORS", (1.0, 2.0))
    monkeypatch.setattr(collapse, "MEASUREMENTS", 3)
    monkeypatch.setattr(equal_quality, "STEPS", 3)
    monkeypatch.setattr(gan_losses, "STEPS", 2)
    monkeypatch.setattr(guidelines, "STEPS", 2)
    monkeypatch.setattr(guidelines, "RULES", (guidelines.PLAIN, "Adam with beta1 = 0.9"))
    monkeypatch.setattr(stabilising, "STEPS", 2)
    monkeypatch.setattr(stabilising, "WIDTH", 4)
    monkeypatch.setattr(inpaint_recipes, "CPU", recipes.CPU)
    monkeypatch.setattr(inpaint_training, "faster_dtype", lambda recipe, device: "float32")
    for module in (inpainting, adversarial_inpainting):
        monkeypatch.setattr(module, "STEPS", 2)
    monkeypatch.setattr(inpainting, "COUNT", 20)
    monkeypatch.setattr(inpainting, "TUNING", 4)
    monkeypatch.setattr(inpainting, "NEIGHBOURS", (1, 3))
    monkeypatch.setattr(inpainting, "PATCHES", (5,))
    monkeypatch.setattr(adversarial_inpainting, "MORE", 2)
    monkeypatch.setattr(adversarial_inpainting, "GAN_STEPS", 2)
    monkeypatch.setattr(adversarial_inpainting, "WEIGHTS", (0.0, 0.1))
    monkeypatch.setattr(adversarial_inpainting, "SEARCHED", 3)
    monkeypatch.setattr(adversarial_inpainting, "ANSWERS", 3)
    settings = latent_search.Settings(steps=3, starts=2)
    monkeypatch.setattr(adversarial_inpainting, "SEARCH", settings)
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(benchmarks, "DOCS", tmp_path / "docs")
    return tmp_path


def result_of(name: str, folder: Path, repeats: int = 1) -> dict:
    """What a benchmark stores when it is run with so many seeds or rounds."""
    benchmark = replace(benchmarks.BENCHMARKS[name], repeats=repeats)
    path = folder / "results" / f"{name}.json"
    running.run(benchmark, path, CPU)
    stored = json.loads(path.read_text(encoding="utf-8"))
    counts = {len(found["values"]) for _, found in summary.spreads(stored)}
    assert counts == {repeats}
    assert stored["date"] and stored["environment"]["torch"] and len(stored["code"]) == 16
    assert name in running.shown(name, benchmark, stored)
    return stored
