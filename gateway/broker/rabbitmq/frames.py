"""Publishes as they go over the wire: put together here, and written many at a time.

A publish is a method frame, a header frame and the body in frames of at most `frame_max` (AMQP 0-9-1 sections 2.3.5 and
4.2). pika makes an object of each and gives each to TLS by itself: three records and three system calls an event, and
at each the thread lets go of the interpreter and must win it back from the relay, which reads and forgets meanwhile.
That was half of what relaying cost. So here:

1. The method frame, the same for every event of a queue, is pika's own, made once for each routing key.
2. The two other frames' few bytes are packed around properties and body, which are not copied until all are joined.
3. What was joined is written in pieces as large as a TLS record may be (RFC 8446 section 5.1). OpenSSL would cut a
   larger one itself, and leave pika with a copy of the rest each time.

A test compares the bytes with those that pika writes.
"""

from __future__ import annotations

from struct import Struct

from pika.channel import Channel
from pika.frame import Method
from pika.spec import FRAME_BODY, FRAME_END, FRAME_END_SIZE, FRAME_HEADER, FRAME_HEADER_SIZE, Basic, BasicProperties

RECORD = 16_384
"""Bytes of a full TLS record."""
MOST = 16 * RECORD
"""Bytes that are put together before they are written: beyond it larger pieces gain nothing and cost memory."""
_END = bytes([FRAME_END])
_HEADER = Struct(">BHIHHQ").pack
"""Type, channel, length; class, weight, bytes of the body: properties follow."""
_HEADER_SIZE = 12
_BODY = Struct(">BBHI").pack
"""The end of the frame before; type, channel, length: a part of the body follows."""


class Publishes:
    """Mandatory publishes to one exchange on one channel. Belongs to the link's thread."""

    def __init__(self, channel: Channel, exchange: str) -> None:
        """Nothing is written before `write`, or before `MOST` has come together."""
        self._connection = channel.connection
        self._channel = channel.channel_number
        self._exchange = exchange
        self._room = channel.connection.params.frame_max - FRAME_HEADER_SIZE - FRAME_END_SIZE
        self._methods: dict[str, bytes] = {}
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, key: str, properties: BasicProperties, body: bytes) -> None:
        """Put one more together. Raises what pika raises for properties that cannot be encoded."""
        method = self._methods.get(key) or self._method(key)
        encoded = b"".join(properties.encode())
        size, channel = len(body), self._channel
        header = _HEADER(FRAME_HEADER, channel, _HEADER_SIZE + len(encoded), BasicProperties.INDEX, 0, size)
        if 0 < size <= self._room:
            self._pieces += (method, header, encoded, _BODY(FRAME_END, FRAME_BODY, channel, size), body, _END)
        else:
            self._pieces += (method, header, encoded)
            for at in range(0, size, self._room):
                part = body[at : at + self._room]
                self._pieces += (_BODY(FRAME_END, FRAME_BODY, channel, len(part)), part)
            self._pieces.append(_END)
        self._size += size
        if self._size >= MOST:
            self.write()

    def write(self) -> None:
        """Give all that was put together to the connection, which writes when the socket takes it."""
        if not self._pieces:
            return
        whole = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        # pika has no public way to write what is a frame already.
        self._connection._output_marshaled_frames(  # noqa: SLF001
            [whole[at : at + RECORD] for at in range(0, len(whole), RECORD)]
        )

    def _method(self, key: str) -> bytes:
        made: bytes = Method(
            self._channel, Basic.Publish(exchange=self._exchange, routing_key=key, mandatory=True)
        ).marshal()
        self._methods[key] = made
        return made
