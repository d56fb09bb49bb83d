"""How long a search for counterexamples may take.

`GATEWAY_EFFORT=20` multiplies every search's examples by twenty: for a night, not for every run.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EFFORT = int(os.environ.get("GATEWAY_EFFORT", "1"))


def effort(examples: int, **more: int) -> settings:
    """Return the settings of a search: the same examples every time, unless more effort is asked for."""
    return settings(
        max_examples=examples * EFFORT,
        deadline=None,
        database=None,
        derandomize=EFFORT == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
        **more,  # type: ignore[arg-type]
    )
