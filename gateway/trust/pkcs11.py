"""Keys on a token (PKCS#11 v2.40): they sign there, and are never here.

A module, the token's library, has one state for the whole process, so each is opened once and its calls are made one at
a time; a session stays open and logged in from one signature to the next. Where a call fails, the token may have been
away: it is asked again with what is open, then in a new session, then with the module begun anew, which is what it
takes after a network token or its daemon was restarted. After that this key is let alone for `REST` seconds, so that a
token that is gone costs one wait and not one a message. Other keys of the module open what they need again.

Tokens lock themselves after a few wrong PINs. One that was refused is not tried again until its file says another.

The library (python-pkcs11) lets other threads run while the token works. It is imported where a token is named and
nowhere else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway import codes
from gateway.errors import ConfigError, UnavailableError
from gateway.soap import names
from gateway.sources import Token
from gateway.trust.files import secret

if TYPE_CHECKING:
    import pkcs11

PATIENCE: Final = 5.0
"""Seconds to wait for one's turn at a module."""
REST: Final = 1.0
"""Seconds that a token which did not answer is let alone."""


class TokenKey:
    """A private key on a token. Implements `signing.Remote`."""

    def __init__(self, source: Token, method: str) -> None:
        """`method` is the algorithm's address. Nothing is asked of the token yet.

        Raises ConfigError where keys of this kind do not sign on a token, or the module cannot be loaded.
        """
        if method not in {names.RSA_SHA256, names.ECDSA_SHA256}:
            raise ConfigError(f"{source}: on a token only RSA and P-256 sign")
        self.method = method
        self._source = source
        self._module = opened(source.module)

    def sign(self, data: bytes) -> bytes:
        """Return the signature in the form of XMLDSig: PKCS #1 v1.5, or r and s. Raises UnavailableError."""
        return self._module.sign(self._source, self.method, data)


class Module:
    """A token's library, opened, and what is open on its tokens."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Load it. Raises ConfigError."""
        import pkcs11  # noqa: PLC0415  # a tenth of a second, for those who have a token

        self._pkcs11 = pkcs11
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str | None, str | None], pkcs11.Session] = {}
        self._keys: dict[Token, Any] = {}  # what a key can do is known when it is found
        self._refused: set[bytes] = set()
        self._resting: dict[Token, float] = {}
        try:
            self._library = pkcs11.lib(str(path))
        except pkcs11.PKCS11Error:
            raise ConfigError(f"{path}: is not a PKCS#11 module that can be loaded") from None

    def sign(self, source: Token, method: str, data: bytes) -> bytes:
        """Have a token sign. Raises UnavailableError."""
        with self._turn(source):
            if self._monotonic() < self._resting.get(source, float("-inf")):
                raise UnavailableError(codes.KEY_UNAVAILABLE, f"{source}: did not answer a moment ago")
            why = ""
            for prepare in (_nothing, self._forget, self._begin_anew):
                try:
                    prepare()
                    return self._signed(self._key(source), method, data)
                except self._pkcs11.PKCS11Error as error:
                    why = type(error).__name__
            self._resting[source] = self._monotonic() + REST
            raise UnavailableError(codes.KEY_UNAVAILABLE, f"{source}: {why}")

    @contextmanager
    def _turn(self, source: Token) -> Iterator[None]:
        if not self._lock.acquire(timeout=PATIENCE):
            raise UnavailableError(codes.KEY_UNAVAILABLE, f"{source}: still at work for others after {PATIENCE:g} s")
        try:
            yield
        finally:
            self._lock.release()

    def _signed(self, key: Any, method: str, data: bytes) -> bytes:  # noqa: ANN401  # as above
        mechanisms = self._pkcs11.Mechanism
        if method == names.RSA_SHA256:
            return bytes(key.sign(data, mechanism=mechanisms.SHA256_RSA_PKCS))
        # r and s, 32 bytes each (PKCS#11 section 2.3.1), as XMLDSig has them. Not all tokens digest for ECDSA.
        return bytes(key.sign(sha256(data).digest(), mechanism=mechanisms.ECDSA))

    def _key(self, source: Token) -> Any:  # noqa: ANN401  # as above
        key = self._keys.get(source)
        if key is None:
            private = self._pkcs11.ObjectClass.PRIVATE_KEY
            key = self._session(source).get_key(object_class=private, label=source.label, id=source.id)
            self._keys[source] = key
        return key

    def _session(self, source: Token) -> pkcs11.Session:
        which = source.token, source.serial
        session = self._sessions.get(which)
        if session is None:
            serial = None if source.serial is None else source.serial.encode()
            token = self._library.get_token(token_label=source.token, token_serial=serial)
            session = self._sessions[which] = self._opened(token, source)
        return session

    def _opened(self, token: pkcs11.Token, source: Token) -> pkcs11.Session:
        """Open a session, logged in. Logins are the process's: another session may have one already."""
        if source.pin is None:
            return token.open()
        pin = _pin(source.pin, source)
        known = sha256(pin).digest()
        if known in self._refused:
            raise UnavailableError(codes.KEY_UNAVAILABLE, f"{source}: its PIN was refused; {source.pin} has no other")
        try:
            return token.open(user_pin=pin.decode())
        except self._pkcs11.UserAlreadyLoggedIn:
            return token.open()
        except (self._pkcs11.PinIncorrect, self._pkcs11.PinInvalid, self._pkcs11.PinLenRange, UnicodeDecodeError):
            self._refused.add(known)
            raise UnavailableError(codes.KEY_UNAVAILABLE, f"{source}: its PIN in {source.pin} is refused") from None

    def _forget(self) -> None:
        """Close what is open."""
        self._keys.clear()
        while self._sessions:
            _, session = self._sessions.popitem()
            with suppress(self._pkcs11.PKCS11Error):
                session.close()

    def _begin_anew(self) -> None:
        """End the module and begin it again; nobody else is in it, since the turn is ours."""
        self._forget()
        with suppress(self._pkcs11.PKCS11Error):
            self._library.finalize()
        self._library.initialize()


def _nothing() -> None:
    """Try with what is open."""


def _pin(path: Path, source: Token) -> bytes:
    try:
        return secret(path, f"{source}: pin-source").rstrip(b"\r\n")
    except ConfigError as error:  # it was there at the start
        raise UnavailableError(codes.KEY_UNAVAILABLE, error.detail) from None


@lru_cache(maxsize=8)
def opened(path: Path) -> Module:
    """Return the process's one opening of a module."""
    return Module(path)
