"""Two processes on the CPU train what one process trains; what differs is stated as a tolerance.

`both` starts two processes once for the whole file, because starting them takes longer than their
work; each leaves what it found in a file, and the tests compare.
"""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_commands import LEFT
from test_training import CPU, tiny_images, weights
from torch import nn

from course_lib import checkpoints, data, distributed, recipes, results, training
from course_lib.__main__ import main
from course_lib.distributed import ALONE, World
from course_lib.runtime import RuntimeSettingError
from course_lib.synced_norm import SyncedBatchNorm2d, synchronise

ROOT = Path(__file__).parents[1]
IMAGES = tiny_images(size=16)
SMALL = recipes.Recipe(steps=6, batch=8, latent=5, size=16, width=4, r1=1.0, r1_every=2)
NORMED = replace(SMALL, norm="batch")
RECIPES = {
    f"{loss}, {norm}": replace(SMALL, loss=loss, norm=norm)
    for loss in ("relativistic", "non-saturating")
    for norm in ("batch", "none")
} | {
    "bfloat16": replace(NORMED, dtype="bfloat16"),
    "groups": replace(SMALL, norm="none", group=4),
    "R1 and R2": replace(SMALL, norm="none", r2=1.0),
    "slope one": replace(SMALL, norm="none", r1=0.0, slope_one=10.0, loss="wasserstein"),
    "clip": replace(SMALL, norm="none", r1=0.0, clip=0.03, loss="wasserstein"),
}
NETWORKS = ("generator", "discriminator")


def started(recipe: recipes.Recipe, world: World) -> training.GanState:
    state = training.GanState.create(recipe, CPU)
    distributed.spread(state, world)
    return state


def slopes(network: nn.Module) -> torch.Tensor:
    return torch.cat([one.grad.flatten() for one in network.parameters()])


def buffers(network: nn.Module) -> torch.Tensor:
    return torch.cat([torch.zeros(1), *(one.flatten().float() for one in network.buffers())])


def outcome(recipe: recipes.Recipe, world: World) -> dict:
    """What a training leaves in this process."""
    state = started(recipe, world)
    found = {}
    for record in training.train_gan(state, IMAGES, every=1):
        if record.step == 1:
            found["slopes"] = {name: slopes(getattr(state, name)) for name in NETWORKS}
    found["weights"] = {name: weights(getattr(state, name)) for name in (*NETWORKS, "average")}
    found["buffers"] = {name: buffers(getattr(state, name)) for name in NETWORKS}
    found["losses"] = [record.losses for record in state.history]
    return found


def half(recipe: recipes.Recipe, world: World) -> training.GanState:
    state = started(recipe, world)
    next(training.train_gan(state, IMAGES, every=3))
    return state


def to_the_end(state: training.GanState) -> torch.Tensor:
    list(training.train_gan(state, IMAGES, every=3))
    return weights(state.generator)


def normalised(world: World) -> list[torch.Tensor]:
    """Output, gradients and buffers after two passes of a share through one normalisation."""
    random = torch.Generator().manual_seed(2)
    network = nn.Sequential(nn.BatchNorm2d(3))
    with torch.no_grad():
        network[0].weight.copy_(torch.randn(3, generator=random))
    whole = 50 + 3 * torch.randn(6, 3, 4, 4, generator=random)  # a mean far from zero
    images = world.share(whole).requires_grad_()
    slope = world.share(torch.randn(6, 3, 4, 4, generator=random))
    if world.size > 1:
        synchronise(network)
    for factor in (1.0, 2.0):
        output = network(factor * images)
        (output * slope).sum().backward()
    layer = network[0]
    return [output.detach(), images.grad, layer.weight.grad, layer.bias.grad, *layer.buffers()]


def failure(work) -> str:
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def refuse() -> None:
    raise OSError("no room")


def diverge(world: World) -> None:
    state = started(SMALL, world)
    with torch.no_grad():
        next(state.generator.parameters()).fill_(float("nan"))
    list(training.train_gan(state, IMAGES))


def interrupted_loop(loop, rank: int, *arguments, **options):
    """The training loop, in which one process alone gets a Ctrl-C at step 25."""
    for record in loop(*arguments, **options):
        if rank == 1 and record.step == 25:
            signal.raise_signal(signal.SIGINT)
        yield record


def small_command(patch: pytest.MonkeyPatch | None = None) -> None:
    """A narrow network, fewer images, no measurements; everything else is the real command."""
    patch, load = patch or pytest.MonkeyPatch(), data.load_images
    patch.setattr(data, "load_images", lambda name, split, size: load(name, "test", size))
    measured = dict.fromkeys(("relative_frechet_distance", "floor", "gaussian_sampler"), 1.0)
    patch.setattr(results, "quality", lambda *arguments: measured)
    patch.setattr(recipes, "CPU", recipes.Budget("fashion-mnist", 60, 16, 32, 4))
    patch.setattr(training, "faster_dtype", lambda recipe, device: "float32")


def command(*options: str) -> tuple[int, str, str]:
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = main(["train", "dcgan", "--device", "cpu", *options])
    return code, out.getvalue(), err.getvalue()


def in_library(rank: int, world: World, folder: Path) -> dict:
    found = {"trained": {name: outcome(recipe, world) for name, recipe in RECIPES.items()}}
    found["normalised"] = normalised(world)

    # Only the first process has the checkpoint, and the other begins from other weights.
    state = training.GanState.create(replace(NORMED, seed=9), CPU)
    if rank == 0:
        state, _ = checkpoints.load_state(folder / "one.safetensors", CPU)
    state.recipe = NORMED
    distributed.spread(state, world)
    found["sent"] = (state.step, len(state.history))
    moments = state.generator_adam.state.items()
    found["strides"] = [(one.stride(), kept["exp_avg_sq"].stride()) for one, kept in moments]
    found["went on"] = to_the_end(state)
    state = half(NORMED, world)
    if rank == 0:
        checkpoints.save_state(state, folder / "two.safetensors", {"data": "tiny"})

    found["any"] = (world.any(rank == 1), world.any(False))
    found["told"] = world.tell(f"by {rank}")
    found["first"] = world.first(lambda: rank)
    found["refused"] = failure(lambda: world.first(refuse))
    loaded = folder / "loaded"
    found["seen"] = world.machine_first(lambda: (loaded.exists(), loaded.touch())[0])
    found["steps"] = training.steps_in(0.002, SMALL, CPU, world)
    return found


def on_command_line(rank: int, folder: Path, join_with) -> dict:
    small_command()
    (folder / "file").write_text("in the way", encoding="utf-8")
    found = {}
    for name, options in {
        "blocked": ["--out", str(folder / "file")],
        "resumed": ["--resume", "--out", str(folder / "run")],
        "conflict": ["--resume", "--steps", "3", "--out", str(folder / "run")],
    }.items():
        join_with()
        found[name] = command(*options)
    join_with()
    training.train_gan = partial(interrupted_loop, training.train_gan, rank)
    saved, save = [], checkpoints.save_state
    checkpoints.save_state = lambda *rest: (saved.append(1), save(*rest))
    found["stopped"] = command("--steps", "60", "--out", str(folder / "stopped"))
    found["saved"] = len(saved)
    join_with()
    recipes.CPU, recipes.GROUP = replace(recipes.CPU, batch=15), 0
    found["odd"] = command("--out", str(folder / "odd"))
    return found


def work_in(rank: int, ports: list[int], folder: Path) -> None:
    """What each of the two processes does."""
    torch.set_num_threads(1)

    def join_with() -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports.pop())}

    def diverging() -> None:
        with distributed.joined(CPU) as (world, _):
            diverge(world)

    join_with()
    with distributed.joined(CPU) as (world, device):
        found = in_library(rank, world, folder) | {"joined": (world, str(device))}
    join_with()
    found["diverged"] = failure(diverging)
    found |= on_command_line(rank, folder, join_with)
    torch.save(found, folder / f"found{rank}.pt")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def both(folder) -> list[dict]:
    """What the first and the second process found."""
    checkpoints.save_state(half(NORMED, ALONE), folder / "one.safetensors", {"data": "tiny"})
    with pytest.MonkeyPatch.context() as patch:
        small_command(patch)
        patch.setattr(training, "train_gan", partial(interrupted_loop, training.train_gan, 1))
        assert command("--steps", "30", "--seed", "3", "--out", str(folder / "run"))[0] == 130
    torch.multiprocessing.spawn(work_in, (free_ports(7), folder), nprocs=2)
    return [torch.load(folder / f"found{rank}.pt", weights_only=False) for rank in (0, 1)]


def test_the_first_process_alone_averages_and_saves(both):
    fresh = weights(training.GanState.create(NORMED, CPU).average)
    one, two = (found["trained"]["relativistic, batch"]["weights"]["average"] for found in both)
    assert torch.equal(two, fresh) and not torch.equal(one, fresh)
    assert [found["saved"] > 0 for found in both] == [True, False]


def test_a_number_of_processes_that_is_none(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with (
        pytest.raises(RuntimeSettingError, match=r"whole number in .* WORLD_SIZE, got 'two'"),
        distributed.joined(CPU),
    ):
        pass


@pytest.mark.parametrize("size", [None, "1"])
def test_without_torchrun_nothing_is_joined(monkeypatch, size):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if size:
        monkeypatch.setenv("WORLD_SIZE", size)
    with distributed.joined(CPU) as (world, device):
        assert (world, device) == (ALONE, CPU)
        assert not torch.distributed.is_initialized()
    state = started(SMALL, ALONE)
    assert state.players == (state.generator, state.discriminator)
    assert not any(isinstance(one, SyncedBatchNorm2d) for one in state.generator.layers)


def test_shares_are_disjoint_and_their_union_is_the_batch():
    batch = torch.randperm(12)
    for size in (1, 2, 3, 12):
        shares = [World(rank, size).share(batch) for rank in range(size)]
        assert {len(share) for share in shares} == {12 // size}
        assert torch.equal(torch.cat(shares), batch)


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(RuntimeSettingError, match=r"divides the batch of 12, got 5\. Start 3 or 4"):
        World(0, 5).share(torch.zeros(12))


def test_shares_that_cut_through_groups_are_refused():
    state = training.GanState.create(replace(SMALL, norm="none", group=4), CPU)
    with pytest.raises(RuntimeSettingError, match=r"whole groups of 4, got 4\. Start 1 or 2, or"):
        distributed.spread(state, World(0, 4))


def test_processes_know_themselves_and_each_other(both):
    assert [found["joined"] for found in both] == [
        (World(0, 2, 0), "cpu"),
        (World(1, 2, 1), "cpu"),
    ]
    assert [found["any"] for found in both] == [(True, False)] * 2
    assert [found["told"] for found in both] == ["by 0"] * 2
    assert [found["first"] for found in both] == [0, None]
    assert [found["seen"] for found in both] == [False, True]
    assert both[0]["steps"] == both[1]["steps"] >= 1


@pytest.mark.parametrize("name", RECIPES)
def test_both_processes_hold_the_same_network_to_the_bit(both, name):
    one, two = (found["trained"][name] for found in both)
    for part in ("slopes", "weights", "buffers"):
        for network in NETWORKS:
            assert torch.equal(one[part][network], two[part][network]), (part, network)
    assert one["losses"] == two["losses"]


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "bfloat16"])
def test_two_processes_train_what_one_trains(both, name):
    """In float32: gradients ten times as far as measured, weights a thousandth of their way."""
    alone, shared = outcome(RECIPES[name], ALONE), both[0]["trained"][name]
    fresh = training.GanState.create(RECIPES[name], CPU)
    for network in NETWORKS:
        one, two = alone["slopes"][network], shared["slopes"][network]
        assert (one - two).norm() <= 1e-5 * one.norm()
    for network in (*NETWORKS, "average"):
        one, two = alone["weights"][network], shared["weights"][network]
        way = (one - weights(getattr(fresh, network))).abs().mean()
        # Not the largest difference: where a gradient is nearly zero, Adam steps by its sign.
        assert (one - two).abs().mean() <= 1e-3 * way
    for network in NETWORKS:
        torch.testing.assert_close(
            shared["buffers"][network], alone["buffers"][network], rtol=1e-4, atol=1e-5
        )
    for one, two in zip(alone["losses"], shared["losses"], strict=True):
        assert one == pytest.approx(two, rel=1e-4, abs=1e-5)


def test_synchronised_normalisation_equals_that_of_the_whole_batch(both):
    whole, first, second = normalised(ALONE), *(found["normalised"] for found in both)
    for index in (0, 1):  # output and gradient of the images, by rows
        joint = torch.cat([first[index], second[index]])
        torch.testing.assert_close(joint, whole[index], rtol=1e-4, atol=1e-5)
    for index in (2, 3):  # gradients of the weights, summed as they would be over the batch
        joint = first[index] + second[index]
        torch.testing.assert_close(joint, whole[index], rtol=1e-4, atol=1e-4)
    for index in (4, 5, 6):  # buffers
        assert torch.equal(first[index], second[index])
        torch.testing.assert_close(first[index], whole[index], rtol=1e-5, atol=1e-6)


def test_synchronised_layers_keep_tensors_names_and_mode():
    network = training.GanState.create(NORMED, CPU).discriminator.eval()
    before = dict(network.state_dict(keep_vars=True))
    images = torch.rand(4, 1, 16, 16)
    expected = network(images)
    synchronise(network)
    after = dict(network.state_dict(keep_vars=True))
    assert list(before) == list(after) and all(before[name] is after[name] for name in before)
    assert sum(isinstance(one, SyncedBatchNorm2d) for one in network.modules()) == 1
    assert torch.equal(network(images), expected)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(4), nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, momentum=None)]
)
def test_normalisation_that_cannot_be_synchronised_is_refused(layer):
    with pytest.raises(ValueError, match="expected"):
        synchronise(nn.Sequential(nn.Sequential(layer)))


def test_checkpoints_go_from_one_process_to_two_and_back(both, folder):
    expected = to_the_end(started(NORMED, ALONE))
    way = (expected - weights(started(NORMED, ALONE).generator)).abs().mean()
    assert torch.equal(both[0]["went on"], both[1]["went on"])
    assert (both[0]["went on"] - expected).abs().mean() <= 1e-3 * way
    state, info = checkpoints.load_state(folder / "two.safetensors", CPU)
    assert (state.step, info, state.recipe) == (3, {"data": "tiny"}, NORMED)
    assert (to_the_end(state) - expected).abs().mean() <= 1e-3 * way


def test_a_state_is_sent_whole_and_moments_lie_in_memory_like_their_weights(both):
    for found in both:
        assert found["sent"] == (3, 1)
        assert all(weight == moment for weight, moment in found["strides"])
        assert any(stride[1] == 1 for stride, _ in found["strides"] if len(stride) == 4)


def test_an_error_of_the_first_process_stops_the_others(both):
    assert both[0]["refused"] == "OSError: no room"
    assert both[1]["refused"].startswith("StoppedElsewhere")
    assert both[0]["diverged"].startswith("FloatingPointError")
    assert both[1]["diverged"].startswith("StoppedElsewhere")


@pytest.mark.parametrize(
    ("name", "words"),
    [("blocked", "--out"), ("conflict", "leave out"), ("odd", "divides the batch of 15, got 2")],
)
def test_the_first_process_alone_says_what_is_wrong(both, name, words):
    code, _, said = both[0][name]
    assert code == 1 and words in said and len(said.splitlines()) == 1
    assert both[1][name] == (1, "", "")


def test_ctrl_c_in_one_process_stops_both_at_the_same_step(both, folder):
    code, said, _ = both[0]["stopped"]
    assert code == 130 and "Stopped at step 25 of 60" in said
    assert both[1]["stopped"] == (130, "", "")
    assert [path.name for path in (folder / "stopped").iterdir()] == ["checkpoint.safetensors"]
    assert checkpoints.load_state(folder / "stopped" / "checkpoint.safetensors", CPU)[0].step == 25


def test_two_processes_finish_the_command_that_one_began(both, folder):
    code, said, _ = both[0]["resumed"]
    assert code == 0 and "Going on from step 25 of 30" in said and "in 2 processes" in said
    assert both[1]["resumed"] == (0, "", "")
    assert {path.name for path in (folder / "run").iterdir()} == LEFT


@pytest.mark.parametrize("missing", ["RANK", "MASTER_ADDR"])
def test_an_incomplete_environment_is_refused(monkeypatch, missing):
    for name in {"WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} - {missing}:
        monkeypatch.setenv(name, "2")
    monkeypatch.delenv(missing, raising=False)
    with pytest.raises(RuntimeSettingError, match=f"{missing} is not set"), distributed.joined(CPU):
        pass


def test_each_process_takes_its_own_gpu_or_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(distributed._own_gpu(torch.device("cuda"), 1)) == "cuda:1"
    with pytest.raises(RuntimeSettingError, match="torch sees 2"):
        distributed._own_gpu(torch.device("cuda"), 2)
    with pytest.raises(RuntimeSettingError, match="got 'cuda:1'"):
        distributed._own_gpu(torch.device("cuda", 1), 0)


def test_torchrun_trains_from_the_command_line(tmp_path, monkeypatch):
    script = tmp_path / "small.py"
    script.write_text(
        "import sys\nfrom test_distributed import main, small_command\n"
        "if __name__ == '__main__':\n    small_command()\n    sys.exit(main(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    options = ["--steps", "2", "--seed", "3", "--out"]
    train = ["train", "dcgan", "--device", "cpu", *options, str(tmp_path / "two")]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, *launch, *train],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    for line in ("Measuring", "Training on", "Relative Fréchet distance", "Now open"):
        assert done.stdout.count(line) == 1
    assert "Warning" not in done.stderr
    assert {path.name for path in (tmp_path / "two").iterdir()} == LEFT
    report = json.loads((tmp_path / "two" / "metrics.json").read_text(encoding="utf-8"))
    assert report["processes"] == 2 and report["images"] == 2 * 16

    small_command(monkeypatch)
    assert command(*options, str(tmp_path / "one"))[0] == 0
    one, two = (load_file(tmp_path / name / "generator.safetensors") for name in ("one", "two"))
    assert list(one) == list(two)
    # Two steps: in this network rounding grows to a hundredth of the way within four.
    for key in one:
        assert (one[key] - two[key]).abs().float().mean() < 1e-2 * recipes.Recipe(1).rate, key
