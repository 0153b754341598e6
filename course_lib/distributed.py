"""Training in several processes, one a device, that together do what one process would do.

    torchrun --standalone --nproc-per-node 2 -m course_lib train dcgan

Every process holds both networks and works on its share of each batch. Three things make the
result that of one process with the whole batch, up to rounding:

- Gradients are averaged over the processes. The shares are equally large, so the mean of their
  mean losses is the mean loss of the batch.
- Batch normalisation takes its mean and variance over all shares: `synced_norm`.
- Every process draws the noise of the whole batch from the same (seed, step) and keeps its rows.
  Its noise is a function of (seed, step, rank), nothing has to be sent, and it is the noise that
  one process would have drawn. A generator seeded by rank would train as well, but no training
  could be compared with that of one process, or go on in another number of processes.
"""

from __future__ import annotations

import inspect
import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from course_lib.runtime import RuntimeSettingError
from course_lib.synced_norm import synchronise

if TYPE_CHECKING:  # training imports this module
    from course_lib.training import GanState

T = TypeVar("T")


class StoppedElsewhere(Exception):
    """This process ends because another one failed; that one says why."""


@dataclass(frozen=True)
class World:
    """The processes of one training, seen from one of them. Every process calls each method.

    Attributes:
        rank: number of this process, from 0; the first one prints and writes.
        size: how many processes there are.
        local_rank: number of this process on its machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def share_size(self, batch: int, group: int = 0) -> int:
        """Rows of a batch that fall to each process.

        Args:
            batch: rows in all.
            group: rows that belong together, see `models.dcgan.MinibatchStd`; 0 for none.

        Raises:
            RuntimeSettingError: if the batch cannot be shared equally without cutting a group.
        """
        whole = max(1, group)
        if batch % (self.size * whole):
            sizes = range(1, min(self.size, batch) + 1)
            fitting = [str(size) for size in sizes if batch % (size * whole) == 0]
            groups = f" into shares of whole groups of {group}" if group else ""
            advice = f"Start {' or '.join(fitting[-2:])}, or change" if fitting else "Change"
            raise RuntimeSettingError(
                f"expected a number of processes that divides the batch of {batch}{groups}, got "
                f"{self.size}. {advice} the batch."
            )
        return batch // self.size

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of what was drawn for the whole batch: (B, ...) -> (B / size, ...).

        Raises:
            RuntimeSettingError: if the batch cannot be shared equally.
        """
        rows = self.share_size(len(batch))
        return batch[self.rank * rows : (self.rank + 1) * rows]

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean over processes of each value, a tensor of shape ()."""
        if self.size == 1:
            return values
        stacked = torch.stack(list(values.values()))
        dist.all_reduce(stacked)
        return dict(zip(values, stacked / self.size, strict=True))

    def any(self, wish: bool) -> bool:
        """Whether at least one process wishes it; the same answer in all."""
        if self.size == 1:
            return wish
        wishes = [False] * self.size
        dist.all_gather_object(wishes, wish)
        return any(wishes)

    def tell(self, value: T) -> T:
        """What the first process passed, in all processes."""
        if self.size == 1:
            return value
        told = [value]
        dist.broadcast_object_list(told)
        return told[0]

    def first(self, work: Callable[[], T]) -> T | None:
        """Do the work in the first process while the others wait; its result there, else None.

        Raises:
            Exception: what `work` raised, in the first process.
            StoppedElsewhere: in the others, so that none of them waits for ever.
        """
        return self._together(work if self.rank == 0 else None)

    def machine_first(self, work: Callable[[], T]) -> T:
        """Do the work in one process of each machine, then in its others, which may find it done.

        Raises:
            Exception, StoppedElsewhere: as `first` does, if it fails anywhere.
        """
        leads = self.local_rank == 0
        before = self._together(work if leads else None)
        after = self._together(None if leads else work)
        return before if leads else after

    def _together(self, work: Callable[[], T] | None) -> T | None:
        result, failure = None, None
        try:
            result = work() if work else None
        except Exception as error:
            failure = error
        stop = self.any(failure is not None)
        if failure:
            raise failure
        if stop:
            raise StoppedElsewhere("another process failed and said why")
        return result


ALONE = World()


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that torchrun started, and leave them at the end of the block.

    Args:
        device: what kind to compute on; on "cuda" each process takes the GPU of its local rank.

    Yields:
        The world and this process's device. Without torchrun's environment variables, or with a
        single process, `ALONE` and the device given; nothing else happens then.

    Raises:
        RuntimeSettingError: if the environment is incomplete or there is no GPU for this process.
    """
    if _number("WORLD_SIZE", "1") == 1:
        yield ALONE, device
        return
    needed = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in needed if name not in os.environ]:
        raise RuntimeSettingError(
            f"WORLD_SIZE asks for {os.environ['WORLD_SIZE']} processes, but {', '.join(missing)} "
            "is not set. Start with torchrun, or unset WORLD_SIZE."
        )
    rank, size, local_rank = (_number(key) for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    backend = "gloo"
    if device.type == "cuda":
        device, backend = _own_gpu(device, local_rank), "nccl"
        torch.cuda.set_device(device)
    # The others wait as long while one process fetches a large set of images.
    dist.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        with warnings.catch_warnings():
            # The first weights of grey images have one channel: two descriptions of one order in
            # memory fit them, and DDP takes that for two orders.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield World(rank, size, local_rank), device
    except (FloatingPointError, RuntimeSettingError) as error:
        # All processes have the same losses and settings, and so this error; one says it.
        if rank:
            raise StoppedElsewhere("the first process failed in the same way") from error
        raise
    finally:
        dist.destroy_process_group()


def _number(name: str, default: str = "") -> int:
    """The whole number in an environment variable."""
    text = os.environ.get(name, default)
    if not text.strip().isdecimal():
        raise RuntimeSettingError(
            f"expected a whole number in the environment variable {name}, got {text!r}. Start with "
            "torchrun, or unset it."
        )
    return int(text)


def _own_gpu(device: torch.device, local_rank: int) -> torch.device:
    if device.index is not None:
        raise RuntimeSettingError(
            f"with several processes each takes its own GPU: expected device {device.type!r}, "
            f"got {str(device)!r}"
        )
    if local_rank >= torch.cuda.device_count():
        raise RuntimeSettingError(
            f"expected a GPU for each process of this machine, but torch sees "
            f"{torch.cuda.device_count()}. Lower --nproc-per-node."
        )
    return torch.device(device.type, local_rank)


def spread(state: GanState, world: World) -> None:
    """Give every process the first one's state, and let them train it together from here on.

    Args:
        state: changed in place; of the same recipe in all processes. Its averaged generator is
            kept up to date in the first process only.
        world: nothing happens if it is `ALONE`.

    Raises:
        RuntimeSettingError: if the recipe's batch cannot be shared equally, or a share would cut
            through the groups that the discriminator compares.
        ValueError: if a network holds batch normalisation that cannot be synchronised.
    """
    if world.size == 1:
        return
    world.share_size(state.recipe.batch, state.recipe.group)
    parts = [
        state.generator,
        state.discriminator,
        state.generator_adam,
        state.discriminator_adam,
    ]
    # As a file in memory: CUDA tensors inside an object would arrive on the sender's GPU, and the
    # optimiser's moments must keep the order in memory of their weights.
    file = io.BytesIO()
    if world.rank == 0:
        torch.save([part.state_dict() for part in parts], file)
    content, state.step, state.seconds, state.history = world.tell(
        (file.getvalue(), state.step, state.seconds, state.history)
    )
    if world.rank:
        received = torch.load(io.BytesIO(content), state.device, weights_only=True)
        for part, values in zip(parts, received, strict=True):
            part.load_state_dict(values)
    # No buffers are sent while training: synchronised batch normalisation keeps them equal, and
    # writing to them between two forward passes would break the backward pass.
    known = inspect.signature(DistributedDataParallel).parameters
    new = "forward_sync_buffers"  # what torch calls broadcast_buffers from 2.15 on
    sending = {new if new in known else "broadcast_buffers": False}
    state.wrapped = tuple(
        DistributedDataParallel(synchronise(network), **sending)
        for network in (state.generator, state.discriminator)
    )
    state.world = world
