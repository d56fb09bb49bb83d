"""How long a search for counterexamples may take.

Every run tries half of what a search asks for, and always the same: more of the same finds nothing new.
`GATEWAY_EFFORT=1` is the whole of it, `GATEWAY_EFFORT=20` is for a night; above 1 the examples are others each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EFFORT = float(os.environ.get("GATEWAY_EFFORT", "0.5"))
FEWEST = 25
"""Examples below which nothing is halved."""


def effort(examples: int, **more: int) -> settings:
    """Return the settings of a search: the same examples every time, unless more effort is asked for."""
    return settings(
        max_examples=max(round(examples * EFFORT), min(examples, FEWEST)),
        deadline=None,
        database=None,
        derandomize=EFFORT <= 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
        **more,  # type: ignore[arg-type]
    )
