"""The trie of heads by its recursive definition: see specs/heads.md.

`heads` maps each peer's name to its encoded head; `empty_side` gives the 32 bytes that stand for
an empty side, for the directions that lead to it ("" is the root, then "0" left and "1" right).
"""

from collections.abc import Callable

from hashing import head_leaf, head_node, tagged

Heads = dict[str, bytes]
EmptySide = Callable[[str], bytes]


def directions(peer: str) -> str:
    """The bits of the hash of a peer's name, most significant first."""
    return "".join(f"{byte:08b}" for byte in tagged("peer", peer.encode()))


def below(heads: Heads, prefix: str) -> Heads:
    return {peer: head for peer, head in heads.items() if directions(peer).startswith(prefix)}


def root(heads: Heads, empty_side: EmptySide, prefix: str = "") -> bytes:
    here = below(heads, prefix)
    if not here:
        return empty_side(prefix)
    if len(here) == 1:
        return head_leaf(next(iter(here.values())))
    return head_node(root(here, empty_side, prefix + "0"), root(here, empty_side, prefix + "1"))


def path(peer: str, heads: Heads, empty_side: EmptySide) -> list[bytes]:
    """The siblings on the way to a peer's head, topmost first."""
    siblings = []
    prefix = ""
    while len(below(heads, prefix)) > 1:
        turn = directions(peer)[len(prefix)]
        other = "0" if turn == "1" else "1"
        siblings.append(root(heads, empty_side, prefix + other))
        prefix += turn
    return siblings


def root_from_path(peer: str, head: bytes, siblings: list[bytes]) -> bytes:
    """The root that a path leads to, the directions taken from the peer's name."""
    result = head_leaf(head)
    turns = directions(peer)
    for depth in reversed(range(len(siblings))):
        sibling = siblings[depth]
        result = head_node(sibling, result) if turns[depth] == "1" else head_node(result, sibling)
    return result
