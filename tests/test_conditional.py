"""Conditional networks, losses and training against independent computations."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from course_lib import class_explorer, conditional, data, recipes
from course_lib.models import conditional as models

DEVICE = torch.device("cpu")
SIZES = {"size": 8, "width": 4}


def recipe(**changes):
    small = {"batch": 4, "latent": 5, "size": 8, "width": 4, "depth": 1, "average": 0.5}
    return recipes.Recipe(steps=changes.pop("steps", 3), **(small | changes))


@pytest.fixture(scope="module")
def noise():
    random = torch.Generator().manual_seed(7)
    images = torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8, generator=random)
    return data.ImageSet("noise", "train", images, torch.arange(12) % 3, tuple("abc"), "")


def state(meeting, **changes):
    options = {name: changes.pop(name) for name in ("dials", "push", "weight") if name in changes}
    return conditional.ConditionalState.create(
        meeting, recipe(**changes), DEVICE, kinds=3, **options
    )


def test_the_class_and_the_dials_stand_behind_the_noise():
    network = models.Generator(5, 3, 2, 4, **SIZES).eval()
    z, kinds, dials = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2]), torch.rand(6, 2)
    by_hand = torch.cat([z, network.embedding.weight[kinds], dials], dim=1)
    assert torch.equal(network(z, kinds, dials), network.network(by_hand))


@pytest.mark.parametrize("dials", [None, torch.zeros(6, 3)])
def test_missing_dials_are_refused(dials):
    network = models.Generator(5, 3, 2, **SIZES)
    with pytest.raises(ValueError, match="dials"):
        network(torch.randn(6, 5), torch.zeros(6, dtype=torch.int64), dials)


def test_a_label_is_a_map_of_ones():
    maps = models.label_maps(torch.tensor([2, 0]), 3, 4, 5)
    assert maps.shape == (2, 3, 4, 5)
    assert maps[0, 2].eq(1).all() and maps[1, 0].eq(1).all() and maps.sum() == 40


def test_the_projection_discriminator_ignores_the_label_until_its_table_is_not_zero():
    network = models.ProjectionDiscriminator(3, norm="none", **SIZES)
    images = torch.rand(4, 1, 8, 8) * 2 - 1
    one, two = (torch.full((4,), label) for label in (0, 2))
    assert torch.equal(network(images, one).logits, network(images, two).logits)
    with torch.no_grad():
        network.table[2] = 1.0
    gap = network(images, two).logits - network(images, one).logits
    features = network.body(images).flatten(1)
    assert torch.allclose(gap, features.sum(1), atol=1e-5)


def test_concatenation_looks_at_the_label_and_guessing_does_not():
    images, labels = torch.rand(4, 1, 8, 8) * 2 - 1, torch.tensor([0, 1, 2, 0])
    told = models.ConcatenatingDiscriminator(3, norm="none", **SIZES)
    assert not torch.allclose(told(images, labels).logits, told(images, labels.flip(0)).logits)
    guessing = models.GuessingDiscriminator(3, 2, norm="none", **SIZES)
    seen = guessing(images, labels)
    assert torch.equal(seen.logits, guessing(images).logits)
    assert seen.kinds.shape == (4, 3) and seen.dials.shape == (4, 2)


def test_the_dials_loss_is_that_of_a_gaussian():
    means, dials = torch.randn(6, 2).double(), torch.rand(6, 2).double()
    known = torch.distributions.Normal(means, conditional.DIAL_SPREAD)
    wanted = -known.log_prob(dials).sum(1).mean()
    assert torch.allclose(conditional.dial_loss(means, dials), wanted)
    assert conditional.dial_loss(torch.zeros(6, 0), torch.zeros(6, 0)) == 0


def test_the_bound_is_log_k_for_certainty_and_zero_for_no_opinion():
    kinds = torch.tensor([0, 1, 2, 3])
    sure = 1000 * F.one_hot(kinds, 4).double()
    assert conditional.information_bound(sure, kinds) == pytest.approx(math.log(4))
    assert conditional.information_bound(torch.zeros(4, 4), kinds) == pytest.approx(0, abs=1e-12)
    assert conditional.information_bound(sure, kinds.flip(0)) < 0


@pytest.mark.parametrize("meeting", conditional.MEETINGS)
def test_training_moves_both_players_and_repeats_itself(meeting, noise):
    dials = 2 if meeting == "information" else 0
    runs = [state(meeting, dials=dials) for _ in range(2)]
    before = [p.clone() for p in runs[0].discriminator.parameters()]
    untrained = [p.clone() for p in runs[0].generator.parameters()]
    for one in runs:
        *_, record = conditional.train_conditional(one, noise, every=2)
    assert record.step == 3 and record.images == 12
    assert ("code" in record.losses) == (meeting in ("auxiliary", "twin", "information"))
    for old, network in ((before, runs[0].discriminator), (untrained, runs[0].generator)):
        assert any(not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True))
    for one, two in zip(
        runs[0].generator.parameters(), runs[1].generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    images = runs[0].generate(
        torch.randn(4, 5), torch.tensor([0, 1, 2, 0]), torch.zeros(4, 2) if dials else None
    )
    assert images.shape == (4, 1, 8, 8) and images.abs().max() <= 1
    assert all(p.requires_grad for p in runs[0].discriminator.parameters())


def test_each_generated_image_is_of_the_class_of_a_real_one(noise, monkeypatch):
    one, asked = state("projection", steps=1), []
    forward = one.generator.forward

    def watched(z, kinds, dials=None):
        asked.append(kinds)
        return forward(z, kinds, dials)

    monkeypatch.setattr(one.generator, "forward", watched)
    list(conditional.train_conditional(one, noise))
    chosen = data.EpochSampler(12, 4, one.recipe.seed).indices(0)
    assert torch.equal(asked[0], noise.labels[chosen])


def test_sampling_between_records_leaves_no_network_in_evaluation_mode(noise):
    one = state("projection", norm="batch")
    for _ in conditional.train_conditional(one, noise, every=1):
        assert one.generator.training and one.discriminator.training
        one.generator.eval()
        one.discriminator.eval()


def test_information_looks_at_no_label(noise):
    other = replace(noise, labels=torch.zeros(12, dtype=torch.int64))
    runs = []
    for images in (noise, other):
        runs.append(state("information", dials=1))
        list(conditional.train_conditional(runs[-1], images))
    for one, two in zip(
        runs[0].generator.parameters(), runs[1].generator.parameters(), strict=True
    ):
        assert torch.equal(one, two)


def test_without_a_push_the_guesses_do_not_reach_the_generator(noise):
    """With neither weight nor push a guessing GAN is one that nobody asks."""
    runs = {}
    for weight, push in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0)):
        one = state("information", dials=1, weight=weight, push=push, steps=1, r1=0.0)
        list(conditional.train_conditional(one, noise))
        runs[weight, push] = one
    guess = {key: one.discriminator.guess.weight.detach() for key, one in runs.items()}
    assert torch.equal(guess[0.0, 0.0], guess[0.0, 1.0])  # the generator's wish does not teach it
    assert not torch.equal(guess[0.0, 0.0], guess[1.0, 0.0])
    pushed = runs[0.0, 1.0].generator.embedding.weight
    assert not torch.equal(runs[0.0, 0.0].generator.embedding.weight, pushed)


def test_two_twins_that_agree_do_not_move_the_generator(noise):
    """Then the two rewards cancel, and what is left is the game without classes."""
    gradients = {}
    for push in (0.0, 1.0):
        one = state("twin", push=push, weight=0.0, steps=1, r1=0.0)
        one.discriminator.twin.load_state_dict(one.discriminator.guess.state_dict())
        list(conditional.train_conditional(one, noise))
        gradients[push] = [p.grad.clone() for p in one.generator.parameters()]
    for alone, pushed in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(alone, pushed, rtol=1e-3, atol=1e-6)


def test_each_twin_is_taught_on_its_own_images(noise, monkeypatch):
    """The first on real images with their labels, the second on generated ones with theirs."""
    taught = []
    monkeypatch.setattr(conditional, "class_loss", lambda logits, kinds: taught.append(logits) or
                        F.cross_entropy(logits, kinds))  # fmt: skip
    one, seen = state("twin", steps=1, r1=0.0), []
    forward = one.discriminator.forward

    def watched(images, labels=None):
        seen.append(forward(images, labels))
        return seen[-1]

    monkeypatch.setattr(one.discriminator, "forward", watched)
    list(conditional.train_conditional(one, noise))
    real, fake, after = seen
    wanted = [real.kinds, fake.twin, after.kinds, after.twin]
    assert len(taught) == 4
    assert all(torch.equal(one, two) for one, two in zip(taught, wanted, strict=True))


def test_what_cannot_be_trained_is_refused(noise):
    with pytest.raises(ValueError, match="one of"):
        state("by telepathy")
    with pytest.raises(ValueError, match="dials"):
        state("projection", dials=1)
    with pytest.raises(ValueError, match="R1"):
        state("projection", r2=1.0)
    with pytest.raises(ValueError, match="groups, got group=2"):
        state("projection", group=2)
    with pytest.raises(ValueError, match="labels"):
        too_many = replace(noise, labels=noise.labels + 1)
        next(conditional.train_conditional(state("projection"), too_many))
    with pytest.raises(ValueError, match="shape"):
        next(conditional.train_conditional(state("projection", size=16), noise))


def test_the_explorer_shows_every_kind_at_every_stop():
    asked = []

    def generate(z, kinds, dials):
        asked.append((z, kinds, dials))
        return (kinds[:, None, None, None] / 4 * dials[:, :1, None, None]).expand(-1, 1, 8, 8)

    explorer = class_explorer.class_explorer(
        generate, 5, names=["a", "b", "c"], dials=["light", "size"], alt="Three rows."
    )
    ((z, kinds, dials),) = asked
    assert z.shape == (15, 5) and (z == z[0]).all()
    assert kinds.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert dials[:5, 0].tolist() == pytest.approx([-1, -0.5, 0, 0.5, 1])
    assert dials[:5].equal(dials[5:10]) and not dials[:, 1].any()
    assert float(explorer.image(2, [1.0, 0.0]).mean()) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="kinds"):
        class_explorer.class_explorer(generate, 5, names=[], dials=["a"], alt="None.")
