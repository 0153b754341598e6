"""The commands about holes: a reader's image comes back to the bit, and errors say what to do."""

import json
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from course_lib import (
    fills,
    inpaint_checkpoints,
    inpaint_commands,
    inpaint_recipes,
    inpainting,
    photo_files,
    photo_fill,
    recipes,
)
from course_lib.__main__ import main

LEFT = {
    "checkpoint.safetensors",
    "filled.png",
    "history.csv",
    "metrics.json",
    "network.safetensors",
}
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer compared images and a narrow network; everything else is the real command."""
    monkeypatch.setattr(inpaint_commands, "COUNT", 6)
    budget = recipes.Budget("fashion-mnist", 50, 8, 32, 4)
    monkeypatch.setattr(inpaint_recipes, "CPU", budget)
    monkeypatch.setattr(inpainting, "faster_dtype", lambda recipe, device: "float32")


def train(out, *options: str) -> int:
    return main(["train", "inpaint", "--out", str(out), "--device", "cpu", *options])


def network(folder, channels: int = 1, kind: str = "plain", noise: int = 0):
    settings = inpaint_recipes.InpaintRecipe(
        steps=1, network=kind, width=4, channels=channels, noise=noise
    )
    one = inpaint_recipes.build(settings)[0].eval()
    inpaint_checkpoints.save_network(one, folder / "network.safetensors", {"data": "noise"})
    return folder


def pixels(shape, kind=np.uint8):
    return RNG.integers(0, np.iinfo(kind).max + 1, shape).astype(kind)


def hole(height: int, width: int) -> np.ndarray:
    missing = np.zeros((height, width), bool)
    missing[height // 4 : height // 2, width // 3 : width // 2] = True
    return missing


def fill(tmp_path, image, missing, *options: str) -> tuple[int, np.ndarray | None]:
    """Save an image and its mask, run the command, and read what it wrote."""
    source, mask, out = (tmp_path / name for name in ("in.png", "mask.png", "out.png"))
    if isinstance(image, np.ndarray):
        Image.fromarray(image).save(source)
    Image.fromarray(np.where(missing, 255, 0).astype(np.uint8)).save(mask)
    words = ["inpaint", str(source), "--mask", str(mask), "-o", str(out), "--device", "cpu"]
    code = main([*words, "--run", str(tmp_path), *options])
    return code, (np.asarray(Image.open(out)) if out.exists() else None)


@pytest.mark.parametrize(
    "image",
    [
        pixels((32, 32)),
        pixels((29, 43)),  # sizes that do not divide
        pixels((9, 300)),
        pixels((40, 27, 3)),
        pixels((33, 31, 4)),  # an alpha channel
        pixels((20, 50, 2)),  # grey with alpha
        pixels((37, 22), np.uint16),
    ],
    ids=["grey", "odd", "long", "colour", "alpha", "grey-alpha", "16-bit"],
)
@pytest.mark.parametrize("method", ["network", "colour network", "harmonic", "patches"])
def test_known_pixels_come_back_to_the_bit(tmp_path, image, method):
    network(tmp_path, channels=3 if method == "colour network" else 1)
    missing = hole(*image.shape[:2])
    code, found = fill(tmp_path, image, missing, "--method", method.removeprefix("colour "))
    assert code == 0 and found.shape == image.shape
    assert found.dtype.itemsize == image.dtype.itemsize
    assert np.array_equal(found[~missing], image[~missing])
    colours = found if image.ndim == 2 or image.shape[2] == 3 else found[:, :, :-1]
    before = image if image.ndim == 2 or image.shape[2] == 3 else image[:, :, :-1]
    assert not np.array_equal(colours[missing], before[missing])
    if image.ndim == 3 and image.shape[2] in (2, 4):
        assert np.array_equal(found[:, :, -1], image[:, :, -1])  # alpha, in the hole too


def test_what_stands_in_the_hole_is_not_used(tmp_path):
    network(tmp_path)
    image, missing = pixels((30, 30, 3)), hole(30, 30)
    other = np.where(missing[:, :, None], 255 - image, image).astype(np.uint8)
    for method in ("network", "biharmonic"):
        results = [fill(tmp_path, one, missing, "--method", method)[1] for one in (image, other)]
        assert np.array_equal(*results)


def test_a_method_cannot_change_known_pixels(tmp_path, monkeypatch):
    monkeypatch.setitem(fills.FILLS, "harmonic", lambda images, masks: images * 0 + 0.25)
    image, missing = pixels((12, 15)), hole(12, 15)
    photo = photo_files.Photo(image[:, :, None], None, None)
    filled = photo_fill.fill_photo(photo, missing, "harmonic").pixels[:, :, 0]
    assert np.array_equal(filled[~missing], image[~missing])
    assert (filled[missing] == 159).all()  # (0.25 + 1) * 127.5, rounded


def test_the_answer_is_the_methods(tmp_path):
    """Sixteen bits are filled with sixteen bits, and a large image by the part about its hole."""
    image, missing = pixels((200, 160), np.uint16), hole(200, 160)
    missing[:90] = missing[:, :60] = False
    _, found = fill(tmp_path, image, missing, "--method", "harmonic")
    images = torch.from_numpy(image / 32767.5 - 1)[None, None]
    expected = fills.harmonic_fill(images, torch.from_numpy(missing[None, None]).double())
    gap = found.astype(float) - (expected[0, 0].numpy() + 1) * 32767.5
    assert np.abs(gap).max() < 1.0


def test_a_small_hole_in_a_large_image_is_the_same_as_in_its_part(tmp_path):
    network(tmp_path)
    image, missing = pixels((300, 280)), np.zeros((300, 280), bool)
    missing[150:155, 140:150] = True
    code, found = fill(tmp_path, image, missing)
    part = (slice(150 - 64, 155 + 64), slice(140 - 64, 150 + 64))
    assert code == 0
    assert np.array_equal(fill(tmp_path, image[part].copy(), missing[part])[1], found[part])


def test_noise_gives_several_answers_and_the_seed_decides(tmp_path):
    network(tmp_path, noise=4)
    image, missing = pixels((32, 32, 3)), hole(32, 32)
    found = [fill(tmp_path, image, missing, "--seed", seed)[1] for seed in ("1", "1", "2")]
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_a_camera_that_lay_on_its_side_and_a_colour_profile(tmp_path):
    image = pixels((20, 30, 3))
    rotated = Image.fromarray(image)
    exif = rotated.getexif()
    exif[0x0112] = 6
    rotated.save(tmp_path / "in.png", exif=exif, icc_profile=b"a profile")
    missing = hole(30, 20)
    code, found = fill(tmp_path, None, missing, "--method", "harmonic")
    upright = np.rot90(image, -1)
    assert code == 0 and np.array_equal(found[~missing], upright[~missing])
    with Image.open(tmp_path / "out.png") as written:
        assert written.info["icc_profile"] == b"a profile"


def refused(tmp_path, capsys, image, missing, *options: str) -> str:
    code, found = fill(tmp_path, image, missing, *options)
    assert code == 1 and found is None
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def test_an_inverted_mask_is_noticed_and_can_be_turned_round(tmp_path, capsys):
    image, missing = pixels((32, 32)), hole(32, 32)
    said = refused(tmp_path, capsys, image, ~missing, "--method", "harmonic")
    assert "--invert" in said and "white means missing" in said
    code, found = fill(tmp_path, image, ~missing, "--method", "harmonic", "--invert")
    assert code == 0 and np.array_equal(found[~missing], image[~missing])
    code, found = fill(tmp_path, image, ~missing, "--method", "harmonic", "--large-hole")
    assert code == 0 and np.array_equal(found[missing], image[missing])


def test_masks_that_are_none(tmp_path, capsys):
    image, method = pixels((32, 32)), ("--method", "harmonic")
    nothing, everything = np.zeros((32, 32), bool), np.ones((32, 32), bool)
    assert "nothing is missing" in refused(tmp_path, capsys, image, nothing, *method)
    said = refused(tmp_path, capsys, image, everything, *method, "--large-hole")
    assert "all of the image is missing" in said and "--invert" in said and "--large" not in said
    assert "as large as" in refused(tmp_path, capsys, image, hole(31, 32), *method)
    soft = np.full((32, 32), 128, np.uint8)
    for wrong in (
        soft,
        np.dstack([soft, soft, soft // 2]),
        np.dstack([soft * 0 + 255] * 3 + [soft]),
    ):
        Image.fromarray(wrong).save(tmp_path / "soft.png")
        assert "hard brush" in refused(
            tmp_path, capsys, image, hole(32, 32), *method, "--mask", str(tmp_path / "soft.png")
        )


def test_masks_of_other_kinds_are_read(tmp_path):
    image, missing = pixels((16, 16)), hole(16, 16)
    for mode in ("1", "RGB", "RGBA", "P", "LA"):
        white = Image.fromarray(np.where(missing, 255, 0).astype(np.uint8))
        white.convert(mode).save(tmp_path / "other.png")
        code, found = fill(
            tmp_path, image, missing, "--method", "harmonic", "--mask", str(tmp_path / "other.png")
        )
        assert code == 0 and np.array_equal(found[~missing], image[~missing]), mode


def deep_png(path, colour_type: int) -> None:
    """A PNG of one row of three pixels with 16 bits a sample."""
    import struct
    import zlib

    samples = {2: 3, 4: 2, 6: 4}[colour_type]

    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", 3, 1, 16, colour_type, 0, 0, 0)
    content = zlib.compress(b"\0" + bytes(range(3 * samples * 2)))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_colour_of_sixteen_bits_is_refused_and_not_cut_to_eight(tmp_path, capsys, colour_type):
    deep_png(tmp_path / "in.png", colour_type)
    said = refused(tmp_path, capsys, None, np.array([[False, True, False]]), "--method", "harmonic")
    assert "16 bits for each colour" in said


def test_images_that_cannot_be_kept_to_the_bit(tmp_path, capsys):
    missing, method = hole(32, 32), ("--method", "harmonic")
    colours = Image.fromarray(pixels((32, 32, 3)))
    colours.convert("P").save(tmp_path / "in.png")
    assert "'P'" in refused(tmp_path, capsys, None, missing, *method)
    colours.save(tmp_path / "in.png", transparency=(1, 2, 3))
    assert "transparent" in refused(tmp_path, capsys, None, missing, *method)
    colours.save(tmp_path / "in.png", save_all=True, append_images=[colours.rotate(90)])
    assert "2 images" in refused(tmp_path, capsys, None, missing, *method)
    (tmp_path / "in.png").write_text("not an image")
    assert "cannot be read" in refused(tmp_path, capsys, None, missing, *method)
    (tmp_path / "in.png").unlink()
    assert "not there" in refused(tmp_path, capsys, None, missing, *method)
    image = pixels((32, 32))
    said = refused(tmp_path, capsys, image, missing, *method, "-o", str(tmp_path / "out.jpg"))
    assert ".png or .tif" in said


def test_networks_that_are_not_there_or_do_not_fit(tmp_path, capsys):
    image, missing = pixels((30, 32)), hole(30, 32)
    assert "train inpaint" in refused(tmp_path, capsys, image, missing)
    network(tmp_path, kind="context")
    assert "32 x 32 pixels and nothing else" in refused(tmp_path, capsys, image, missing)


def test_training_leaves_a_whole_folder_and_its_network_fills(tmp_path, capsys):
    assert train(tmp_path, "--steps", "3", "--seed", "2", "--adversarial", "0.01") == 0
    assert {path.name for path in tmp_path.iterdir()} == LEFT
    report = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert report["recipe"]["seed"] == 2 and report["recipe"]["adversarial"] == 0.01
    assert report["compared"] == 6 and len(report["families"]) == 5
    for ways in report["families"].values():
        assert ways["network"]["hole_area"] == ways["harmonic"]["hole_area"] > 0
        assert ways["network"]["masked_l1"] > 0
    assert "inpaint" in capsys.readouterr().out
    image, missing = pixels((32, 32)), hole(32, 32)
    code, found = fill(tmp_path, image, missing)
    assert code == 0 and np.array_equal(found[~missing], image[~missing])


def test_ctrl_c_keeps_a_checkpoint_and_resume_gives_the_same_network(tmp_path, monkeypatch, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole, "--data", "photographs") == 0
    real_loop = inpainting.train_inpainting

    def interrupted(*arguments, **options):
        for record in real_loop(*arguments, **options):
            if record.step == 25:
                signal.raise_signal(signal.SIGINT)
            yield record

    monkeypatch.setattr(inpainting, "train_inpainting", interrupted)
    assert train(parts, "--data", "photographs") == 130
    assert {path.name for path in parts.iterdir()} == {"checkpoint.safetensors"}
    assert "--resume" in capsys.readouterr().out
    monkeypatch.setattr(inpainting, "train_inpainting", real_loop)
    assert train(parts, "--resume", "--steps", "9") == 1
    assert "leave out --steps" in capsys.readouterr().err
    assert train(parts, "--resume") == 0
    one, two = (load_file(folder / "network.safetensors") for folder in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_checkpoint_is_kept_whenever_its_time_has_come(tmp_path, monkeypatch, capsys):
    saved, save = [], inpaint_checkpoints.save_state
    monkeypatch.setattr(
        inpaint_checkpoints,
        "save_state",
        lambda state, *rest: (saved.append(state.step), save(state, *rest)),
    )
    monkeypatch.setattr(inpaint_commands, "SAVE_EVERY", 0.0)
    assert train(tmp_path / "run", "--steps", "30") == 0
    assert saved == [25, 30]
    (tmp_path / "blocked" / "checkpoint.safetensors").mkdir(parents=True)
    assert train(tmp_path / "blocked", "--steps", "30") == 1
    assert "is a folder; move it" in capsys.readouterr().err and saved == [25, 30]


def test_the_result_replaces_neither_image_nor_mask(tmp_path, capsys):
    image, missing = pixels((16, 16)), hole(16, 16)
    for name in ("in.png", "mask.png"):
        code, _ = fill(tmp_path, image, missing, "--method", "harmonic", "-o", str(tmp_path / name))
        assert code == 1
        assert "would be replaced" in capsys.readouterr().err
    assert np.array_equal(np.asarray(Image.open(tmp_path / "in.png")), image)


def test_a_transparent_hole_is_said_to_stay_so(tmp_path, capsys):
    image, missing = pixels((16, 16, 4)), hole(16, 16)
    image[missing, 3] = 0
    code, found = fill(tmp_path, image, missing, "--method", "harmonic")
    assert code == 0 and "stays so" in capsys.readouterr().out
    assert not found[missing, 3].any()


def test_formats_whose_depth_is_unsure_are_refused(tmp_path, capsys):
    Image.fromarray(pixels((16, 16, 3))).save(tmp_path / "in.ppm")
    Image.fromarray(np.where(hole(16, 16), 255, 0).astype(np.uint8)).save(tmp_path / "mask.png")
    words = ["inpaint", str(tmp_path / "in.ppm"), "--mask", str(tmp_path / "mask.png")]
    out = ("-o", str(tmp_path / "out.png"), "--device", "cpu", "--method", "harmonic")
    assert main([*words, *out]) == 1
    assert "save it as PNG or TIFF" in capsys.readouterr().err
    Image.fromarray(np.zeros((16, 16), np.float32)).save(tmp_path / "in.tiff")
    assert main([words[0], str(tmp_path / "in.tiff"), *words[2:], *out]) == 1
    assert "floating-point pixels" in capsys.readouterr().err
