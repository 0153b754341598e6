"""The command line: python -m course_lib train | sample | evaluate | inpaint | data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXAMPLES = """examples:
  python -m course_lib train dcgan                 the course's recipe, 2 to 5 minutes on 2 cores
  python -m course_lib train dcgan --minutes 1     a shorter training
  python -m course_lib train dcgan --resume        go on after Ctrl-C
  torchrun --standalone --nproc-per-node 2 -m course_lib train dcgan      on two GPUs
  python -m course_lib sample --npy images.npy --count 1000
  python -m course_lib train inpaint               a network that fills holes
  python -m course_lib inpaint photo.png --mask hole.png -o filled.png
"""


def positive(kind: type) -> object:
    """An argparse type: a number greater than zero."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        # The comparison is false for NaN, and no training lasts for ever.
        if not 0 < value < 1e9:
            name = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(
                f"expected a {name} above 0 and below a billion, got {text!r}"
            )
        return value

    return convert


def seed_number(text: str) -> int:
    """An argparse type: a seed."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"expected a seed from 0 to {2**31 - 1}, got {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m course_lib",
        description="Train, sample and evaluate the course's generators, and fill holes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    device = argparse.ArgumentParser(add_help=False)
    device.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")

    train = commands.add_parser("train", help="train a model")
    models = train.add_subparsers(dest="model", required=True, metavar="model")
    gan = models.add_parser("dcgan", parents=[device], help="the generator of lesson 09")
    length = gan.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes",
        type=positive(float),
        help="train for about so long: as many steps as fit by a measurement of some seconds, "
        "without --compile",
    )
    length.add_argument("--steps", type=positive(int), help="train for so many steps")
    gan.add_argument(
        "--data", default=None, choices=("fashion-mnist", "cifar-10", "celeba"), help="image set"
    )
    gan.add_argument("--out", type=Path, default=Path("runs/dcgan"), help="folder for the results")
    gan.add_argument("--seed", type=seed_number, default=None, help="default: 0")
    gan.add_argument("--plain", action="store_true", help="the settings of the DCGAN paper")
    gan.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    gan.add_argument(
        "--compile", action="store_true", help="let torch.compile translate the networks first"
    )

    classifier = models.add_parser(
        "classifier", parents=[device], help="the feature extractor that measures quality"
    )
    classifier.add_argument("--epochs", type=positive(int), default=5, help="default: 5")
    classifier.add_argument("--seed", type=seed_number, default=0, help="default: 0")
    classifier.add_argument(
        "--out",
        type=Path,
        default=Path("runs/classifier/classifier.safetensors"),
        help="file for the weights",
    )

    fill = models.add_parser("inpaint", parents=[device], help="the U-Net of lesson 13")
    length = fill.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=positive(float), help="train for about so long")
    length.add_argument("--steps", type=positive(int), help="train for so many steps")
    known = ("fashion-mnist", "photographs", "cifar-10", "celeba")
    fill.add_argument("--data", default=None, choices=known, help="image set")
    fill.add_argument(
        "--out", type=Path, default=Path("runs/inpaint"), help="folder for the results"
    )
    fill.add_argument("--seed", type=seed_number, default=None, help="default: 0")
    fill.add_argument(
        "--adversarial", type=positive(float), help="weight of two critics (default: none)"
    )
    fill.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")

    run = argparse.ArgumentParser(add_help=False)
    run.add_argument("--run", type=Path, default=Path("runs/dcgan"), help="folder of a training")
    sample = commands.add_parser("sample", parents=[device, run], help="draw images")
    sample.add_argument("--count", type=positive(int), default=64, help="how many (default: 64)")
    sample.add_argument("--seed", type=seed_number, default=0, help="default: 0")
    sample.add_argument("--npy", type=Path, help="write float32 (N, C, H, W) in [-1, 1] here")
    sample.add_argument("--out", type=Path, help="write a picture here (default: samples.png)")
    commands.add_parser("evaluate", parents=[device, run], help="measure the quality of a training")
    inpaint = commands.add_parser("inpaint", parents=[device], help="fill a hole in an image")
    inpaint.add_argument("image", type=Path, help="grey or colour, of any size")
    inpaint.add_argument("--mask", type=Path, required=True, help="as large; white is missing")
    inpaint.add_argument("-o", "--out", type=Path, required=True, help="PNG or TIFF to write")
    inpaint.add_argument(
        "--method",
        default="network",
        choices=("network", "harmonic", "biharmonic", "patches"),
        help="default: network",
    )
    inpaint.add_argument(
        "--run", type=Path, default=Path("runs/inpaint"), help="folder of the network's training"
    )
    inpaint.add_argument("--seed", type=seed_number, default=0, help="of the noise (default: 0)")
    inpaint.add_argument("--invert", action="store_true", help="in the mask, black is missing")
    inpaint.add_argument(
        "--large-hole", action="store_true", help="more than half of the image may be missing"
    )
    commands.add_parser("data", help="say which data are available and intact")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a stated problem, 2 wrong usage."""
    options = parser().parse_args(arguments)
    # Imported late: torch takes seconds, and a help text should not.
    from course_lib import commands, files, inpaint_commands, runtime
    from course_lib.checkpoints import CheckpointError
    from course_lib.data import DataError
    from course_lib.distributed import StoppedElsewhere

    try:
        if options.command == "data":
            return commands.show_data()
        device = runtime.device(options.device)
        if options.command == "sample":
            grid = options.out or (None if options.npy else Path("samples.png"))
            return commands.sample(
                run=options.run,
                device=device,
                count=options.count,
                seed=options.seed,
                npy=options.npy,
                out=grid,
            )
        if options.command == "evaluate":
            return commands.evaluate(run=options.run, device=device)
        if options.command == "inpaint":
            return inpaint_commands.inpaint(
                image=options.image,
                mask=options.mask,
                out=options.out,
                method=options.method,
                run=options.run,
                device=device,
                seed=options.seed,
                invert=options.invert,
                large=options.large_hole,
            )
        if options.model == "inpaint":
            return inpaint_commands.train_inpaint(
                out=options.out,
                device=device,
                data_name=options.data,
                steps=options.steps,
                minutes=options.minutes,
                seed=options.seed,
                adversarial=options.adversarial,
                resume=options.resume,
            )
        if options.model == "classifier":
            return commands.train_classifier(
                out=options.out, device=device, epochs=options.epochs, seed=options.seed
            )
        return commands.train_dcgan(
            out=options.out,
            device=device,
            data_name=options.data,
            steps=options.steps,
            minutes=options.minutes,
            seed=options.seed,
            plain=options.plain,
            resume=options.resume,
            compiled=options.compile,
        )
    except (
        CheckpointError,
        DataError,
        commands.CommandError,
        runtime.RuntimeSettingError,
        FloatingPointError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {files.said_of(error)}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"error: not enough memory: {error or 'use smaller images'}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        # On a GPU torch.OutOfMemoryError; on a CPU only the message says it.
        said = str(error)
        if not any(
            words in said for words in ("out of memory", "allocate memory", "enough memory")
        ):
            raise
        advice = (
            "--count smaller" if options.command == "sample" else "images smaller, or --device cpu"
        )
        line = said.strip().splitlines()[0]
        print(f"error: not enough memory; make the {advice} ({line})", file=sys.stderr)
        return 1
    except StoppedElsewhere:
        return 1  # the process that failed prints its error
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
