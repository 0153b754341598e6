"""What the command line does: train, sample, evaluate, and say which data there are."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from course_lib import (
    checkpoints,
    classification,
    data,
    distributed,
    files,
    metrics,
    plotting,
    recipes,
    results,
    training,
)
from course_lib.models.classifier import Classifier

SAVE_EVERY = 30.0  # seconds between two checkpoints of a training, at least


class CommandError(Exception):
    """A command that cannot do what was asked; the message is one line and says what to do."""


@contextmanager
def stop_on_interrupt() -> Iterator[dict[str, bool]]:
    """Turn the first Ctrl-C into a wish to stop, so that a step is never left half done.

    A second Ctrl-C interrupts at once.
    """
    wish = {"stop": False}

    def remember(number: int, frame: object) -> None:
        wish["stop"] = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)


def writable(folder: Path) -> Path:
    """Make the folder if needed and be sure that files can be written to it.

    Raises:
        CommandError: if not, before any work is done.
    """
    try:
        with files.whole(folder / "probe") as aside:
            aside.touch()
        (folder / "probe").unlink()
    except OSError as error:
        raise CommandError(
            f"cannot write to {folder} ({error.strerror}). Choose another folder with --out."
        ) from error
    return folder


def train_dcgan(
    *,
    out: Path,
    device: torch.device,
    data_name: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    plain: bool = False,
    resume: bool = False,
    compiled: bool = False,
) -> int:
    """Train the DCGAN, keep a checkpoint about every half minute, and leave a folder of results.

    Returns:
        The exit code: 0 when training is complete, 130 when it was interrupted.

    Raises:
        CommandError, DataError, CheckpointError: with one line that says what to do.
    """
    checkpoint = out / "checkpoint.safetensors"

    def begin() -> tuple[training.GanState, dict] | None:
        writable(out)
        if checkpoint.is_dir():
            raise CommandError(f"{checkpoint} is a folder; move it, or choose another --out")
        if not resume:
            if checkpoint.is_file():
                print(f"Replacing the earlier training in {out}; --resume would go on with it.")
            return None
        if steps or minutes or seed is not None or plain or data_name:
            raise CommandError(
                "--resume goes on with the settings of the checkpoint; leave out --steps, "
                "--minutes, --seed, --plain and --data"
            )
        return checkpoints.load_state(checkpoint, device)

    with distributed.joined(device) as (world, device):
        # With several processes the first one alone prints and needs the folder.
        found = world.first(begin)
        if resume:
            recipe, info = world.tell(found and (found[0].recipe, found[1]))
            state = found[0] if found else training.GanState.create(recipe, device)
            name = trained_on(info, checkpoint)
            world.first(lambda: print(f"Going on from step {state.step} of {recipe.steps}."))
        else:
            name = data_name or "fashion-mnist"
            recipe = recipes.course_recipe(device, name, seed=seed or 0)
            if plain:
                same = {key: getattr(recipe, key) for key in ("channels", "size", "seed")}
                width = recipe.discriminator_width or recipe.width  # of both, as in the paper
                recipe = recipes.paper_recipe(recipe.steps, width=width, **same)
            world.share_size(recipe.batch, recipe.group)
            world.first(
                lambda: print("Measuring which number format is faster on this machine ...")
            )
            dtype = world.tell(world.first(lambda: training.faster_dtype(recipe, device)))
            recipe = replace(recipe, dtype=dtype)
            if minutes:
                steps = training.steps_in(minutes, recipe, device, world)
            if steps:
                rate = recipe.rate if plain else recipes.rate_for(steps)
                recipe = replace(recipe, steps=steps, rate=rate)
            state = training.GanState.create(recipe, device)
        distributed.spread(state, world)
        if compiled:
            state = state.compiled()
        images = world.machine_first(lambda: data.load_images(name, "train", recipe.size))
        where = str(device) if world.size == 1 else f"{device} in {world.size} processes"
        opening = (
            f"Training on {len(images)} images of {name} for {recipe.steps} steps of "
            f"{recipe.batch}, in {recipe.dtype} on {where}. Ctrl-C stops and keeps a checkpoint."
        )
        world.first(lambda: print(opening))
        with _translating(compiled):
            finished = run_with_progress(state, images, checkpoint, {"data": name})
    if world.rank == 0 and finished:
        results.leave(state, name, out)
    elif world.rank == 0:
        print(f"Stopped at step {state.step} of {recipe.steps}; the checkpoint is {checkpoint}.")
        print(f"To go on: python -m course_lib train dcgan --resume --out {out}")
    return 0 if finished else 130


def trained_on(info: dict, path: Path) -> str:
    """The name of the image set, which a training's file holds if a command wrote it.

    Raises:
        CommandError: if it does not.
    """
    if "data" not in info:
        raise CommandError(
            f"{path} does not say which images it was trained on, as files of this command do. "
            'Save it again from your program, with {"data": NAME} as its info.'
        )
    return info["data"]


@contextmanager
def _translating(compiled: bool) -> Iterator[None]:
    """Say what to do where `torch.compile` fails, as it does without a compiler."""
    try:
        yield
    except RuntimeError as error:
        if not compiled:
            raise
        from torch._dynamo.exc import TorchDynamoException  # takes seconds to import

        if not isinstance(error, TorchDynamoException):
            raise
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise CommandError(
            f"torch.compile could not translate the networks ({said[0]}). Leave out --compile, or "
            "install a C++ compiler, and Triton for a GPU."
        ) from error


def run_with_progress(
    state: training.GanState, images: data.ImageSet, checkpoint: Path, info: dict
) -> bool:
    """Train to the end or until Ctrl-C, with a progress bar and checkpoints; True at the end.

    With several processes all stop at the same record; the first one shows the bar and saves.
    """
    recipe, world, saved = state.recipe, state.world, time.perf_counter()
    look = {"unit": "step", "dynamic_ncols": True, "disable": world.rank > 0}
    bar = tqdm(total=recipe.steps, initial=state.step, **look)
    with stop_on_interrupt() as wish, bar:
        for record in training.train_gan(state, images, every=25):
            bar.update(record.step - bar.n)
            losses = record.losses
            bar.set_postfix_str(
                f"D {losses['discriminator']:.3f}, G {losses['generator']:.3f}, "
                f"{record.rate:.0f} images/s"
            )
            done, stop = record.step == recipe.steps, world.any(wish["stop"])
            if world.tell(done or stop or time.perf_counter() - saved > SAVE_EVERY):
                world.first(lambda: checkpoints.save_state(state, checkpoint, info))
                saved = time.perf_counter()
            if stop and not done:
                return False
    return True


def train_classifier(*, out: Path, device: torch.device, epochs: int, seed: int) -> int:
    """Train the course's feature extractor and measure with it what a distance means."""
    if out.is_dir():
        raise CommandError(f"{out} is a folder, expected a file for the weights; change --out")
    writable(out.parent)
    torch.manual_seed(seed)
    classifier = Classifier().to(device, memory_format=torch.channels_last)
    train = data.load_images("fashion-mnist", "train", 32)
    test = data.load_images("fashion-mnist", "test", 32)
    with tqdm(total=epochs * (len(train) // 128), unit="step", dynamic_ncols=True) as bar:
        dtype = classification.faster_dtype(device)
        records = classification.train_classifier(
            classifier, train, epochs=epochs, dtype=dtype, seed=seed
        )
        for record in records:
            bar.update(record.step - bar.n)
            bar.set_postfix_str(f"cross-entropy {record.losses['cross-entropy']:.3f}")
    share = classification.accuracy(classifier, test)
    classifier.eval()
    print("Measuring the floor and the Gaussian sampler ...")
    info = {"accuracy": share, "epochs": epochs, "seed": seed} | results.reference(
        classifier, device
    )
    checkpoints.save_classifier(classifier, out, info)
    print(f"Test accuracy {share:.4f}; weights in {out}; {info}")
    return 0


def load_run(run: Path, device: torch.device) -> tuple[results.Generate, int, dict]:
    """The generator of a run, its latent size, and what is known of it."""
    generator, info = checkpoints.load_generator(run / "generator.safetensors", device)
    return generator, generator.latent, info


def sample(
    *, run: Path, device: torch.device, count: int, seed: int, npy: Path | None, out: Path | None
) -> int:
    """Draw images: as a grid to look at, or as an array for a program."""
    generate, latent, _ = load_run(run, device)
    images = metrics.sample_images(generate, latent, count, seed, device)
    if npy:
        with files.whole(npy) as aside, open(aside, "wb") as opened:
            np.save(opened, images.numpy())
        print(f"{npy}: float32 {tuple(images.shape)} in [-1, 1]")
    if out:
        plotting.image_grid(images, alt=f"{count} generated images.").save(out)
        print(f"{out}: a grid of {count} images")
    return 0


def evaluate(*, run: Path, device: torch.device) -> int:
    """Print the quality of a finished run as JSON."""
    generate, latent, info = load_run(run, device)
    name = trained_on(info, run / "generator.safetensors")
    if name != "fashion-mnist":
        raise CommandError(
            f"the course's feature extractor knows Fashion-MNIST; this run is of {name}. Train "
            "on it, or compare with an extractor of your own: course_lib.metrics.RelativeFrechet"
        )
    print(json.dumps(results.quality(generate, latent, device), indent=2))
    return 0


def show_data() -> int:
    """Print which data sets are where and whether intact; 1 if the course's own is not."""
    records = data.available()
    for record in records:
        print(f"{record.name:14} {record.split:6} {record.state:12} {record.where}")
    own = [record.state for record in records if record.name == "fashion-mnist"]
    return 0 if all(state == "verified" for state in own) else 1
