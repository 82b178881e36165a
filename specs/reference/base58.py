"""Base58 in Bitcoin's alphabet, as NEAR writes keys."""

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def encode(data: bytes) -> str:
    rest = int.from_bytes(data, "big")
    digits = ""
    while rest:
        rest, digit = divmod(rest, 58)
        digits = ALPHABET[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\x00"))
    return "1" * zeros + digits


def decode(text: str, size: int) -> bytes:
    """Exactly `size` bytes; ValueError otherwise."""
    number = 0
    for character in text:
        number = number * 58 + ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if zeros + len(digits) != size:
        raise ValueError(f"{text} is not the base58 of {size} bytes")
    return bytes(zeros) + digits
