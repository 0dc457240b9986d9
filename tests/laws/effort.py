"""How hard the laws are tried: the same examples in seconds, or by ``HYPOTHESIS_PROFILE=campaign`` thousands of others.

A run of all tests has to say the same thing twice; what it may miss, ``make laws`` looks for.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

IS_CAMPAIGN = os.environ.get("HYPOTHESIS_PROFILE") == "campaign"


def effort(examples: int, in_a_campaign: int, **more: Any) -> settings:
    """Return the settings of a law.

    Args:
        examples: How many are tried in a run of all tests.
        in_a_campaign: How many ``make laws`` tries.
        more: Other settings of Hypothesis.
    """
    return settings(
        max_examples=in_a_campaign if IS_CAMPAIGN else examples,
        deadline=None,
        derandomize=not IS_CAMPAIGN,
        suppress_health_check=list(HealthCheck),
        **more,
    )
