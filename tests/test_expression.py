"""Expressions read as one would write them."""

import pytest

from app import expression


def test_a_zero_has_no_sign() -> None:
    assert expression.number(-0.0) == "0"
    assert expression.plus(-0.0) == "+ 0"
    assert expression.share(0.0, 3.0, 0.0, 3, 1 / 3) == "exp(0 + 0) / 3 = 0.3333 (over 3 classes)"
    assert expression.activated("sigmoid", 0.0, 0.5) == "1/(1 + exp(0)) = 0.5"


@pytest.mark.parametrize(
    ("value", "text"), [(-1e-7, "-1e-07"), (float("-inf"), "-inf"), (float("nan"), "nan"), (1234567.0, "1.235e+06")]
)
def test_other_numbers_keep_theirs(value: float, text: str) -> None:
    assert expression.number(value) == text
