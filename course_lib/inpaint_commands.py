"""What the command line does about holes: train a network to fill them, and fill a reader's own."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from course_lib import (
    data,
    files,
    fills,
    inpaint_checkpoints,
    inpainting,
    masked_metrics,
    photo_files,
    photographs,
    plotting,
    results,
    runtime,
)
from course_lib import masks as holes
from course_lib.commands import SAVE_EVERY, CommandError, stop_on_interrupt, trained_on, writable
from course_lib.inpaint_recipes import course_inpaint_recipe
from course_lib.photo_fill import fill_photo

COUNT = 200  # test images that a finished network is measured on, for each family of holes
MASK_SEED = 40_000  # of their holes


def load(name: str, split: str, size: int) -> data.ImageSet:
    """Images of a data set that `train inpaint` knows."""
    if name == "photographs":
        return photographs.load_photographs(split, size)
    return data.load_images(name, split, size)


def train_inpaint(
    *,
    out: Path,
    device: torch.device,
    data_name: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    adversarial: float | None = None,
    resume: bool = False,
) -> int:
    """Train a network that fills holes, keep checkpoints, and leave a folder of results.

    Returns:
        The exit code: 0 when training is complete, 130 when it was interrupted.

    Raises:
        CommandError, DataError, CheckpointError: with one line that says what to do.
    """
    writable(out)
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.is_dir():
        raise CommandError(f"{checkpoint} is a folder; move it, or choose another --out")
    if resume:
        if steps or minutes or seed is not None or data_name or adversarial is not None:
            raise CommandError(
                "--resume goes on with the settings of the checkpoint; leave out --steps, "
                "--minutes, --seed, --data and --adversarial"
            )
        state, info = inpaint_checkpoints.load_state(checkpoint, device)
        recipe, name = state.recipe, trained_on(info, checkpoint)
        print(f"Going on from step {state.step} of {recipe.steps}.")
    else:
        if checkpoint.is_file():
            print(f"Replacing the earlier training in {out}; --resume would go on with it.")
        name = data_name or "fashion-mnist"
        # With critics there is no momentum, as in lesson 09.
        judged = {"adversarial": adversarial, "betas": (0.0, 0.99)} if adversarial else {}
        recipe = course_inpaint_recipe(device, name, seed=seed or 0, **judged)
        print("Measuring which number format is faster on this machine ...")
        recipe = replace(recipe, dtype=inpainting.faster_dtype(recipe, device))
        if minutes:
            steps = inpainting.steps_in(minutes, recipe, device)
        recipe = replace(recipe, steps=steps or recipe.steps)
        state = inpainting.InpaintState.create(recipe, device)
    images = load(name, "train", recipe.size)
    print(
        f"Training on {len(images)} images of {name} for {recipe.steps} steps of {recipe.batch}, "
        f"in {recipe.dtype} on {device}. Ctrl-C stops and keeps a checkpoint."
    )
    if not _run_with_progress(state, images, checkpoint, {"data": name}):
        print(f"Stopped at step {state.step} of {recipe.steps}; the checkpoint is {checkpoint}.")
        print(f"To go on: python -m course_lib train inpaint --resume --out {out}")
        return 130
    _leave(state, name, out)
    return 0


def _run_with_progress(
    state: inpainting.InpaintState, images: data.ImageSet, checkpoint: Path, info: dict
) -> bool:
    """Train to the end or until Ctrl-C, with a progress bar and checkpoints; True at the end."""
    recipe, saved = state.recipe, time.perf_counter()
    bar = tqdm(total=recipe.steps, initial=state.step, unit="step", dynamic_ncols=True)
    with stop_on_interrupt() as wish, bar:
        for record in inpainting.train_inpainting(state, images, every=25):
            bar.update(record.step - bar.n)
            bar.set_postfix_str(f"loss {record.losses['loss']:.4f}, {record.rate:.0f} images/s")
            done, stop = record.step == recipe.steps, wish["stop"]
            if done or stop or time.perf_counter() - saved > SAVE_EVERY:
                inpaint_checkpoints.save_state(state, checkpoint, info)
                saved = time.perf_counter()
            if stop and not done:
                return False
    return True


def _leave(state: inpainting.InpaintState, name: str, out: Path) -> None:
    """Write the network, its history, what it fills, and how well."""
    recipe = state.recipe
    info = {"data": name, "seed": recipe.seed, "steps": recipe.steps}
    inpaint_checkpoints.save_network(state.average, out / "network.safetensors", info)
    if state.history:
        results.write_history(state.history, out / "history.csv")
    test = load(name, "test", recipe.size)
    count = min(COUNT, len(test))
    images = test.batch(range(count))
    noise = None
    if recipe.noise:
        noise = torch.randn(count, recipe.noise, generator=torch.Generator().manual_seed(0))
    report, rows, names = {}, [], list(holes.FAMILIES)
    for family in names:
        random = torch.Generator().manual_seed(MASK_SEED)
        masks = holes.draw(family, count, recipe.size, recipe.size, random)
        network = partial(inpainting.fill, state.average, z=noise)
        ways = {"network": network, "harmonic": fills.harmonic_fill}
        filled = {way: fill(images, masks) for way, fill in ways.items()}
        report[family] = {
            way: masked_metrics.scores(answers, images, masks) for way, answers in filled.items()
        }
        rows += [holes.hide(images[:1], masks[:1]), *(one[:1] for one in filled.values())]
        rows.append(images[:1])
    plotting.image_grid(
        torch.cat(rows),
        columns=4,
        titles=["with a hole", "network", "harmonic", "truth"],
        row_labels=names,
        alt="For each family of holes an image with its hole, two ways to fill it, and the truth.",
    ).save(out / "filled.png")
    files.write_json(
        out / "metrics.json",
        {
            "data": name,
            "seconds": round(state.seconds, 1),
            "recipe": asdict(recipe),
            "environment": runtime.environment(state.device),
            "compared": count,
            "families": report,
        },
    )
    print("Mean absolute error over missing pixels, images in [-1, 1]:")
    for family, ways in report.items():
        said = ", ".join(f"{way} {score['masked_l1']:.4f}" for way, score in ways.items())
        print(f"  {family:17} {said}")
    print(f"Now open {out / 'filled.png'}, or fill an image of yours: python -m course_lib inpaint")


def inpaint(
    *,
    image: Path,
    mask: Path,
    out: Path,
    method: str,
    run: Path,
    device: torch.device,
    seed: int = 0,
    invert: bool = False,
    large: bool = False,
) -> int:
    """Fill the hole in a reader's image; every known pixel of the file stays as it is.

    Returns:
        The exit code 0.

    Raises:
        CommandError: if image, mask or output cannot be used; one line that says what to do.
        CheckpointError: if there is no trained network.
    """
    try:
        photo_files.lossless(out)
        for given in (image, mask):
            if out.resolve() == given.resolve():
                raise CommandError(f"{out} would be replaced by the result; choose another --out")
        photo = photo_files.read_photo(image)
        missing = photo_files.read_mask(mask, *photo.pixels.shape[:2], invert)
        way: str | nn.Module = method
        if method == "network":
            way, info = inpaint_checkpoints.load_network(run / "network.safetensors", device)
            print(f"A network trained on {info['data']}: other images may be filled badly.")
        filled = fill_photo(photo, missing, way, seed, most=1.0 if large else holes.MOST)
        photo_files.write_photo(filled, out)
    except photo_files.PhotoError as error:
        raise CommandError(str(error)) from error
    height, width = missing.shape
    if photo.alpha is not None and not photo.alpha[missing].all():
        print("The hole is transparent in places and stays so: remove the alpha channel to see it.")
    print(f"{out}: {width} x {height} pixels, {int(missing.sum())} of them filled")
    return 0
