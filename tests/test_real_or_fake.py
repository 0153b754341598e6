"""The human test: its interval against exact sums, its questions, its buttons."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from course_lib import plotting, real_or_fake


def quiz(**changes) -> real_or_fake.RealOrFake:
    """Real images are white, generated ones black, each a little different."""
    shades = torch.linspace(0.5, 1, 50)[:, None, None, None].expand(50, 1, 4, 4)
    settings = {"alt": "Squares.", "questions": 40, "seed": 1} | changes
    return real_or_fake.real_or_fake(shades, -shades, **settings)


@pytest.mark.parametrize(("k", "n", "z"), [(0, 5, 1.96), (5, 5, 1.96), (27, 40, 1.96), (3, 9, 1.0)])
def test_the_ends_are_z_standard_errors_away(k, n, z):
    low, high = real_or_fake.wilson_interval(k, n, z)
    assert 0 <= low <= k / n <= high <= 1
    for end, outside in ((low, 0.0), (high, 1.0)):
        if end != outside:
            assert (k / n - end) ** 2 == pytest.approx(z * z * end * (1 - end) / n)
    assert (low == 0) == (k == 0) and (high == 1) == (k == n)


def test_none_and_all_have_an_end_at_exactly_zero_and_one():
    for n in range(1, 200):
        assert real_or_fake.wilson_interval(0, n)[0] == 0
        assert real_or_fake.wilson_interval(n, n)[1] == 1


def test_the_interval_is_that_of_scipy():
    for k, n in ((0, 12), (7, 12), (480, 1000)):
        expected = scipy.stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        found = real_or_fake.wilson_interval(k, n)
        assert found == pytest.approx((expected.low, expected.high), abs=1e-7)


@pytest.mark.parametrize(("k", "n", "z"), [(-1, 5, 1.96), (6, 5, 1.96), (0, 0, 1.96), (1, 5, 0.0)])
def test_impossible_counts_are_refused(k, n, z):
    with pytest.raises(ValueError, match="expected"):
        real_or_fake.wilson_interval(k, n, z)


def test_questions_are_drawn_by_fair_and_repeatable_coins():
    one = quiz()
    assert one.real == quiz().real != quiz(seed=2).real
    assert one.real == tuple((image.mean() > 0) for image in one.images)
    assert len({float(image.mean()) for image in one.images}) == 40  # none twice
    numbers = [sum(quiz(seed=seed).real) for seed in range(100)]
    assert 18.5 < sum(numbers) / 100 < 21.5
    assert len(set(numbers)) > 5  # not twenty of each: the last could be inferred


def test_answers_are_counted():
    one = quiz()
    with pytest.raises(ValueError, match="no question"):
        one.result()
    for truth in one.real[:30]:
        one.answer(truth)
    for truth in one.real[30:]:
        one.answer(not truth)
    assert one.right == 30
    low, high = real_or_fake.wilson_interval(30, 40)
    assert one.result().startswith(f"30 of 40 right, 75%; 95 % interval {low:.0%} to {high:.0%}.")
    assert "Told apart: " in one.result()
    with pytest.raises(IndexError, match="all 40"):
        one.answer(True)


@pytest.mark.parametrize(("right", "words"), [(20, "Not told apart"), (5, "exchanged")])
def test_the_verdict_follows_the_interval(right, words):
    one = quiz()
    for number, truth in enumerate(one.real):
        one.answer(truth if number < right else not truth)
    assert words in one.result()


def test_the_buttons_ask_every_question_and_end():
    one = quiz(questions=3)
    image, buttons, text = one.controls().children
    real, generated = buttons.children
    seen = []
    for truth in one.real:
        seen.append(image.value)
        assert text.value == f"question {len(seen)} of 3"
        (real if truth else generated).click()
    assert len(set(seen)) == 3
    assert one.answers == list(one.real)
    assert text.value == one.result() and text.value.startswith("3 of 3 right")
    assert real.disabled and generated.disabled


@pytest.mark.parametrize("audience", ["person", "file", None])
def test_buttons_appear_only_where_a_person_looks(audience, monkeypatch):
    shown = []
    monkeypatch.setattr(real_or_fake, "audience", lambda: audience)
    monkeypatch.setattr("IPython.display.display", shown.append)
    quiz(questions=5)._ipython_display_()
    (only,) = shown
    assert isinstance(only, plotting.Picture) == (audience != "person")


def test_the_picture_holds_all_questions_and_the_key_names_the_real_ones():
    one = quiz(questions=10)
    assert one.picture.alt == "Squares."
    numbers = [int(part) for part in one.key.removeprefix("Real: ").rstrip(".").split(", ")]
    assert numbers == [place + 1 for place, truth in enumerate(one.real) if truth]
    one.real = (False,) * 10
    assert one.key == "None is real."


def test_impossible_tests_are_refused():
    with pytest.raises(ValueError, match="60 questions"):
        quiz(questions=51)
    with pytest.raises(ValueError, match="one shape"):
        real_or_fake.real_or_fake(torch.zeros(9, 1, 4, 4), torch.zeros(9, 1, 5, 5), alt="No.")
