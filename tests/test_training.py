"""The adversarial loop: exactness of its parts, repeatability, errors."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from course_lib import classification, data, losses, recipes, runtime, training
from course_lib.distributed import World
from course_lib.models import dcgan

CPU = torch.device("cpu")
SMALL = recipes.Recipe(steps=6, batch=8, latent=5, size=8, width=4, r1_every=2)


def tiny_images(count: int = 40, size: int = 8) -> data.ImageSet:
    random = torch.Generator().manual_seed(9)
    pixels = torch.randint(0, 256, (count, 1, size, size), generator=random, dtype=torch.uint8)
    return data.ImageSet("tiny", "train", pixels, torch.zeros(count).long(), ("any",), "a test")


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def slopes(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def trained(recipe: recipes.Recipe) -> training.GanState:
    state = training.GanState.create(recipe, CPU)
    for _ in training.train_gan(state, tiny_images(), every=2):
        pass
    return state


def test_long_trainings_have_a_lower_rate_and_short_ones_the_usual():
    usual = recipes.Recipe.rate
    assert recipes.rate_for(1) == recipes.rate_for(recipes.LONG) == usual
    assert recipes.rate_for(4 * recipes.LONG) == pytest.approx(usual / 2)
    assert recipes.course_recipe(CPU).rate == usual
    longer = recipes.course_recipe(CPU, steps=9 * recipes.LONG)
    assert longer.rate == pytest.approx(usual / 3)
    assert recipes.course_recipe(CPU, steps=9 * recipes.LONG, rate=0.1).rate == 0.1
    on_gpu = recipes.course_recipe(torch.device("cuda"), "celeba")
    assert on_gpu.rate == recipes.rate_for(recipes.GPU.steps) < usual
    with pytest.raises(ValueError, match="steps of at least 1"):
        recipes.course_recipe(CPU, steps=0)


def test_records_cover_every_step_and_are_kept():
    state = training.GanState.create(SMALL, CPU)
    records = list(training.train_gan(state, tiny_images(), every=4))
    assert [record.step for record in records] == [4, 6]
    assert [record.images for record in records] == [32, 48]
    assert state.history == records
    assert set(records[0].losses) == {"discriminator", "generator", "real logit", "fake logit"}


@pytest.mark.parametrize("loss", ["relativistic", "non-saturating"])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(loss, norm):
    recipe = replace(SMALL, loss=loss, norm=norm)
    first, second = trained(recipe), trained(recipe)
    assert torch.equal(weights(first.average), weights(second.average))
    other = trained(replace(recipe, seed=1))
    assert not torch.equal(weights(first.average), weights(other.average))


def test_a_network_left_in_evaluation_mode_is_trained_in_training_mode():
    """Batch normalisation in evaluation mode would train with old statistics, unnoticed."""
    recipe = replace(SMALL, norm="batch")
    disturbed = training.GanState.create(recipe, CPU)
    disturbed.generator.eval(), disturbed.discriminator.eval()
    for _ in training.train_gan(disturbed, tiny_images(), every=2):
        disturbed.generator.eval(), disturbed.discriminator.eval()
    assert torch.equal(weights(disturbed.generator), weights(trained(recipe).generator))


def test_both_players_and_the_average_move():
    before = training.GanState.create(SMALL, CPU)
    after = trained(SMALL)
    for name in ("generator", "discriminator", "average"):
        assert not torch.equal(weights(getattr(before, name)), weights(getattr(after, name)))


@pytest.mark.parametrize("loss", list(losses.LOSSES))
def test_first_step_equals_the_step_written_out_by_hand(loss):
    """Oracle: the losses computed with plain autograd, without freezing."""
    ours = {
        "non-saturating": (losses.discriminator_loss, lambda b, a: losses.generator_loss(b)),
        "saturating": (losses.discriminator_loss, lambda b, a: losses.saturating_loss(b)),
        "least-squares": (
            losses.least_squares_discriminator_loss,
            lambda b, a: losses.least_squares_generator_loss(b),
        ),
        "wasserstein": (lambda a, b: b.mean() - a.mean(), lambda b, a: -b.mean()),
        "hinge": (losses.hinge_loss, lambda b, a: -b.mean()),
        "relativistic": (losses.relativistic_loss, losses.relativistic_loss),
    }[loss]
    recipe = replace(SMALL, loss=loss, r1=0.0, average=0.0, decay="none", rate=1e-2)
    state = training.GanState.create(recipe, CPU)
    by_hand = training.GanState.create(recipe, CPU)
    real = data.normalise(tiny_images().images[:8])
    random = torch.Generator().manual_seed(4)
    training.gan_step(state, real, random)

    z = torch.randn(8, 5, generator=torch.Generator().manual_seed(4))
    generator, discriminator = by_hand.generator, by_hand.discriminator
    fake = generator(z)
    a, b = discriminator(real), discriminator(fake.detach())
    ours[0](a, b).backward()
    by_hand.discriminator_adam.step()
    # The first step of Adam is the sign of the gradient: weights alone would hide a wrong size.
    torch.testing.assert_close(slopes(state.discriminator), slopes(discriminator))
    b = discriminator(fake)  # the real logits a are kept from before the step
    ours[1](b, a.detach()).backward()
    by_hand.generator_adam.step()
    torch.testing.assert_close(slopes(state.generator), slopes(generator))
    assert torch.allclose(weights(state.discriminator), weights(discriminator), atol=1e-6)
    assert torch.allclose(weights(state.generator), weights(generator), atol=1e-6)


def test_generator_step_leaves_the_discriminator_alone():
    recipe = replace(SMALL, rate=1e-2)
    state = training.GanState.create(recipe, CPU)
    state.discriminator_adam.step = lambda: None
    before = weights(state.discriminator)
    training.gan_step(state, data.normalise(tiny_images().images[:8]), torch.Generator())
    assert torch.equal(before, weights(state.discriminator))
    assert all(parameter.requires_grad for parameter in state.discriminator.parameters())


def test_penalty_changes_the_discriminator_only_at_its_steps():
    real, random = data.normalise(tiny_images().images[:8]), torch.Generator()
    for step, equal in ((1, True), (2, False)):
        states = [
            training.GanState.create(replace(SMALL, r1=r1, r1_every=2), CPU) for r1 in (0.0, 50.0)
        ]
        for state in states:
            state.step = step
            training.gan_step(state, real, random.manual_seed(0))
        first, second = (weights(state.discriminator) for state in states)
        assert torch.equal(first, second) is equal


@pytest.mark.parametrize("name", ["r2", "slope_one"])
def test_a_penalty_adds_its_gradient_to_the_discriminators_at_its_steps(name):
    """Oracle: the penalty's own gradient, from the same generated images and mixture."""
    real = data.normalise(tiny_images().images[:8])
    for step in (1, 2):
        states = [
            training.GanState.create(
                replace(SMALL, r1=0.0, r1_every=2, rate=1e-9, **{name: weight}), CPU
            )
            for weight in (0.0, 3.0)
        ]
        for state in states:
            state.step = step
            training.gan_step(state, real, torch.Generator().manual_seed(0))
        added = slopes(states[1].discriminator) - slopes(states[0].discriminator)
        if step == 1:
            assert not added.any()
            continue
        random = torch.Generator().manual_seed(0)
        fresh = training.GanState.create(states[1].recipe, CPU)
        fake = fresh.generator(torch.randn(8, 5, generator=random)).detach()
        if name == "r2":
            fake.requires_grad_()
            penalty = 1.5 * losses.squared_gradient_norm(fresh.discriminator(fake), fake)
        else:
            mix = torch.rand(8, generator=random)
            penalty = 3 * losses.gradient_penalty(fresh.discriminator, real, fake, mix)
        (2 * penalty).backward()  # every second step, with twice the weight
        expected = torch.cat(
            [
                torch.zeros_like(one).flatten() if one.grad is None else one.grad.flatten()
                for one in fresh.discriminator.parameters()
            ]
        )
        torch.testing.assert_close(added, expected, rtol=1e-3, atol=1e-4)


def test_clipping_bounds_the_discriminators_weights_and_no_other():
    after = trained(replace(SMALL, loss="wasserstein", clip=0.02, r1=0.0))
    assert weights(after.discriminator).abs().max() <= 0.02
    assert weights(after.generator).abs().max() > 0.02


def test_average_is_the_weighted_mean_of_the_weights():
    state = training.GanState.create(replace(SMALL, average=0.5), CPU)
    state.step = 10**6  # past the first steps, in which the decay is smaller
    old, new = weights(state.average), weights(state.generator) + 1
    with torch.no_grad():
        for parameter in state.generator.parameters():
            parameter += 1
    training.update_average(state)
    assert torch.allclose(weights(state.average), 0.5 * old + 0.5 * new, atol=1e-6)


def test_average_takes_the_mean_of_running_statistics_and_a_copy_of_the_count():
    state = training.GanState.create(replace(SMALL, average=0.5), CPU)
    state.step = 10**6
    random = torch.Generator().manual_seed(4)
    for network, batches in ((state.average, 20), (state.generator, 47)):
        for value in network.buffers():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=random))
            else:
                value.fill_(batches)
    old = {name: value.clone() for name, value in state.average.named_buffers()}
    new = {name: value.clone() for name, value in state.generator.named_buffers()}
    assert {value.is_floating_point() for value in old.values()} == {True, False}
    training.update_average(state)
    for name, value in state.average.named_buffers():
        expected = (old[name] + new[name]) / 2 if value.is_floating_point() else new[name]
        assert torch.allclose(value, expected, atol=1e-6), name
    assert all(torch.equal(value, new[name]) for name, value in state.generator.named_buffers())


def test_without_an_average_the_sampled_generator_is_the_trained_one():
    state = training.GanState.create(replace(SMALL, average=0.0), CPU)
    state.step = 10**6
    for value in (*state.generator.parameters(), *state.generator.buffers()):
        value.data.add_(1)
    training.update_average(state)
    live = state.generator.state_dict()
    assert all(torch.equal(value, live[name]) for name, value in state.average.state_dict().items())


def test_linear_decay_falls_in_the_second_half():
    state = training.GanState.create(replace(SMALL, decay="linear", steps=100), CPU)
    real = data.normalise(tiny_images().images[:8])
    rates = []
    for step in (0, 50, 75, 99):
        state.step = step
        training.gan_step(state, real, torch.Generator())
        rates.append(state.generator_adam.param_groups[0]["lr"] / state.recipe.rate)
    assert rates == pytest.approx([1.0, 1.0, 0.5, 0.02])


def test_wrong_images_are_refused():
    state = training.GanState.create(SMALL, CPU)
    with pytest.raises(ValueError, match=r"expected images of shape \(1, 8, 8\)"):
        next(training.train_gan(state, tiny_images(size=16)))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"batch": 1},
        {"loss": "cosine"},
        {"norm": "layer"},
        {"group": 1},
        {"group": -2},
        {"group": 3},  # of a batch of 8
        {"group": 4, "slope_one": 10.0},
        {"dtype": "float16"},
        {"clip": -0.1},
        {"r1": -1.0},
        {"r1_every": 0},
    ],
)
def test_nonsense_recipes_are_refused(change):
    with pytest.raises(ValueError, match="expected"):
        replace(SMALL, **change)


def test_losses_that_are_not_finite_stop_the_training():
    state = training.GanState.create(SMALL, CPU)
    with torch.no_grad():
        next(state.generator.parameters()).fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="no longer finite"):
        list(training.train_gan(state, tiny_images()))


def test_classifier_training_lowers_the_loss_and_measures_accuracy():
    torch.manual_seed(0)
    images = data.load_images("fashion-mnist", "train", 32).take(512)
    classifier = classification.Classifier()
    records = list(
        classification.train_classifier(classifier, images, epochs=6, batch=64, rate=2e-3, every=8)
    )
    values = [record.losses["cross-entropy"] for record in records]
    assert values[-1] < 0.7 * values[0]
    assert classification.accuracy(classifier, images) > 0.6


def test_any_network_is_trained_with_the_augmentation_given_and_mirroring_by_default():
    images = data.load_images("fashion-mnist", "train", 32).take(128)

    def trained(**change) -> torch.Tensor:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1024, 10))
        list(classification.train_classifier(network, images, epochs=2, batch=64, **change))
        return network[1].weight.detach()

    def mirrored(batch: torch.Tensor) -> torch.Tensor:
        chosen = torch.rand(64, 1, 1, 1) < 0.5
        return torch.where(chosen, batch.flip(3), batch)

    assert torch.equal(trained(), trained(augment=mirrored))
    assert not torch.equal(trained(), trained(augment=lambda batch: batch))


def test_compiled_networks_train_to_the_same_weights():
    """With the lazy penalty, which needs second derivatives that a compiled network has not."""
    recipe = replace(SMALL, norm="batch")
    plain = trained(recipe)
    state = training.GanState.create(recipe, CPU).compiled("aot_eager")
    for record in training.train_gan(state, tiny_images(), every=2):
        assert record.losses.keys() == plain.history[0].losses.keys()
    assert state.players[0] is not state.generator
    assert torch.allclose(weights(state.average), weights(plain.average), atol=1e-5)
    assert torch.allclose(weights(state.discriminator), weights(plain.discriminator), atol=1e-5)


def test_compiling_is_refused_in_several_processes():
    state = training.GanState.create(SMALL, CPU)
    state.world = World(rank=0, size=2, local_rank=0)
    with pytest.raises(runtime.RuntimeSettingError, match=r"one process.*got 2"):
        state.compiled()


def test_what_a_step_computes_forward_stays_on_the_gpu():
    """Batch, noise, both networks and the losses on a GPU that is not there.

    The lines are those of the step. Fake tensors have no backward pass on a GPU, so the penalty and
    the optimisers cannot run; their weights cannot be brought into another order in memory; and a
    number format can only be asked for where there is a GPU.
    """
    gpu, recipe = torch.device("cuda"), replace(SMALL, norm="none", depth=2, group=4)
    with FakeTensorMode(allow_non_fake_inputs=True):
        pixels = torch.empty(40, 1, 8, 8, dtype=torch.uint8, device=gpu)
        images = replace(tiny_images(), images=pixels)
        with gpu:  # only the weights: the forward pass gets no default device
            generator = dcgan.Generator(5, width=4, size=8, depth=2)
            discriminator = dcgan.Discriminator(width=4, size=8, norm="none", group=4)
        state = training.GanState(recipe, gpu, generator, discriminator, generator, None, None)
        rows = data.EpochSampler(len(images), SMALL.batch, seed=0).indices(0)
        real = images.batch(rows, gpu).contiguous(memory_format=torch.channels_last)
        fake, *logits = training.forward(state, real, None)
        found = losses.relativistic_loss(*logits), losses.discriminator_loss(*logits)
        shown = state.generate(torch.empty(3, 5, device=gpu))
    assert real.shape == fake.shape == (8, 1, 8, 8) and real.dtype == torch.float32
    assert {value.device.type for value in (real, fake, *logits, *found, shown)} == {"cuda"}
