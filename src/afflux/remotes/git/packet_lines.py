"""Git's packet lines: four hex digits of length, then bytes; lengths 0 to 2 are separators."""

from collections.abc import Iterable, Iterator

FLUSH = b"0000"
DELIMITER = b"0001"
MAX_LINE = 65520
_HEX = frozenset(b"0123456789abcdefABCDEF")


class MalformedPackets(ValueError):
    """Bytes that aren't packet lines, or that end in the middle of one."""


def packet(line: bytes) -> bytes:
    """One line as sent."""
    return b"%04x" % (len(line) + 4) + line


def packets(data: bytes) -> Iterator[bytes | None]:
    """The lines in ``data``; None for a separator. Raises ``MalformedPackets``."""
    at = 0
    while at < len(data):
        length = _length(data[at : at + 4])
        if length < 4:
            yield None
            at += 4
            continue
        if at + length > len(data):
            raise MalformedPackets("the last line is cut short")
        yield data[at + 4 : at + length]
        at += length


def _length(digits: bytes) -> int:
    length = int(digits, 16) if len(digits) == 4 and _HEX.issuperset(digits) else -1
    if length < 0 or length == 3 or length > MAX_LINE:
        raise MalformedPackets("not a packet line")
    return length


def text_lines(lines: Iterable[bytes | None]) -> Iterator[str | None]:
    """Lines as text without their line feed; names that aren't UTF-8 survive as surrogates."""
    for line in lines:
        yield None if line is None else line.rstrip(b"\n").decode("utf-8", "surrogateescape")
