"""Training that is killed at any moment loses little, leaves no junk, and ends as if it had not."""

import json
import multiprocessing
import os
import random
import signal
import stat
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from test_training import CPU, tiny_images

from course_lib import checkpoints, files, recipes, training

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has neither SIGKILL nor fork nor locks on folders"
)

KILLS = 50
INTERVAL = 3  # steps between two checkpoints
MOST = 2 * INTERVAL + 1  # steps after which a sitting waits for its kill
RECIPE = recipes.Recipe(steps=KILLS * MOST, batch=8, latent=5, size=16, width=4, r1_every=4)
PIECES, PAUSE = 16, 0.001  # of a checkpoint, and seconds between two of them


def save_slowly(tensors: dict[str, torch.Tensor], path: Path, header: dict[str, str]) -> None:
    """What `safetensors.torch.save_file` does, on a disk so slow that many kills fall into it."""
    content = save(tensors, header)
    size = -(-len(content) // PIECES)
    with open(path, "wb", buffering=0) as opened:
        for start in range(0, len(content), size):
            opened.write(content[start : start + size])
            time.sleep(PAUSE)


def train(checkpoint: Path, reports, most: int | None) -> None:
    """Train as a program does that may be killed; send each finished step.

    After `most` steps it waits to be killed, so that no sitting gets further on a fast machine.
    """
    torch.set_num_threads(1)
    checkpoints.save_file = save_slowly
    if checkpoint.is_file():
        state, _ = checkpoints.load_state(checkpoint, CPU)
    else:
        state = training.GanState.create(RECIPE, CPU)
    first = state.step
    for record in training.train_gan(state, tiny_images(size=16), every=1):
        reports.send(record.step)
        if record.step % INTERVAL == 0 or record.step == RECIPE.steps:
            checkpoints.save_state(state, checkpoint, {})
        if record.step - first == most:
            signal.pause()


class Sitting:
    """A training in a process of its own, which tells how far it has come."""

    def __init__(self, checkpoint: Path, most: int | None = None) -> None:
        # Processes are forked from one that has imported torch but never computed with it:
        # importing takes seconds, and threads that torch has started do not survive a fork.
        # The first optimiser would import torch._dynamo.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["course_lib.checkpoints", "torch._dynamo", "pytest"])
        self.reports, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=train, args=(checkpoint, theirs, most))
        self.process.start()
        theirs.close()

    def wait_for(self, count: int) -> list[int]:
        """The next `count` finished steps, or fewer when the process has ended."""
        steps = []
        try:
            while len(steps) < count:
                steps.append(self.reports.recv())
        except EOFError:
            pass
        return steps

    def end(self) -> tuple[list[int], int]:
        """The steps not yet asked for, and the exit code."""
        steps = self.wait_for(RECIPE.steps)
        self.reports.close()
        self.process.join()
        return steps, self.process.exitcode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    """The last checkpoint of a training that nothing disturbed."""
    checkpoint = tmp_path_factory.mktemp("uninterrupted") / "checkpoint.safetensors"
    steps, code = Sitting(checkpoint).end()
    assert (steps, code) == (list(range(1, RECIPE.steps + 1)), 0)
    return checkpoint


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".part-")}


def history(checkpoint: Path) -> list[dict]:
    with safe_open(checkpoint, "pt") as opened:
        return json.loads(opened.metadata()["description"])["history"]


def test_fifty_kills_change_nothing(tmp_path, uninterrupted):
    moments = random.Random(7)
    checkpoint = tmp_path / "checkpoint.safetensors"
    kept, torn, known = 0, 0, set()
    for kill in range(KILLS):
        # Every second kill is aimed at a checkpoint: a sitting begins at a multiple of INTERVAL,
        # and the report of the next multiples comes right before the writing. A kill without a
        # report falls into the reading.
        count = moments.choice((INTERVAL, 2 * INTERVAL)) if kill % 2 else moments.randrange(MOST)
        delay = moments.uniform(0, 0.02 if count else 0.15)  # seconds; writing takes about 0.03
        sitting = Sitting(checkpoint, MOST)
        steps = sitting.wait_for(count)
        time.sleep(delay)
        sitting.process.kill()
        more, code = sitting.end()
        assert code == -signal.SIGKILL, f"sitting {kill} ended by itself"

        steps += more
        assert steps == list(range(kept + 1, kept + 1 + len(steps)))  # it began where it was kept
        before, reached = kept, kept + len(steps)
        if checkpoint.exists():
            kept = checkpoints.load_state(checkpoint, CPU)[0].step
        assert before <= kept <= reached <= kept + INTERVAL
        # A new temporary file: this kill fell between its making and its renaming.
        left = leftovers(tmp_path)
        torn += bool(left - known)
        known = left
        assert len(left) <= 1 and set(os.listdir(tmp_path)) <= left | {checkpoint.name}
    assert torn >= KILLS // 10
    assert INTERVAL < kept < RECIPE.steps

    steps, code = Sitting(checkpoint).end()
    assert (steps, code) == (list(range(kept + 1, RECIPE.steps + 1)), 0)
    assert list(tmp_path.iterdir()) == [checkpoint]
    whole, parts = load_file(uninterrupted), load_file(checkpoint)
    assert set(whole) == set(parts)
    for name in whole:  # both networks, the average, both optimisers
        assert torch.equal(whole[name], parts[name]), name
    # Read without `load_state`, which made the second history.
    for one, other in zip(history(uninterrupted), history(checkpoint), strict=True):
        for name in ("step", "images", "losses"):
            assert one[name] == other[name]


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "a[1].txt"  # a name that would be a pattern


def test_what_dead_writers_left_is_removed_by_the_next_write(target):
    others = {".part-0123abcd-b.txt", ".part-0123abcd-a1.txt", ".part-notes-a[1].txt"}
    for name in (*others, f".part-0123abcd-{target.name}", f".part-fedc9876-{target.name}"):
        (target.parent / name).touch()
    files.write_text(target, "new")
    assert {path.name for path in target.parent.iterdir()} == others | {target.name}


def test_a_living_writer_is_left_alone(target):
    with files.whole(target) as first:
        first.write_text("first", encoding="utf-8")
        files.write_text(target, "second")
        assert first.read_text(encoding="utf-8") == "first"
        assert target.read_text(encoding="utf-8") == "second"
    assert target.read_text(encoding="utf-8") == "first"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_system_without_locks_is_written_to(target, monkeypatch):
    def refuse(folder, operation):
        raise OSError("no locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    left = target.parent / f".part-0123abcd-{target.name}"
    left.touch()
    files.write_text(target, "new")
    assert target.read_text(encoding="utf-8") == "new"
    assert left.exists()  # its writer may be living


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    target, monkeypatch
):
    synced = []

    def sync(number):
        found = os.fstat(number)
        synced.append((stat.S_ISDIR(found.st_mode), found.st_size, target.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    files.write_text(target, "new")
    (folder, size, named), (then_folder, _, then_named) = synced
    assert (folder, size, named) == (False, 3, False)
    assert (then_folder, then_named) == (True, True)
