"""Checkpoints: a resumed training equals an uninterrupted one; damage is named."""

import json

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_training import CPU, SMALL, tiny_images, trained, weights

from course_lib import checkpoints, training
from course_lib.models.dcgan import Generator


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def test_resumed_training_equals_an_uninterrupted_one(path):
    whole = trained(SMALL)
    half = training.GanState.create(SMALL, CPU)
    for record in training.train_gan(half, tiny_images(), every=2):
        if record.step == 4:
            break
    checkpoints.save_state(half, path, {"data": "tiny"})
    resumed, info = checkpoints.load_state(path, CPU)
    assert info == {"data": "tiny"} and resumed.step == 4 and resumed.history == half.history
    for _ in training.train_gan(resumed, tiny_images(), every=2):
        pass
    for name in ("generator", "discriminator", "average"):
        assert torch.equal(weights(getattr(whole, name)), weights(getattr(resumed, name)))
    assert [record.losses for record in whole.history] == [
        record.losses for record in resumed.history
    ]


def test_a_fresh_state_can_be_saved_before_its_first_step(path):
    checkpoints.save_state(training.GanState.create(SMALL, CPU), path, {})
    resumed, _ = checkpoints.load_state(path, CPU)
    assert resumed.step == 0


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.999])
def test_a_truncated_file_is_named(path, kept):
    checkpoints.save_state(trained(SMALL), path, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(checkpoints.CheckpointError, match=r"checkpoint\.safetensors is damaged"):
        checkpoints.load_state(path, CPU)


def test_a_healthy_file_is_not_to_be_deleted(path, monkeypatch):
    checkpoints.save_state(trained(SMALL), path, {})

    def refusing(*arguments):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "safe_open", refusing)
        with pytest.raises(checkpoints.CheckpointError, match=r"cannot be read .*its owner"):
            checkpoints.load_state(path, CPU)

    def too_large(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training.GanState, "create", too_large)
    with pytest.raises(torch.OutOfMemoryError):
        checkpoints.load_state(path, CPU)


def test_a_missing_file_says_what_to_do(path):
    with pytest.raises(checkpoints.CheckpointError, match="Train first"):
        checkpoints.load_state(path, CPU)


FOREIGN = {
    "empty": (lambda path: path.touch(), "damaged or not a safetensors file"),
    "text": (lambda path: path.write_text("step 4", encoding="utf-8"), "damaged or not"),
    "JSON": (
        lambda path: path.write_text('{"step": 4, "seconds": 1.5}', "utf-8"),
        "damaged or not",
    ),
    "PNG": (lambda path: Image.new("L", (8, 8)).save(path, "PNG"), "damaged or not"),
    "pickle": (lambda path: torch.save({"weight": torch.ones(2)}, path), "damaged or not"),
    "another program's": (
        lambda path: save_file({"weight": torch.ones(2)}, path),
        "something else",
    ),
    "a generator": (
        lambda path: checkpoints.save_generator(Generator(width=4), path, {}),
        "holds 'dcgan generator', expected 'dcgan training state'",
    ),
    "folder": (lambda path: path.mkdir(), "is a folder, expected a file"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_refused(path, kind):
    write, said = FOREIGN[kind]
    write(path)
    with pytest.raises(checkpoints.CheckpointError, match=rf"checkpoint\.safetensors .*{said}"):
        checkpoints.load_state(path, CPU)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the header of a good training state."""
    good = tmp_path_factory.mktemp("good") / "checkpoint.safetensors"
    checkpoints.save_state(trained(SMALL), good, {})
    with safe_open(good, "pt") as opened:
        return load_file(good), opened.metadata()


def write_changed(path, saved, **changes: str | None) -> None:
    """Write a good state with other entries of its header; None leaves an entry out."""
    tensors, header = saved
    kept = {name: text for name, text in (header | changes).items() if text is not None}
    save_file(tensors, path, kept)


@pytest.mark.parametrize("version", ["2", "1.5", "²", None])
def test_a_newer_or_nameless_version_is_refused(path, saved, version):
    write_changed(path, saved, version="1")
    checkpoints.load_state(path, CPU)
    write_changed(path, saved, version=version)
    with pytest.raises(checkpoints.CheckpointError, match="Update the course"):
        checkpoints.load_state(path, CPU)


@pytest.mark.parametrize("text", [None, "{", "[1]", "3", '{"recipe": {"colour": 3}}'])
def test_a_description_of_another_form_is_refused(path, saved, text):
    write_changed(path, saved, description=text)
    with pytest.raises(checkpoints.CheckpointError, match="does not fit this version"):
        checkpoints.load_state(path, CPU)


@pytest.mark.parametrize("key", ["recipe", "step", "seconds", "history", "info"])
def test_a_description_that_lacks_a_key_is_refused(path, saved, key):
    description = json.loads(saved[1]["description"])
    del description[key]
    write_changed(path, saved, description=json.dumps(description))
    with pytest.raises(checkpoints.CheckpointError, match=f"does not fit .*KeyError: '{key}'"):
        checkpoints.load_state(path, CPU)


@pytest.mark.parametrize(
    "missing",
    ["generator.", "discriminator.", "average.", "generator_adam.", "discriminator_adam.1.exp_avg"],
)
def test_a_file_that_lacks_tensors_is_refused(path, saved, missing):
    tensors, header = saved
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(missing)}
    assert 0 < len(kept) < len(tensors)
    save_file(kept, path, header)
    with pytest.raises(checkpoints.CheckpointError, match="does not fit"):
        checkpoints.load_state(path, CPU)


@pytest.mark.parametrize(
    ("kind", "load"),
    [
        ("dcgan generator", checkpoints.load_generator),
        ("classifier", lambda path, device: checkpoints.load_classifier(device, path)),
    ],
)
def test_networks_that_do_not_fit_are_refused(path, kind, load):
    description = json.dumps({"config": {"width": 8}, "info": {}})
    header = {"kind": kind, "version": "1", "description": description}
    save_file({"layers.0.weight": torch.ones(2)}, path, header)
    with pytest.raises(checkpoints.CheckpointError, match="does not fit"):
        load(path, CPU)


def test_generator_comes_back_to_the_bit(path):
    state = trained(SMALL)
    checkpoints.save_generator(state.average, path, {"data": "tiny"})
    generator, info = checkpoints.load_generator(path, CPU)
    z = torch.randn(3, 5)
    assert torch.equal(generator(z), state.average(z)) and info == {"data": "tiny"}
    assert not generator.training


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    checkpoints.save_state(trained(SMALL), path, {})
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save_state(trained(SMALL), path, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_course_classifier_is_small_and_good():
    classifier, info = checkpoints.load_classifier(CPU)
    assert checkpoints.CLASSIFIER.stat().st_size < 2_000_000
    assert info["accuracy"] >= 0.91
    assert not classifier.training
    assert 0 < info["floor"] < info["gaussian_sampler"]
