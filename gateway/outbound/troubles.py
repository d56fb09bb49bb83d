"""What the operator has been told and is not over: each kind of trouble is told once, not once for each attempt.

A kind is over when nobody suffers from it any more; if it then comes again, it is told again.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable


class Troubles:
    """Kinds of trouble, and who suffers from each. Any thread."""

    def __init__(self) -> None:
        """All is well."""
        self._door = threading.Lock()
        self._suffering: dict[Hashable, set[Hashable]] = {}

    def new(self, kind: Hashable, who: Hashable) -> bool:
        """Write down a trouble; tell whether it is the first of its kind."""
        with self._door:
            first = kind not in self._suffering
            self._suffering.setdefault(kind, set()).add(who)
            return first

    def over(self, who: Hashable) -> bool:
        """Say that all is well with somebody; tell whether it was not."""
        with self._door:
            kinds = [kind for kind, suffering in self._suffering.items() if who in suffering]
            for kind in kinds:
                self._suffering[kind].discard(who)
                if not self._suffering[kind]:
                    del self._suffering[kind]
            return bool(kinds)
