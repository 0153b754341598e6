"""The published files are what they claim, and batches are made from them without loss."""

import hashlib

import pytest
import tiny_fashion
import torch
from tiny_fashion import STEMS, put

from course_lib import data, sources
from course_lib.data import DataError

PUBLISHED = sources.REPOSITORY / "datasets" / "fashion-mnist"


@pytest.fixture
def world(tmp_path, monkeypatch):
    return tiny_fashion.world(tmp_path, monkeypatch)


# The published files


def test_published_test_set_has_its_known_facts():
    test = data.load_images("fashion-mnist", "test")
    assert test.images.shape == (10_000, 1, 28, 28)
    assert test.images.dtype == torch.uint8
    assert test.labels.dtype == torch.int64
    assert test.labels.bincount().tolist() == [1000] * 10
    assert test.classes[int(test.labels[0])] == "Ankle boot"
    assert len(test.classes) == 10


def test_published_training_set_has_its_known_facts():
    train = data.load_images()
    assert len(train) == 60_000
    assert train.labels.bincount().tolist() == [6000] * 10
    assert round(train.images.double().mean().item() / 255, 4) == 0.2860


def test_checksum_file_names_all_four_files_and_holds():
    lines = (PUBLISHED / "SHA256SUMS").read_text(encoding="utf-8").split("\n")[:-1]
    sums = {line[66:]: line[:64] for line in lines}
    assert set(sums) == {f"{stem}.gz" for stem in STEMS}
    for name, expected in sums.items():
        assert hashlib.sha256((PUBLISHED / name).read_bytes()).hexdigest() == expected


def test_files_are_the_published_bytes_and_the_readme_says_so():
    readme = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    for stem in STEMS:
        md5 = hashlib.md5((PUBLISHED / f"{stem}.gz").read_bytes(), usedforsecurity=False)
        assert f"`{md5.hexdigest()}`" in readme
        assert sources.FASHION_FILES[stem] in readme


# What may be asked for


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnist",), "'mnist'.*fashion-mnist, cifar-10, celeba"),
        (("fashion-mnist", "valid"), "'valid'.*train, test"),
        (("fashion-mnist", "train", 27), "size=27"),
        (("fashion-mnist", "train", 31), "size=31"),
        (("cifar-10", "train", 0), "size=0"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(arguments, message):
    with pytest.raises(DataError, match=message):
        data.load_images(*arguments)


@pytest.mark.parametrize("size", [28, 32, 40])
def test_padding_is_black_and_keeps_the_centre(world, size):
    put(world.repository)
    raw, padded = data.load_images().images, data.load_images(size=size).images
    assert padded.shape == (12, 1, size, size)
    edge = (size - 28) // 2
    assert torch.equal(padded[..., edge : size - edge, edge : size - edge], raw)
    # Every tiny pixel is at least 1, so this sum sees any grey in the frame.
    assert padded.sum() == raw.sum()


# ImageSet and the maps between bytes and floats


def test_uint8_survives_the_round_trip_for_every_value():
    levels = torch.arange(256, dtype=torch.uint8)
    floats = data.normalise(levels)
    assert floats.dtype == torch.float32
    assert floats[0] == -1
    assert floats[255] == 1
    assert torch.equal(data.to_uint8(floats), levels)
    assert torch.equal(data.to_uint8(floats.double()), levels)


def test_to_uint8_rounds_and_clamps():
    step = 1 / 127.5
    values = torch.tensor([-9.0, -1 + 0.4 * step, -1 + 0.6 * step, 0.999999, 9.0, float("inf")])
    assert data.to_uint8(values).tolist() == [0, 0, 1, 255, 255, 255]


def test_to_uint8_computes_in_float32():
    values = torch.linspace(-1, 1, 999).bfloat16()
    assert torch.equal(data.to_uint8(values), data.to_uint8(values.float()))


def test_wrong_ranges_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        data.normalise(torch.zeros(2))
    with pytest.raises(TypeError, match="floats"):
        data.to_uint8(torch.zeros(2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="NaN"):
        data.to_uint8(torch.tensor([0.0, float("nan")]))


@pytest.fixture
def small():
    images = torch.arange(5 * 3 * 2 * 2, dtype=torch.uint8).reshape(5, 3, 2, 2)
    return data.ImageSet("small", "train", images, torch.arange(5), tuple("abcde"), "a test")


def test_batch_takes_rows_in_the_order_asked(small):
    batch = small.batch(torch.tensor([4, 0, 4]))
    assert batch.dtype == torch.float32
    assert torch.equal(batch, data.normalise(small.images[[4, 0, 4]]))
    assert torch.equal(small.batch([1, 2]), data.normalise(small.images[1:3]))
    with pytest.raises(IndexError):
        small.batch([5])


def test_batch_is_made_on_the_images_device(small):
    moved = small.to("meta")
    assert moved.labels.device.type == "meta"
    assert moved.batch(torch.tensor([0, 1])).device.type == "meta"
    assert small.images.device.type == "cpu"


def test_take_and_text(small):
    assert torch.equal(small.take(2).images, small.images[:2])
    assert small.take(2).labels.tolist() == [0, 1]
    assert repr(small) == "ImageSet(small, train: 5 images of 3x2x2, a test)"
    for count in (0, 6):
        with pytest.raises(ValueError, match=f"from 1 to 5, got {count}"):
            small.take(count)


# EpochSampler


def epoch(sampler: data.EpochSampler, number: int) -> list[int]:
    first = number * sampler.steps_per_epoch
    return torch.cat([sampler.indices(first + k) for k in range(sampler.steps_per_epoch)]).tolist()


def test_every_index_comes_once_an_epoch_in_a_new_order():
    sampler = data.EpochSampler(60, 12, seed=3)
    orders = [epoch(sampler, number) for number in range(3)]
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_the_short_last_batch_is_dropped():
    sampler = data.EpochSampler(64, 12, seed=0)
    assert sampler.steps_per_epoch == 5
    order = epoch(sampler, 0)
    assert len(order) == len(set(order)) == 60
    assert all(len(sampler.indices(step)) == 12 for step in range(20))


def test_indices_are_a_pure_function_of_seed_and_step():
    sampler = data.EpochSampler(50, 10, seed=7)
    forward = [sampler.indices(step).tolist() for step in range(15)]
    batch = sampler.indices(3)
    batch.zero_()  # what a caller does to a batch must not reach the order that is kept
    assert sampler.indices(3).tolist() == forward[3]
    backward = [sampler.indices(step).tolist() for step in reversed(range(15))]
    fresh = [data.EpochSampler(50, 10, seed=7).indices(step).tolist() for step in range(15)]
    assert forward == backward[::-1] == fresh
    assert sampler.indices(0).dtype == torch.int64


def test_no_epoch_of_one_seed_is_an_epoch_of_another():
    orders = [
        tuple(epoch(data.EpochSampler(30, 10, seed), n)) for seed in range(4) for n in range(4)
    ]
    assert len(set(orders)) == 16


@pytest.mark.parametrize(("count", "batch", "seed"), [(5, 6, 0), (5, 0, 0), (0, 1, 0), (5, 1, -1)])
def test_a_sampler_refuses_nonsense(count, batch, seed):
    with pytest.raises(ValueError, match="EpochSampler expects"):
        data.EpochSampler(count, batch, seed)
    with pytest.raises(ValueError, match="step of 0 or more"):
        data.EpochSampler(5, 1, 0).indices(-1)


# A set that is larger than the memory of the GPU


def test_a_set_goes_to_a_gpu_only_if_it_leaves_half_of_the_memory_free(monkeypatch):
    images = data.load_images("fashion-mnist", "test")
    moved = []
    monkeypatch.setattr(data.ImageSet, "to", lambda self, device: moved.append(device) or self)
    for free, expected in ((2 * images.images.nbytes, 1), (2 * images.images.nbytes - 1, 0)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        assert images.near(torch.device("cuda")) is images
        assert len(moved) == expected
        moved.clear()
    images.near(torch.device("cpu"))
    assert moved == [torch.device("cpu")]


def test_a_batch_for_another_device_travels_as_bytes_from_page_locked_memory(monkeypatch):
    images = data.load_images("fashion-mnist", "test")
    pinned, sent = [], []

    def pin(tensor):
        pinned.append(tensor.dtype)
        return tensor

    def to(tensor, *arguments, **options):
        sent.append((arguments[0], options))
        return move(tensor, *arguments, **options)

    move = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", to)
    batch = images.batch([3, 1], torch.device("meta"))
    assert pinned == [torch.uint8]
    assert sent[0] == (torch.device("meta"), {"non_blocking": True})
    assert batch.device.type == "meta" and batch.dtype == torch.float32
    pinned.clear()
    assert torch.equal(images.batch([3, 1], torch.device("cpu")), images.batch([3, 1]))
    assert not pinned
