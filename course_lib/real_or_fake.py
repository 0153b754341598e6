"""Can a person tell generated images from real ones? Questions, answers, an interval (lesson 10).

In a saved notebook the questions are one numbered picture; where a person looks, buttons appear
below it. Only what ipywidgets 7.7 offers is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from course_lib import plotting
from course_lib.audience import audience
from course_lib.picture import require_alt

Z_95 = 1.959964  # a standard Gaussian lies within this of zero with a probability of 95 per cent
MOST = 60  # questions: more than that nobody answers with care


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """All probabilities of success that lie within z standard errors of what was observed.

    Args:
        successes: from 0 to `trials`.
        trials: independent, at least 1.
        z: half-width in standard errors, positive; 1.96 for an interval of 95 per cent.

    Returns:
        (low, high), within [0, 1].

    Raises:
        ValueError: for counts or a z that are out of range.

    Source: lesson 10, equation (10.21); Wilson, 1927.
    """
    if not (trials >= 1 and 0 <= successes <= trials and z > 0):
        raise ValueError(
            f"expected 0 <= successes <= trials, at least one trial and a positive z, got "
            f"{successes} of {trials} and z = {z}"
        )
    share, extra = successes / trials, z**2 / trials
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt((share * (1 - share) + extra / 4) / trials) / (1 + extra)
    # At 0 or all successes one end is 0 or 1; rounding would put it a little beside.
    low = middle - half if successes else 0.0
    return low, middle + half if successes < trials else 1.0


@dataclass
class RealOrFake:
    """Numbered questions, the answers given so far, and what they show."""

    images: Tensor  # (Q, C, H, W) in [-1, 1]
    real: tuple[bool, ...]  # (Q,): the truth
    alt: str
    answers: list[bool] = field(default_factory=list)  # "this is real", in the order of questions

    @property
    def picture(self) -> plotting.Picture:
        """The questions with their numbers, and no answers."""
        numbers = [str(number) for number in range(1, len(self.real) + 1)]
        return plotting.image_grid(self.images, alt=self.alt, columns=10, titles=numbers)

    @property
    def key(self) -> str:
        """The numbers of the real images, as a sentence."""
        numbers = [str(number) for number, real in enumerate(self.real, start=1) if real]
        return f"Real: {', '.join(numbers)}." if numbers else "None is real."

    def answer(self, real: bool) -> None:
        """Answer the next question.

        Raises:
            IndexError: if all questions are answered.
        """
        if len(self.answers) == len(self.real):
            raise IndexError(f"all {len(self.real)} questions are answered")
        self.answers.append(bool(real))

    @property
    def right(self) -> int:
        """How many of the answers are right."""
        return sum(a == b for a, b in zip(self.answers, self.real, strict=False))

    def result(self) -> str:
        """What the answers so far show, in a sentence or two.

        Raises:
            ValueError: if no question is answered.
        """
        trials = len(self.answers)
        if not trials:
            raise ValueError("no question is answered yet")
        low, high = wilson_interval(self.right, trials)
        if low > 0.5:
            verdict = "Told apart: the interval lies above one half."
        elif high < 0.5:
            verdict = "Told apart, and the answers exchanged: the interval lies below one half."
        else:
            verdict = "Not told apart with so many answers: the interval holds one half."
        return (
            f"{self.right} of {trials} right, {self.right / trials:.0%}; 95 % interval "
            f"{low:.0%} to {high:.0%}. {verdict}"
        )

    def controls(self) -> Any:
        """The present question, two buttons and, at the end, the result, as one widget."""
        import ipywidgets  # not needed for the pictures

        image = ipywidgets.Image(format="png", layout={"width": "200px", "height": "200px"})
        text = ipywidgets.Label()
        buttons = [ipywidgets.Button(description=name) for name in ("real", "generated")]

        def show() -> None:
            place = len(self.answers)
            if place < len(self.real):
                shown = self.images[place : place + 1]
                image.value = plotting.image_grid(shown, alt="The question.").png
                text.value = f"question {place + 1} of {len(self.real)}"
                return
            text.value = self.result()
            for button in buttons:
                button.disabled = True

        def answered(button: Any) -> None:
            self.answer(button is buttons[0])
            show()

        for button in buttons:
            button.on_click(answered)
        show()
        return ipywidgets.VBox([image, ipywidgets.HBox(buttons), text])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        # A widget needs a kernel; in a file it would be an error message below the picture.
        display(self.controls() if audience() == "person" else self.picture)


def real_or_fake(
    real: Tensor, generated: Tensor, *, alt: str, questions: int = 40, seed: int = 0
) -> RealOrFake:
    """A test of a person: for each question a coin decides between a real and a generated image.

    The coins are independent, so no answer can be inferred from those before it.

    Args:
        real, generated: images, (N, C, H, W) and (M, C, H, W) in [-1, 1], N and M at least
            `questions`: none is shown twice.
        alt: says what the pictures show.
        questions: how many, from 1 to 60.
        seed: of the coins and of the choice of images.

    Raises:
        ValueError: for too few images, shapes that differ, or another number of questions.
    """
    require_alt(alt)
    if real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            f"expected images of one shape, got {tuple(real.shape[1:])} and "
            f"{tuple(generated.shape[1:])}: the size would give them away"
        )
    if not 1 <= questions <= min(MOST, len(real), len(generated)):
        raise ValueError(
            f"expected 1 to {MOST} questions and as many images of each kind, got {questions} "
            f"questions, {len(real)} real and {len(generated)} generated images"
        )
    random = torch.Generator().manual_seed(seed)
    coins = torch.rand(questions, generator=random) < 0.5  # (Q,)
    chosen = [
        one[torch.randperm(len(one), generator=random)[:questions]] for one in (real, generated)
    ]
    images = torch.where(coins[:, None, None, None], *chosen)  # (Q, C, H, W)
    return RealOrFake(images, tuple(coins.tolist()), alt)
