"""Inpainting networks and training states on disk, in the format of `checkpoints`.

The private parts of `checkpoints` are used as they are: that file is part of the code behind stored
benchmark results, so it is not changed for the sake of a name.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from course_lib.checkpoints import (
    CheckpointError,
    _adam_tensors,
    _fitting,
    _prefixed,
    _read,
    _restore_adam,
    _without,
    _write,
)
from course_lib.inpaint_recipes import InpaintRecipe
from course_lib.inpainting import InpaintState
from course_lib.models.inpainting import ContextEncoder, UNet
from course_lib.training import Record

NETWORK, STATE = "inpainting network", "inpainting training state"
CLASSES = {"context encoder": ContextEncoder, "u-net": UNet}


def _present(path: Path) -> Path:
    if not Path(path).exists():
        raise CheckpointError(
            f"{path} is not there. Train first: python -m course_lib train inpaint; or fill "
            "without a network: --method harmonic"
        )
    return path


def save_network(network: nn.Module, path: Path, info: dict) -> None:
    """Write a network that fills holes, with its configuration.

    Args:
        network: the one to keep, usually the averaged one.
        path: file to write, whole or not at all.
        info: anything worth keeping beside it that JSON can hold: data set, seed, steps.
    """
    (name,) = [name for name, kind in CLASSES.items() if type(network) is kind]
    description = {"class": name, "config": network.config, "info": info}
    _write(path, NETWORK, dict(network.state_dict()), description)


def load_network(path: Path, device: torch.device) -> tuple[nn.Module, dict]:
    """Read a network, in evaluation mode on the device, and the information kept with it.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind or of a newer version.
    """
    tensors, description = _read(_present(path), NETWORK)
    with _fitting(path):
        network = CLASSES[description["class"]](**description["config"])
        network.load_state_dict(tensors)
        info = description["info"]
    network.to(device, memory_format=torch.channels_last)
    return network.requires_grad_(False).eval(), info


def save_state(state: InpaintState, path: Path, info: dict) -> None:
    """Write everything that training needs to go on as if it had never stopped.

    Args:
        state: between two records, when it is consistent.
        path: file to write; an older one stays whole until the new one is complete.
        info: anything worth keeping beside it that JSON can hold, such as the name of the data.
    """
    tensors = (
        _prefixed("generator", state.generator)
        | _prefixed("average", state.average)
        | _adam_tensors("generator_adam", state.generator_adam)
    )
    if state.critics is not None:
        tensors |= _prefixed("critics", state.critics)
        tensors |= _adam_tensors("critics_adam", state.critics_adam)
    description = {
        "recipe": asdict(state.recipe),
        "step": state.step,
        "seconds": state.seconds,
        "history": [asdict(record) for record in state.history],
        "info": info,
    }
    _write(path, STATE, tensors, description)


def load_state(path: Path, device: torch.device) -> tuple[InpaintState, dict]:
    """Read a training state back, on the device, and the information kept with it.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind or of a newer version.
    """
    tensors, description = _read(_present(path), STATE)
    with _fitting(path):
        state = InpaintState.create(InpaintRecipe(**description["recipe"]), device)
        players = ["generator", "critics"] if state.critics is not None else ["generator"]
        for name in [*players, "average"]:
            getattr(state, name).load_state_dict(_without(name, tensors))
        state.step = description["step"]
        if state.step:  # before its first step an optimiser has no moments
            for name in players:
                _restore_adam(getattr(state, f"{name}_adam"), _without(f"{name}_adam", tensors))
        state.seconds = description["seconds"]
        state.history = [Record(**record) for record in description["history"]]
        return state, description["info"]
