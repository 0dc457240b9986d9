"""How a finding is told: its path, its value, its sentence."""

from __future__ import annotations

import pytest

from metronome_sandbox.spec.findings import Finding, json_path, shortened, summary


def test_a_path_reads_as_one_writes_it():
    assert json_path(["invoices", 0, "usage_line_items", 2, "quantity"]) == "invoices[0].usage_line_items[2].quantity"
    assert json_path(["a b", "c.d"]) == '["a b"]["c.d"]'
    assert json_path([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", '"x"'),
        ("x" * 61, '"' + "x" * 60 + '"… (61 characters)'),
        (None, "null"),
        (1.5, "1.5"),
        ({"a": 1}, "an object with 1 property"),
        ([], "an array of 0 items"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_a_value_is_shown_short(value, text):
    assert shortened(value) == text


def test_a_finding_about_the_whole_body_says_so():
    assert summary([Finding("", "type", "expected an object", "5")]) == "body: expected an object, received 5"
