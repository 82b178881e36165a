"""The lane log by the recursive definitions of RFC 6962 section 2.1: see specs/merkle.md.

A log is the list of its leaves' bytes. Everything is computed from scratch each time.
"""

from hashing import log_leaf, log_node, sha256


def split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def root(leaves: list[bytes]) -> bytes:
    """MTH(D[n])."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return log_leaf(leaves[0])
    k = split(len(leaves))
    return log_node(root(leaves[:k]), root(leaves[k:]))


def inclusion(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]): nearest sibling first."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion(index, leaves[:k]) + [root(leaves[k:])]
    return inclusion(index - k, leaves[k:]) + [root(leaves[:k])]


def consistency(old: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]); empty also when the old log is empty."""
    if old == 0:
        return []
    return subproof(old, leaves, True)


def subproof(old: int, leaves: list[bytes], old_is_whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b): `old_is_whole` while the old log's root is still what is looked for."""
    if old == len(leaves):
        return [] if old_is_whole else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return subproof(old, leaves[:k], old_is_whole) + [root(leaves[k:])]
    return subproof(old - k, leaves[k:], False) + [root(leaves[:k])]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to; None if it doesn't fit index and size."""
    if index >= size:
        return None
    if size == 1:
        return leaf if not path else None
    if not path:
        return None
    k = split(size)
    if index < k:
        left, right = root_from_inclusion(leaf, index, k, path[:-1]), path[-1]
    else:
        left, right = path[-1], root_from_inclusion(leaf, index - k, size - k, path[:-1])
    return None if left is None or right is None else log_node(left, right)
