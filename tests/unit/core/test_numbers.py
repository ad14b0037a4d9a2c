"""Numbers as text."""

import pytest

from cloudd.core.ids import ANY, whole


@pytest.mark.parametrize(("text", "number"), [
    ("0", 0), ("007", 7), (5, 5), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("\u00b2", None), ("\u0663", None),
    ("9" * 5000, None), ("-1", None), ("+1", None), ("1.0", None), ("", None), (" 1", None), (None, None), (True, None)])
def test_only_ascii_digits_that_fit_are_a_number(text, number):
    assert whole(text) == number


def test_a_limit_may_be_larger_than_any_database_counts():
    assert whole("9" * 50, ANY) == int("9" * 50)
