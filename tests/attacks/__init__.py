"""Every message that is tried, in one list. Importing the modules collects their cases."""

from tests.attacks import algorithms, content, document, envelopes, signature, trusting, values, wrapping
from tests.attacks.catalogue import CASES, Case, Scene, Sent

__all__ = [
    "CASES",
    "Case",
    "Scene",
    "Sent",
    "algorithms",
    "content",
    "document",
    "envelopes",
    "signature",
    "trusting",
    "values",
    "wrapping",
]
