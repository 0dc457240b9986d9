"""Numbers of money and quantity.

Every number is a ``Decimal`` from the request's bytes to the answer's. Sums and products are exact: the working
precision holds the product of any seven numbers that :func:`checked` lets in, and money is never rounded (reference
question Q4). Only a division is inexact: the quantity that the rest of a balance covers. Its money is the rest itself,
so totals stay exact.

A number says nothing of its unit; what holds it does: a line, an invoice, a balance and a rate each carry one
``credit_type_id``, and :mod:`~metronome_sandbox.domain.drawdown` lets only equal ones meet. USD is counted in cents.
"""

from __future__ import annotations

import decimal
from datetime import datetime
from decimal import Decimal

import msgspec

from metronome_sandbox.domain.errors import InvalidRequest
from metronome_sandbox.domain.ids import CreditTypeId

ZERO = Decimal(0)
ONE = Decimal(1)

# Seven numbers of up to 33 digits multiply without loss: a metered quantity, its conversion, a rate, its multiplier, a
# percentage of that, its multiplier, and the worth of a custom unit. Set as the default too, for threads that start
# later.
WORKING_PRECISION = 231
decimal.DefaultContext.prec = WORKING_PRECISION
decimal.getcontext().prec = WORKING_PRECISION

MAX_INTEGER_DIGITS = 15
MAX_DECIMAL_PLACES = 18


QUOTIENT_STEP = Decimal(1).scaleb(-30)
DUST = Decimal(1).scaleb(-24)
"""More than what a few divisions cut off, less than any quantity that is one: a difference below it is none."""


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Return ``dividend / divisor``, cut to 30 decimal places where it does not end before.

    Places are bounded so that sums and differences of quotients are exact: what two balances cover of a unit and what
    is left of it add up to the unit, without a last digit that would be a line of its own.
    """
    exact = dividend / divisor
    cut = exact.quantize(QUOTIENT_STEP, rounding=decimal.ROUND_DOWN)
    return exact if cut == exact else cut


class CreditType(msgspec.Struct, frozen=True, gc=False):
    """A pricing unit: a currency or a custom unit. Source: ``GET /v1/credit-types/list``."""

    id: CreditTypeId
    name: str
    is_currency: bool
    archived_at: datetime | None = None


USD_CENTS = CreditTypeId("2714e483-4ff1-48e4-9e25-ac732e8f24f2")

# The vendor's list of currencies but USD, each counted in whole units. Source: guide "Use currency and custom pricing
# units".
CURRENCIES = (
    *("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "INR"),
    *("MXN", "NGN", "NOK", "NZD", "PLN", "SEK", "SGD", "TRY", "ZAR"),
)


def checked(number: Decimal, path: str) -> Decimal:
    """Return ``number``, as it can take part in exact arithmetic.

    Raises:
        InvalidRequest: It has more than 15 digits before or 18 after the decimal point.

    Assumed: the vendor states no bound; ours keeps every product of a quantity and a price exact.  [A-number-size]
    """
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number.adjusted() >= MAX_INTEGER_DIGITS or exponent < -MAX_DECIMAL_PLACES:
        raise InvalidRequest(
            path,
            f"{number:.6g} is not a number this sandbox can count with; "
            f"send at most {MAX_INTEGER_DIGITS} digits before and {MAX_DECIMAL_PLACES} after the decimal point",
        )
    return number
