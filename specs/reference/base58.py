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
