"""Ed25519 (RFC 8032), affine and slow. For vectors, not for secrets."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]


def recover_x(y: int, sign: int) -> int:
    """The x of the point with this y, with this lowest bit."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        raise ValueError("no point has this y")
    return x if x & 1 == sign else P - x


B_Y = 4 * pow(5, -1, P) % P
B = (recover_x(B_Y, 0), B_Y)
IDENTITY = (0, 1)


def add(a: Point, b: Point) -> Point:
    (ax, ay), (bx, by) = a, b
    product = D * ax * bx * ay * by % P
    x = (ax * by + bx * ay) * pow(1 + product, -1, P) % P
    y = (ay * by + ax * bx) * pow(1 - product, -1, P) % P
    return x, y


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def encode(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point:
    number = int.from_bytes(data, "little")
    y = number & (2**255 - 1)
    return recover_x(y, number >> 255), y


def sha512_scalar(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def expand(seed: bytes) -> tuple[int, bytes]:
    """The secret scalar and the prefix for nonces of an RFC 8032 secret key."""
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    scalar = scalar & ~7 & (2**254 - 1) | 2**254
    return scalar, digest[32:]


def public_key_of_scalar(scalar: int) -> bytes:
    return encode(multiply(scalar % L, B))


def public_key(seed: bytes) -> bytes:
    return public_key_of_scalar(expand(seed)[0])


def derive(root_key: bytes, tweak: bytes) -> bytes:
    """root + B·(tweak mod L)."""
    scalar = int.from_bytes(tweak, "little") % L
    return encode(add(decode(root_key), multiply(scalar, B)))


def sign_with_scalar(scalar: int, prefix: bytes, message: bytes) -> bytes:
    key = public_key_of_scalar(scalar)
    nonce = sha512_scalar(prefix, message)
    point = encode(multiply(nonce, B))
    challenge = sha512_scalar(point, key, message)
    return point + ((nonce + challenge * scalar) % L).to_bytes(32, "little")


def sign(seed: bytes, message: bytes) -> bytes:
    return sign_with_scalar(*expand(seed), message)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    try:
        point, key_point = decode(signature[:32]), decode(key)
    except ValueError:
        return False
    challenge = sha512_scalar(signature[:32], key, message)
    return multiply(s, B) == add(point, multiply(challenge, key_point))
