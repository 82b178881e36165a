"""Borsh, as far as the bridge uses it: see specs/README.md."""


def number(value: int, size: int) -> bytes:
    """An unsigned integer, little-endian."""
    return value.to_bytes(size, "little")


def u8(value: int) -> bytes:
    return number(value, 1)


def u16(value: int) -> bytes:
    return number(value, 2)


def u32(value: int) -> bytes:
    return number(value, 4)


def u64(value: int) -> bytes:
    return number(value, 8)


def u128(value: int) -> bytes:
    return number(value, 16)


def byte_string(value: bytes) -> bytes:
    """A byte string of any length: its length, then itself."""
    return u32(len(value)) + value


def text(value: str) -> bytes:
    return byte_string(value.encode())


def fixed(value: str, size: int) -> bytes:
    """A byte string of a known length, given as hex."""
    raw = bytes.fromhex(value)
    assert len(raw) == size, f"{value} has {len(raw)} bytes, expected {size}"
    return raw


def listing(items: list[bytes]) -> bytes:
    """A list: the number of its elements, then each."""
    return u32(len(items)) + b"".join(items)


def option(item: bytes | None) -> bytes:
    return b"\x00" if item is None else b"\x01" + item
