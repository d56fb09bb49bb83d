"""What can go wrong, as a tree that says who must act.

    GatewayError
    ├── RejectedError     the sender's doing, final: MalformedError UntrustedError ContractError PurposeError
    │                     ConflictError
    ├── UnavailableError  ours, temporary: safe to resend
    ├── DeliveryError     the far side                RefusedError (final)  PostponedError (has not happened)
    │                                                 UncertainError (may have happened)
    ├── ConfigError       at start-up only: names file, key and the accepted keys
    └── IntegrityError    our own records disagree: stop, do not repair

Every error has a `codes.Code`: a stable name, the step that raises it and a Swedish and an English text. The sender
sees code, text and message id. `detail` is for audit and operators, and holds no personal data: no value out of a
message, only names, places and numbers of things.
"""

from __future__ import annotations

from gateway import codes


class GatewayError(Exception):
    """Anything this gateway raises on purpose."""

    def __init__(self, code: codes.Code, detail: str = "") -> None:
        """`code` says what is wrong; `detail` where, for those who may know, and without personal data."""
        super().__init__(f"{code.name}: {detail or code.english}")
        self.code = code
        self.detail = detail


class RejectedError(GatewayError):
    """The sender's doing, and final: the same bytes will be refused again."""


class MalformedError(RejectedError):
    """Not an envelope within the limits."""


class UntrustedError(RejectedError):
    """Not proven to come, fresh and whole, from a partner we know."""


class ContractError(RejectedError):
    """Not what was agreed."""


class PurposeError(RejectedError):
    """No purpose or legal basis lets it pass."""


class ConflictError(RejectedError):
    """The same message id came before with other content."""


class UnavailableError(GatewayError):
    """Ours and temporary: nothing has happened, and it is safe to resend the same bytes."""


class DeliveryError(GatewayError):
    """The far side's doing."""

    def __init__(self, code: codes.Code, detail: str = "", *, partner_code: str | None = None) -> None:
        """`partner_code` is the partner's own, kept as it wrote it; its texts are not, as they may tell of a person."""
        super().__init__(code, detail)
        self.partner_code = partner_code


class RefusedError(DeliveryError):
    """The far side refused: final."""


class PostponedError(DeliveryError):
    """It has certainly not happened, and may later: the same id is sent again."""


class UncertainError(DeliveryError):
    """It may have happened: ask, or resend the same id."""


class ConfigError(GatewayError):
    """Wrong configuration, found at start-up. `detail` names file, key and the accepted keys."""

    def __init__(self, detail: str) -> None:
        """`detail` is the whole message, for the person who edits the file."""
        super().__init__(codes.CONFIG, detail)


class IntegrityError(GatewayError):
    """Our own records disagree. Stop; a person must look before anything is repaired."""

    def __init__(self, detail: str) -> None:
        """`detail` names the records that disagree, without personal data."""
        super().__init__(codes.INTEGRITY, detail)
