"""Taught, then kept: what the lessons write out does what the library keeps."""

import math
from pathlib import Path

import jupytext
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import classification, data, losses, recipes, training
from course_lib.models import blocks, classifier, dcgan

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def kept(lesson: str) -> dict:
    """The names that a lesson defines in its cells tagged `keep`."""
    names = {"nn": nn, "F": F, "math": math, "torch": torch, "Tensor": Tensor, "losses": losses}
    names["print"] = lambda *a: None
    for cell in jupytext.read(NOTEBOOKS / f"{lesson}.py").cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


@pytest.fixture(scope="module")
def lesson() -> dict:
    """What lesson 09 writes out."""
    return kept("09_dcgan")


@pytest.fixture(scope="module")
def fourth() -> dict:
    """What lesson 04 writes out."""
    return kept("04_building_a_cnn")


@pytest.mark.parametrize("training_mode", [True, False])
def test_the_classifier_of_lesson_04_is_the_librarys(fourth, training_mode):
    torch.manual_seed(0)
    taught, library = fourth["Classifier"](), classifier.Classifier()
    taught.load_state_dict(library.state_dict())
    outputs = []
    for network in (taught.train(training_mode), library.train(training_mode)):
        torch.manual_seed(1)  # of dropout
        images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
        outputs.append(network(images))
    assert torch.equal(*outputs)


def test_the_training_of_lesson_04_is_the_librarys(fourth):
    images = torch.randint(0, 256, (24, 1, 32, 32), dtype=torch.uint8)
    few = data.ImageSet("noise", "train", images, torch.arange(24) % 10, tuple("abcdefghij"), "")
    library = classifier.Classifier()
    taught = fourth["Classifier"]()
    taught.load_state_dict(library.state_dict())
    records = list(classification.train_classifier(library, few, epochs=1, batch=8, every=1))
    adam = torch.optim.AdamW(taught.parameters(), 4e-3, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, total_steps=3)
    sampler = data.EpochSampler(24, 8, 0)
    taught.train()
    for step, record in enumerate(records):
        torch.manual_seed(step)
        chosen = sampler.indices(step)
        loss = fourth["train_step"](taught, adam, few.batch(chosen), few.labels[chosen])
        cycle.step()
        assert float(loss) == pytest.approx(record.losses["cross-entropy"], rel=1e-3)


def test_the_residual_block_of_lesson_05_is_the_librarys():
    fifth = kept("05_architectures")
    for sizes in ((4, 4, 1), (4, 6, 1), (4, 8, 2)):
        taught, library = fifth["ResidualBlock"](*sizes), blocks.ResidualBlock(*sizes)
        taught.load_state_dict(library.state_dict())
        images = torch.randn(3, 4, 8, 8)
        assert torch.equal(taught(images), library(images))


def test_the_networks_are_the_librarys(lesson):
    pairs = [
        (lesson["Generator"](), dcgan.Generator(), torch.randn(4, 64)),
        (lesson["Discriminator"](), dcgan.Discriminator(), torch.randn(4, 1, 32, 32)),
    ]
    for taught, kept, inputs in pairs:
        taught.load_state_dict(kept.state_dict())
        # The library computes the generator's first layer as a matrix product: rounding differs.
        torch.testing.assert_close(taught(inputs), kept(inputs))


def test_the_initialisation_is_the_librarys(lesson):
    for network in (dcgan.Generator(), dcgan.Discriminator()):
        torch.manual_seed(3)
        taught = [parameter.clone() for parameter in lesson["initialise"](network).parameters()]
        torch.manual_seed(3)
        kept = list(dcgan.initialise(network).parameters())
        assert all(torch.equal(one, two) for one, two in zip(taught, kept, strict=True))


def test_the_minibatch_std_is_the_librarys(lesson):
    maps = torch.randn(8, 3, 4, 4)
    assert torch.equal(lesson["with_spread"](maps, 4), dcgan.MinibatchStd(4)(maps))


def test_the_training_step_is_the_librarys(lesson):
    recipe = recipes.paper_recipe(steps=3, batch=8, latent=64)
    state = training.GanState.create(recipe, torch.device("cpu"))
    networks = lesson["Generator"](), lesson["Discriminator"]()
    networks[0].load_state_dict(state.generator.state_dict())
    networks[1].load_state_dict(state.discriminator.state_dict())
    adams = [torch.optim.Adam(one.parameters(), recipe.rate, recipe.betas) for one in networks]
    real = torch.rand(8, 1, 32, 32) * 2 - 1
    z = torch.randn(8, 64, generator=torch.Generator().manual_seed(5))
    d_loss, g_loss = lesson["train_step"](*networks, *adams, real, z)
    measured = training.gan_step(state, real, torch.Generator().manual_seed(5))
    assert torch.isclose(d_loss, measured["discriminator"], atol=1e-5)
    assert torch.isclose(g_loss, measured["generator"], atol=1e-5)
    for taught, kept in zip(networks, (state.generator, state.discriminator), strict=True):
        for one, two in zip(taught.parameters(), kept.parameters(), strict=True):
            # Adam's first step is the rate times the gradient's sign: near zero the sign is noise.
            assert (one - two).abs().mean() < 0.02 * recipe.rate
