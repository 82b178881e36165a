"""ECDSA over secp256k1 (SEC 1, SEC 2 section 2.4.1), affine and slow. For vectors, not for secrets."""

from hashing import sha256

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
G = (
    0x79BE667E_F9DCBBAC_55A06295_CE870B07_029BFCDB_2DCE28D9_59F2815B_16F81798,
    0x483ADA77_26A3C465_5DA4FBFC_0E1108A8_FD17B448_A6855419_9C47D08F_FB10D4B8,
)

Point = tuple[int, int] | None  # None is the point at infinity


def add(a: Point, b: Point) -> Point:
    if a is None:
        return b
    if b is None:
        return a
    (ax, ay), (bx, by) = a, b
    if ax == bx and (ay + by) % P == 0:
        return None
    if a == b:
        slope = 3 * ax * ax * pow(2 * ay, -1, P)
    else:
        slope = (by - ay) * pow(bx - ax, -1, P)
    x = (slope * slope - ax - bx) % P
    return x, (slope * (ax - x) - ay) % P


def multiply(scalar: int, point: Point) -> Point:
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def encode(point: Point) -> bytes:
    """x ‖ y, 64 bytes, as NEAR writes keys."""
    x, y = point
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


def public_key(secret: int) -> bytes:
    return encode(multiply(secret, G))


def derive(root_key: bytes, tweak: bytes) -> bytes:
    """root + G·tweak."""
    root = int.from_bytes(root_key[:32], "big"), int.from_bytes(root_key[32:], "big")
    scalar = int.from_bytes(tweak, "big")
    assert scalar < N, "the tweak is no scalar"
    return encode(add(root, multiply(scalar, G)))


def sign(secret: int, digest: bytes) -> tuple[bytes, int]:
    """r ‖ s with low s, and the recovery id. The nonce is a hash of secret and digest."""
    z = int.from_bytes(digest, "big")
    k = int.from_bytes(sha256(b"nonce" + secret.to_bytes(32, "big") + digest), "big") % N
    x, y = multiply(k, G)
    r = x % N
    s = pow(k, -1, N) * (z + r * secret) % N
    recovery_id = (y & 1) | (2 if x >= N else 0)
    if s > N // 2:
        s = N - s
        recovery_id ^= 1
    return r.to_bytes(32, "big") + s.to_bytes(32, "big"), recovery_id


def recover(digest: bytes, rs: bytes, recovery_id: int) -> bytes | None:
    """The key under which `rs` signs the digest; None if there is none, or if s is high."""
    r, s = int.from_bytes(rs[:32], "big"), int.from_bytes(rs[32:], "big")
    x = r + N * (recovery_id >> 1)
    if not (0 < r < N and 0 < s <= N // 2 and recovery_id < 4 and x < P):
        return None
    square = (x**3 + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    point = (x, y if y & 1 == recovery_id & 1 else P - y)
    z = int.from_bytes(digest, "big")
    inverse = pow(r, -1, N)
    key = add(multiply(s * inverse % N, point), multiply(-z * inverse % N, G))
    return None if key is None else encode(key)
