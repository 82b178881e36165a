"""The ChaCha20 block function of RFC 8439, section 2.3."""

import struct

MASK = 0xFFFFFFFF
CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & MASK


def quarter_round(state: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[x] = (state[x] + state[y]) & MASK
        state[z] = rotated(state[z] ^ state[x], bits)


def block(key: bytes, counter: int, nonce: bytes) -> bytes:
    """64 bytes of keystream."""
    initial = [*CONSTANTS, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    state = list(initial)
    for _ in range(10):
        for column in range(4):
            quarter_round(state, column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            diagonal = [4 * row + (column + row) % 4 for row in range(4)]
            quarter_round(state, *diagonal)
    return struct.pack("<16I", *((word + first) & MASK for word, first in zip(state, initial)))


# RFC 8439, section 2.3.2.
assert block(bytes(range(32)), 1, bytes.fromhex("000000090000004a00000000")).hex().startswith("10f1e7e4d13b5915500fdd1fa32071c4")
