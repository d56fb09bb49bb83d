"""What a process judges and makes signatures by, kept before it does: at its start, and whenever a file has changed.

As with the register of law (`governing`): if it cannot be written the process does not start, or goes on by its old
lists. A message that was let in by a list which nobody has any more could not be answered for in ten years.
"""

from __future__ import annotations

from gateway import logs
from gateway.logs import Happened
from gateway.ports import Clock
from gateway.store import relied
from gateway.store.place import Place
from gateway.trust.chain import Trust
from gateway.trust.keys import Signers


def rely(where: Place, trust: Trust, signers: Signers, *, clock: Clock) -> None:
    """Keep revocation lists and our certificates, where any is new. Call it before judging or signing by them.

    `where` is the store on behalf of a duty that judges. Raises UnavailableError: not written, nothing may be judged
    by it.
    """
    if relied.keep(where, clock.now(), trust.lists, signers.certificates):
        logs.tell(Happened.TRUST_KEPT)
