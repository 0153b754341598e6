"""Tests of lesson 09's checks beyond what the solution notebook proves of them."""

from __future__ import annotations

import ast
import copy
import math
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from course_lib import latent, losses, training
from course_lib.checks import CheckFailed
from course_lib.checks import lesson09 as checks
from course_lib.checks.lesson09_probes import TinyDiscriminator, TinyGenerator, pull, push
from course_lib.models import dcgan

FILES = sorted(Path(checks.__file__).parent.glob("lesson09*.py"))


def refusal(check, answer) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        check(answer)
    return caught.value


@pytest.mark.parametrize(
    ("check", "kept"),
    [
        (checks.discriminator_loss, losses.discriminator_loss),
        (checks.initialise, dcgan.initialise),
        (checks.minibatch_std, lambda maps, group: dcgan.MinibatchStd(group)(maps)),
        (checks.slerp, latent.slerp),
    ],
    ids=["discriminator_loss", "initialise", "minibatch_std", "slerp"],
)
def test_the_library_keeps_what_the_exercise_asks_for(check, kept, capsys):
    check(kept)
    assert capsys.readouterr().out.endswith(": correct.\n")


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_the_discriminators_known_gradient_is_that_of_its_loss(label):
    numbers = torch.Generator().manual_seed(1)
    images = torch.randn(5, 1, 2, 2, generator=numbers)
    discriminator = TinyDiscriminator(numbers, []).double()
    theta = discriminator.flat()

    def loss(at):
        score = 1 / (1 + torch.exp(-(images.flatten(1).double() @ at[:-1] + at[-1])))
        return -torch.log(score if label else 1 - score).mean()

    assert torch.allclose(pull(theta, images, label), _slopes(loss, theta), atol=1e-7)


@pytest.mark.parametrize("saturating", [False, True])
def test_the_generators_known_gradient_is_that_of_its_loss(saturating):
    numbers = torch.Generator().manual_seed(2)
    z = torch.randn(5, 3, generator=numbers, dtype=torch.float64)
    theta = TinyDiscriminator(numbers, []).flat()
    generator = TinyGenerator(numbers, []).double()
    weight = generator.weight.detach().flatten()

    def loss(at):
        score = 1 / (1 + torch.exp(-(z @ at.view(3, 4) @ theta[:-1] + theta[-1])))
        return torch.log(1 - score).mean() if saturating else -torch.log(score).mean()

    known = push(theta, generator.images(z), z, saturating=saturating)
    assert torch.allclose(known.flatten(), _slopes(loss, weight), atol=1e-7)


def _slopes(loss, at, step=1e-5):
    units = torch.eye(len(at), dtype=torch.float64) * step
    return torch.stack([(loss(at + unit) - loss(at - unit)) / (2 * step) for unit in units])


def _sgd_step(network, loss):
    with torch.no_grad():
        for weight, slope in zip(
            network.parameters(), torch.autograd.grad(loss, list(network.parameters())), strict=True
        ):
            weight.sub_(0.5 * slope)


def _step_without_optimiser(generator, discriminator, adam, real, z):
    fake = generator(z).detach()
    loss = losses.discriminator_loss(discriminator(real), discriminator(fake))
    _sgd_step(discriminator, loss + 1)
    return loss.item() + 1


def _step_with(loss_of):
    def discriminator_step(generator, discriminator, adam, real, z):
        loss = loss_of(discriminator(real), discriminator(generator(z).detach()))
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.detach()

    return discriminator_step


def _generator_step_with(loss_of, noise=lambda z: z):
    def generator_step(generator, discriminator, adam, z):
        discriminator.requires_grad_(False)
        loss = loss_of(discriminator(generator(noise(z))))
        adam.zero_grad()
        loss.backward()
        adam.step()
        discriminator.requires_grad_(True)
        return loss.detach()

    return generator_step


def _initialise_with(std, centre=1.0, guarded=True):
    def initialise(network):
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
                mean = centre if isinstance(module, nn.BatchNorm2d) else 0.0
                nn.init.normal_(module.weight, mean, std)
                if not guarded or module.bias is not None:
                    nn.init.zeros_(module.bias)
        return network

    return initialise


def _initialise_the_top_only(network):
    for module in network.children():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Sequential):
            nn.init.normal_(module[0].weight, 1.0, 0.02)
            nn.init.zeros_(module[0].bias)
    return network


def _lerp(kept, new, decay):
    kept.lerp_(new, 1 - decay)


def _mix(kept, new, decay):
    kept.copy_(decay * kept + (1 - decay) * new)


def _copy(kept, new, decay):
    kept.copy_(new)


def _share(kept, new, decay):
    kept.data = new.data


def _leave(kept, new, decay):
    pass


def _average_with(statistics=_lerp, count=_copy):
    """An average of the generator that treats one kind of buffer in this way."""

    @torch.no_grad()
    def update_average(average, generator, decay):
        for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
            _lerp(kept, new, decay)
        for kept, new in zip(average.buffers(), generator.buffers(), strict=True):
            change = statistics if new.is_floating_point() else count
            change(kept, new, decay)

    return update_average


def _copy_the_variance_alone(average, generator, decay):
    _average_with()(average, generator, decay)
    average[1].running_var.copy_(generator[1].running_var)


def _average_the_deviation(average, generator, decay):
    old, new = average[1].running_var.sqrt(), generator[1].running_var.sqrt()
    _average_with()(average, generator, decay)
    average[1].running_var.copy_((decay * old + (1 - decay) * new) ** 2)


def _average_by_loading(average, generator, decay):
    old, new = average.state_dict(), generator.state_dict()
    mean = {name: torch.lerp(old[name], new[name], 1 - decay) for name in old if "num" not in name}
    average.load_state_dict(new | mean)


def _average_by_torch(average, generator, decay):
    """The tool that torch has for it, on all that is no integer."""
    old, new = average.state_dict(), generator.state_dict()
    lists = ([s[name] for name in old if old[name].is_floating_point()] for s in (old, new))
    get_ema_multi_avg_fn(decay)(*lists, None)
    average[1].num_batches_tracked = generator[1].num_batches_tracked.clone()


def _average_of_the_library(average, generator, decay):
    recipe = SimpleNamespace(average=decay)
    late = 10**6  # past the first steps, in which the library's decay is smaller
    training.update_average(
        SimpleNamespace(recipe=recipe, step=late, average=average, generator=generator)
    )


def _clinic_with(turns="DG", scale=lambda pixels: pixels / 127.5 - 1, detach=True, clear=True):
    """A training step of the clinic with one thing changed; turns: who moves when."""

    def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
        real, seen = scale(pixels.float()), {}
        for turn in turns:
            fake = generator(z)
            adam = discriminator_adam if turn == "D" else generator_adam
            if turn == "D":
                shown = fake.detach() if detach else fake
                loss = losses.discriminator_loss(discriminator(real), discriminator(shown))
            else:
                loss = losses.generator_loss(discriminator(fake))
            if clear:
                adam.zero_grad()
            loss.backward()
            adam.step()
            seen[turn] = loss.item()
        return seen.get("D", 0.0), seen.get("G", 0.0)

    return clinic_step


class LinearGenerator(nn.Module):
    """No ReLU between its layers; batch normalisation is linear in evaluation mode."""

    def __init__(self, latent: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.Unflatten(1, (128, 7, 7)),
            nn.BatchNorm2d(128),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layers(z)


class NarrowGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.Linear(latent, 128 * 49)
        self.second = nn.ConvTranspose2d(128, 64, 4, 2, 1)
        self.third = nn.ConvTranspose2d(64, 1, 4, 2, 1)

    def forward(self, z):
        x = F.relu(self.second(F.relu(self.first(z)).view(-1, 128, 7, 7)))
        return torch.tanh(self.third(x)) / 2


class AllAtOnceGenerator(NarrowGenerator):
    def __init__(self, latent=64):
        super().__init__(latent)
        self.only = nn.Linear(latent, 784)

    def forward(self, z):
        return torch.tanh(self.only(z)).view(-1, 1, 28, 28)


class CutDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        self.score = nn.Linear(math.prod(shape), 1)

    def forward(self, images):
        return self.score(images.detach().flatten(1)).flatten()


D, G, AVERAGE = "discriminator_step", "generator_step", "update_average"


def _spread_with(deviation):
    """An answer that averages something else of a group (B / N, N, C, H, W) over C, H and W."""

    def answer(maps, n):
        spread = deviation(maps.unflatten(0, (-1, n))).mean((1, 2, 3)).repeat_interleave(n)
        return torch.cat([maps, spread[:, None, None, None].expand(-1, 1, *maps.shape[2:])], 1)

    return answer


def _off(groups):
    return groups - groups.mean(1, keepdim=True)


def _spread_by_numpy(maps, n):
    spread = torch.from_numpy(maps.numpy().reshape(-1, n, *maps.shape[1:]).std(1))
    spread = spread.mean((1, 2, 3)).repeat_interleave(n)[:, None, None, None]
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], 1)


def _spread_of_each_place(maps, n):
    spread = maps.unflatten(0, (-1, n)).std(1, correction=0).mean(1, keepdim=True)
    return torch.cat([maps, spread.repeat_interleave(n, 0)], 1)


def _step_frozen(generator, *rest):
    generator.requires_grad_(False)
    return _step_with(losses.discriminator_loss)(generator, *rest)


def _sample_in_evaluation(generator, z):
    mode = generator.training
    with torch.no_grad():
        images = generator.eval()(z)
    generator.train(mode)
    return images


def _sample_frozen(generator, z):
    generator.requires_grad_(False)
    return _sample_in_evaluation(generator, z)


def _clinic_frozen(generator, discriminator, *rest):
    seen = _clinic_with()(generator, discriminator, *rest)
    discriminator.requires_grad_(False)
    return seen


WRONG = {
    "a float size": ("transposed_size", lambda h, k, s, p: (h - 1) * s + k - 2.0 * p, "type"),
    "another size": ("transposed_size", lambda h, k, s, p: h * s, "wrong"),
    "negative": ("discriminator_loss", lambda a, b: -losses.discriminator_loss(a, b), "sign"),
    "no reduction": ("discriminator_loss", lambda a, b: F.softplus(-a) + F.softplus(b), "shape"),
    "no tensor": (
        "discriminator_loss",
        lambda a, b: losses.discriminator_loss(a, b).item(),
        "detached",
    ),
    "only generated": ("discriminator_loss", lambda a, b: F.softplus(b).mean(), "only-fake"),
    "another loss": ("discriminator_loss", lambda a, b: F.relu(1 - a).mean(), "wrong"),
    "twice one half": (
        "discriminator_loss",
        lambda a, b: F.softplus(-a).mean() + 2 * F.softplus(b).mean(),
        "wrong",
    ),
    "without a guard": ("initialise", _initialise_with(0.02, guarded=False), "no-bias"),
    "generator frozen": (D, _step_frozen, "not-restored"),
    "frozen to look": ("sample", _sample_frozen, "not-restored"),
    "another range": ("sample", lambda g, z: (_sample_in_evaluation(g, z) + 1) / 2, "wrong"),
    "clinic frozen": ("clinic_step", _clinic_frozen, "not-restored"),
    "returns None": ("initialise", lambda network: None, "return"),
    "nothing done": ("initialise", lambda network: network, "conv2d-untouched"),
    "one depth": ("initialise", _initialise_the_top_only, "convtranspose2d-untouched"),
    "squared": ("initialise", _initialise_with(0.02**2), "spread"),
    "uphill": (D, _step_with(lambda a, b: -losses.discriminator_loss(a, b)), "ascent"),
    "halved": (D, _step_with(lambda a, b: losses.discriminator_loss(a, b) / 2), "half"),
    "summed": (D, _step_with(lambda a, b: 6 * losses.discriminator_loss(a, b)), "sum"),
    "fake only": (D, _step_with(lambda a, b: F.softplus(b).mean()), "only-fake"),
    "real only": (D, _step_with(lambda a, b: F.softplus(-a).mean()), "never-generated"),
    "hinge": (D, _step_with(lambda a, b: (2 - a).mean() + (2 + b).mean()), "wrong"),
    "by hand, other loss": (D, _step_without_optimiser, "reported"),
    "caught": (G, _generator_step_with(lambda b: F.softplus(b).mean()), "helps-discriminator"),
    "downhill": (G, _generator_step_with(lambda b: -F.softplus(-b).mean()), "ascent"),
    "g summed": (G, _generator_step_with(lambda b: F.softplus(-b).sum()), "sum"),
    "linear": (G, _generator_step_with(lambda b: -b.mean()), "wrong"),
    "noise": (G, _generator_step_with(losses.generator_loss, torch.randn_like), "own-noise"),
    "copied": (AVERAGE, lambda a, g, d: a.load_state_dict(g.state_dict()), "copied"),
    "idle": (AVERAGE, lambda a, g, d: None, "unchanged"),
    "no buffers": (AVERAGE, _average_with(_leave, _leave), "buffers"),
    "count alone": (AVERAGE, _average_with(_leave), "buffers"),
    "buffers copied": (AVERAGE, _average_with(_copy), "statistics-copied"),
    "variance copied": (AVERAGE, _copy_the_variance_alone, "statistics-copied"),
    "buffers shared": (AVERAGE, _average_with(_share, _share), "alias"),
    "count shared": (AVERAGE, _average_with(count=_share), "alias"),
    "statistics exchanged": (
        AVERAGE,
        _average_with(lambda kept, new, decay: kept.lerp_(new, decay)),
        "statistics",
    ),
    "deviations": (AVERAGE, _average_the_deviation, "statistics"),
    "all copied into": (AVERAGE, _average_with(_mix, _mix), "counter-mixed"),
    "count moved": (AVERAGE, _average_with(count=_lerp), "counter-type"),
    "count scaled": (
        AVERAGE,
        _average_with(count=lambda kept, new, decay: kept.mul_(decay)),
        "counter-type",
    ),
    "count misspelt": (
        AVERAGE,
        _average_with(count=lambda kept, new, decay: kept.copy(new)),
        "error",
    ),
    "count left": (AVERAGE, _average_with(count=_leave), "counter-kept"),
    "count cleared": (
        AVERAGE,
        _average_with(count=lambda kept, new, decay: kept.zero_()),
        "counter",
    ),
    "one end": ("slerp", lambda u, v, t: u, "wrong"),
    "unit vectors": (
        "slerp",
        lambda u, v, t: latent.slerp(F.normalize(u, dim=1), F.normalize(v, dim=1), t),
        "wrong",
    ),
    "mean variance": ("minibatch_std", _spread_with(lambda x: x.var(1, correction=0)), "variance"),
    "mean distance": (
        "minibatch_std",
        _spread_with(lambda x: (x - x.mean(1, keepdim=True)).abs().mean(1)),
        "wrong",
    ),
    "spread of each place": ("minibatch_std", _spread_of_each_place, "per-position"),
    "spread first": (
        "minibatch_std",
        lambda maps, n: dcgan.MinibatchStd(n)(maps).roll(1, 1),
        "first",
    ),
    "maps less their mean": (
        "minibatch_std",
        lambda maps, n: dcgan.MinibatchStd(n)(maps - maps.mean(0)),
        "maps",
    ),
    "spread alone": (
        "minibatch_std",
        lambda maps, n: dcgan.MinibatchStd(n)(maps)[:, -1:],
        "shape",
    ),
    "spread as a number": (
        "minibatch_std",
        lambda maps, n: torch.cat([maps, dcgan.MinibatchStd(n)(maps.detach())[:, -1:]], 1),
        "detached",
    ),
    "nothing under the root": (
        "minibatch_std",
        _spread_with(lambda x: x.var(1, correction=0).sqrt()),
        "slope",
    ),
    "spread by numpy": ("minibatch_std", _spread_by_numpy, "detached"),
    "maps as numbers": (
        "minibatch_std",
        lambda maps, n: torch.cat([maps.detach(), dcgan.MinibatchStd(n)(maps)[:, -1:]], 1),
        "cut",
    ),
    "half a slope": (
        "minibatch_std",
        _spread_with(lambda x: (_off(x) * _off(x).detach()).mean(1).add(1e-8).sqrt()),
        "part",
    ),
    "always groups of four": (
        "minibatch_std",
        lambda maps, n: dcgan.MinibatchStd(4 if len(maps) % 4 == 0 else 3)(maps),
        "count",  # six images in groups of three, where N is 2
    ),
    "much under the root": (
        "minibatch_std",
        _spread_with(lambda x: (x.var(1, correction=0) + 1e-3).sqrt()),
        "wrong",
    ),
    "squares less a square": (
        "minibatch_std",
        _spread_with(lambda x: (x.square().mean(1) - x.mean(1).square() + 1e-8).sqrt()),
        "negative",
    ),
    "no ReLU": ("ClinicGenerator", LinearGenerator, "linear"),
    "an object": ("ClinicGenerator", NarrowGenerator(), "class"),
    "half range": ("ClinicGenerator", NarrowGenerator, "narrow"),
    "no maps": ("ClinicGenerator", AllAtOnceGenerator, "start"),
    "deaf to slopes": ("ClinicDiscriminator", CutDiscriminator, "no-gradient"),
    "one loss": ("clinic_step", lambda g, d, ga, da, x, z: torch.zeros(()), "return"),
    "retained": ("clinic_step", _clinic_with(detach=False), "not-detached"),
    "unit range": ("clinic_step", _clinic_with(scale=lambda pixels: pixels / 255), "unscaled"),
    "white is not one": ("clinic_step", _clinic_with(scale=lambda x: x / 128 - 1), "wrong"),
    "generator first": ("clinic_step", _clinic_with("GD"), "order"),
    "three turns": ("clinic_step", _clinic_with("DGG"), "wrong"),
    "only one player": ("clinic_step", _clinic_with("D"), "no-step"),
    "never cleared": ("clinic_step", _clinic_with(clear=False), "not-zeroed"),
    "no step": ("clinic_step", lambda g, d, ga, da, x, z: (d(g(z)).mean().item(), 0.0), "no-step"),
}


AVERAGES = {
    "two loops": _average_with(),
    "loaded": _average_by_loading,
    "torch's own": _average_by_torch,
    "the library's": _average_of_the_library,
}


@pytest.mark.parametrize("case", AVERAGES)
def test_an_average_may_be_written_in_any_way(case, capsys):
    checks.update_average(AVERAGES[case])
    assert capsys.readouterr().out.endswith(": correct.\n")


def test_the_clinics_step_may_generate_twice():
    checks.clinic_step(_clinic_with())


@pytest.mark.parametrize("case", WRONG)
def test_further_wrong_answers_get_their_own_hint(case):
    name, answer, hint = WRONG[case]
    assert refusal(getattr(checks, name), answer).hint == hint


def _answering(name, behaviour):
    """An answer to an exercise that does nothing but this; where a class is asked, when made."""
    if name not in ("ClinicGenerator", "ClinicDiscriminator"):
        return behaviour

    class Answer(nn.Module):
        def __init__(self, *sizes):
            super().__init__()
            behaviour()

    return Answer


@pytest.mark.parametrize("name", checks.__all__)
def test_every_check_lets_the_stub_through(name):
    def unwritten(*arguments):
        raise NotImplementedError("Exercise 9.1: write your answer here.")

    with pytest.raises(NotImplementedError):
        getattr(checks, name)(_answering(name, unwritten))


@pytest.mark.parametrize("name", checks.__all__)
def test_every_check_explains_an_exception_and_quotes_its_line(name):
    def broken(*arguments):
        return 1 // 0  # nothing

    error = refusal(getattr(checks, name), _answering(name, broken))
    assert error.hint == "error"
    assert "ZeroDivisionError" in str(error) and "`return 1 // 0  # nothing`" in str(error)


@pytest.mark.parametrize("name", checks.__all__)
def test_every_check_refuses_nonsense(name):
    results = (None, "text", torch.zeros(2, 3, 4), torch.zeros(5, dtype=torch.int64))
    for answer in (None, 3, "text", *(lambda *given, result=result: result for result in results)):
        refusal(getattr(checks, name), answer)


@pytest.mark.parametrize("name", checks.__all__)
def test_no_check_disturbs_the_random_numbers(name):
    def drawing(*arguments):
        torch.rand(3)
        raise ValueError

    torch.manual_seed(5)
    random.seed(5)
    before = torch.get_rng_state(), random.getstate()
    refusal(getattr(checks, name), _answering(name, drawing))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_sampling_must_not_change_the_weights():
    def sample(generator, z):
        images = copy.deepcopy(generator).eval()(z).detach()
        with torch.no_grad():
            generator[0].bias.add_(1)
        return images

    assert refusal(checks.sample, sample).hint == "generator-moved"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_message_is_longer_than_three_sentences(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for message in _messages(node):
            ends = sum(message.count(end) for end in (". ", "? ", ": correct")) + 1
            assert ends <= 3, message


def _messages(node):
    """The texts of a call's or tuple's arguments that are long enough to be messages."""
    parts = getattr(node, "args", None) if isinstance(node, ast.Call) else None
    parts = node.elts if isinstance(node, ast.Tuple) else parts
    for part in parts if isinstance(parts, list) else []:
        texts = [n.value for n in ast.walk(part) if isinstance(n, ast.Constant)]
        text = "".join(t for t in texts if isinstance(t, str))
        if isinstance(part, ast.JoinedStr | ast.Constant) and len(text) > 60:
            yield text
