"""The table from the domain's errors to HTTP."""

from __future__ import annotations

import msgspec
import pytest

from metronome_sandbox.api.errors import STATUS, code_of, from_decoding, status_of
from metronome_sandbox.domain import errors


def descendants(kind):
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


def test_every_error_of_the_domain_has_a_row():
    of_the_domain = {kind for kind in descendants(errors.DomainError) if kind.__module__.endswith("domain.errors")}

    assert of_the_domain == set(STATUS)


def test_the_most_specific_row_wins():
    class Special(errors.UniquenessKeyTaken):
        pass

    assert status_of(Special("k")) == 409


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CustomerNotFound("c"), "CustomerNotFound"),
        (errors.NotFound("rate_card", "r"), "RateCardNotFound"),
        (errors.NotFound("notification config", "n"), "NotificationConfigNotFound"),
        (errors.InvalidRequest("a", "b"), None),
    ],
)
def test_a_missing_thing_has_a_code_of_its_kind(error, code):
    assert code_of(error) == code


class Item(msgspec.Struct):
    quantity: int


class Body(msgspec.Struct):
    items: list[Item]


def test_what_a_wire_type_refuses_is_told_with_its_path_in_front():
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"items": [{"quantity": 1}, {"quantity": "2"}]}', type=Body)

    assert str(from_decoding(caught.value)) == "items[1].quantity: Expected `int`, got `str`"
