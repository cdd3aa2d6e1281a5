"""Messages on a stream socket between the parent and an engine's child: eight bytes of length, then the bytes."""

from __future__ import annotations

import socket
import struct

_LENGTH = struct.Struct(">Q")


def send_frame(connection: socket.socket, message: bytes) -> None:
    """Send all of it; blocks while the other side does not read."""
    connection.sendall(framed(message))


def framed(message: bytes) -> bytes:
    """The message as it goes over the wire."""
    return _LENGTH.pack(len(message)) + message


def receive_frame(connection: socket.socket) -> bytes:
    """One whole message; EOFError when the other side has gone."""
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise EOFError("the other process has gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class FrameReader:
    """Takes whatever bytes have come and gives the messages that are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
        return messages
