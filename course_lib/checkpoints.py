"""Training states and generators on disk: safetensors, written whole, read back to the bit.

A file holds tensors, and in its header a description in JSON: which format, which version, and what
is needed to build the networks again. Nothing in it can run code when it is opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib import files
from course_lib.models.classifier import Classifier
from course_lib.models.dcgan import Generator
from course_lib.recipes import Recipe
from course_lib.training import GanState, Record

VERSION = 1


class CheckpointError(Exception):
    """A file that is missing, damaged or of another kind; the message says what to do."""


def _write(path: Path, kind: str, tensors: dict[str, Tensor], description: dict) -> None:
    header = {"kind": kind, "version": str(VERSION), "description": json.dumps(description)}
    # safetensors wants plain row-major tensors; channels-last ones are copied.
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with files.whole(path) as aside:
        save_file(plain, aside, header)


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    """Say of the file at `path` that it does not fit when a network or a setting in it does not."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise  # a RuntimeError, and no fault of the file
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit this version of the course ({type(error).__name__}: {error}). "
            "Delete it and train again."
        ) from error


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict]:
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, expected a file. Move the folder away.")
    if not path.is_file():
        raise CheckpointError(f"{path} is not there. Train first: python -m course_lib train dcgan")
    try:
        with safe_open(path, "pt") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except PermissionError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}). Ask its owner for the right to "
            "read it, or for a copy."
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}). Delete it and train again."
        ) from error
    if header.get("kind") != kind:
        raise CheckpointError(
            f"{path} holds {header.get('kind', 'something else')!r}, expected {kind!r}."
        )
    if not header.get("version", "").isdecimal() or int(header["version"]) > VERSION:
        raise CheckpointError(
            f"{path} is of version {header.get('version')!r}; this program reads up to {VERSION}. "
            "Update the course."
        )
    with _fitting(path):
        return tensors, json.loads(header["description"])


def _prefixed(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}


def _without(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "."
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def _adam_tensors(prefix: str, adam: torch.optim.Adam) -> dict[str, Tensor]:
    return {
        f"{prefix}.{index}.{name}": tensor
        for index, moments in adam.state_dict()["state"].items()
        for name, tensor in moments.items()
    }


def _restore_adam(adam: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    moments = {}
    for index, parameter in enumerate(adam.param_groups[0]["params"]):
        # The fused optimiser walks through memory without looking at strides: a moment must
        # lie in memory in the same order as its channels-last weight.
        moments[index] = {
            part: torch.empty_like(parameter).copy_(tensors[f"{index}.{part}"])
            for part in ("exp_avg", "exp_avg_sq")
        } | {"step": tensors[f"{index}.step"]}
    adam.load_state_dict({**adam.state_dict(), "state": moments})


def save_state(state: GanState, path: Path, info: dict) -> None:
    """Write everything that training needs to go on as if it had never stopped.

    Args:
        state: between two records, when it is consistent.
        path: file to write; an older one stays whole until the new one is complete.
        info: anything worth keeping beside it that JSON can hold, such as the name of the data.
    """
    tensors = (
        _prefixed("generator", state.generator)
        | _prefixed("discriminator", state.discriminator)
        | _prefixed("average", state.average)
        | _adam_tensors("generator_adam", state.generator_adam)
        | _adam_tensors("discriminator_adam", state.discriminator_adam)
    )
    description = {
        "recipe": asdict(state.recipe),
        "step": state.step,
        "seconds": state.seconds,
        "history": [asdict(record) for record in state.history],
        "info": info,
    }
    _write(path, "dcgan training state", tensors, description)


def load_state(path: Path, device: torch.device) -> tuple[GanState, dict]:
    """Read a training state back, on the device, and the information kept with it.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind or of a newer version.
    """
    tensors, description = _read(path, "dcgan training state")
    with _fitting(path):
        state = GanState.create(Recipe(**description["recipe"]), device)
        for name in ("generator", "discriminator", "average"):
            getattr(state, name).load_state_dict(_without(name, tensors))
        state.step = description["step"]
        if state.step:  # before its first step an optimiser has no moments
            _restore_adam(state.generator_adam, _without("generator_adam", tensors))
            _restore_adam(state.discriminator_adam, _without("discriminator_adam", tensors))
        state.seconds = description["seconds"]
        state.history = [Record(**record) for record in description["history"]]
        return state, description["info"]


def save_generator(generator: Generator, path: Path, info: dict) -> None:
    """Write a generator with its configuration.

    Args:
        generator: the network to keep, usually the averaged one.
        path: file to write.
        info: anything worth keeping beside it that JSON can hold: data set, seed, steps.
    """
    tensors = dict(generator.state_dict())
    _write(path, "dcgan generator", tensors, {"config": generator.config, "info": info})


def load_generator(path: Path, device: torch.device) -> tuple[Generator, dict]:
    """Read a generator, in evaluation mode on the device, and the information kept with it.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind or of a newer version.
    """
    tensors, description = _read(path, "dcgan generator")
    with _fitting(path):
        generator, info = Generator(**description["config"]), description["info"]
        generator.load_state_dict(tensors)
    generator.to(device, memory_format=torch.channels_last)
    return generator.requires_grad_(False).eval(), info


CLASSIFIER = Path(__file__).parent / "weights" / "classifier.safetensors"


def save_classifier(classifier: Classifier, path: Path, info: dict) -> None:
    """Write the course's classifier with what is known of its training."""
    _write(path, "classifier", dict(classifier.state_dict()), {"info": info})


def load_classifier(device: torch.device, path: Path = CLASSIFIER) -> tuple[Classifier, dict]:
    """The course's feature extractor, trained, in evaluation mode, and what is known of it.

    The weights lie in the repository; `python -m course_lib train classifier` makes them again.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind or of a newer version.
    """
    tensors, description = _read(path, "classifier")
    classifier = Classifier()
    with _fitting(path):
        classifier.load_state_dict(tensors)
        info = description["info"]
    classifier.to(device, memory_format=torch.channels_last)
    return classifier.requires_grad_(False).eval(), info
