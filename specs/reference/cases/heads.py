"""heads.json: tries of heads, paths in them, and claims that don't hold."""

import head_trie
import records
from fixtures import SALT_SECRET, empty_side_salt, flip_bit, make_head
from hashing import head_leaf, seeded, tagged

OWN = "alpha"


def trie(heads: list[dict], height: int) -> tuple[head_trie.Heads, head_trie.EmptySide]:
    encoded = {head["peer"]: records.head(head) for head in heads}
    return encoded, lambda directions: empty_side_salt(OWN, height, directions)


def some_heads(peers: list[str], height: int) -> list[dict]:
    def lane_at(label: str, size: int) -> tuple[int, bytes]:
        return size, seeded(f"{label} at {size}")

    return [
        make_head(OWN, peer, height, lane_at(f"to {peer}", 3 * at), lane_at(f"from {peer}", 2**63 - 1 - at))
        for at, peer in enumerate(peers)
    ]


def close_peers(bits: int) -> list[str]:
    """The first two names peer-0, peer-1, … whose places begin with the same bits."""
    seen = {}
    number = 0
    while True:
        name = f"peer-{number}"
        place = head_trie.directions(name)[:bits]
        if place in seen:
            return [seen[place], name]
        seen[place] = name
        number += 1


def case(name: str, peers: list[str], height: int) -> dict:
    heads = some_heads(peers, height)
    encoded, empty_side = trie(heads, height)
    entries = [
        {
            "head": head,
            "bytes": encoded[head["peer"]].hex(),
            "place": tagged("peer", head["peer"].encode()).hex(),
            "leaf": head_leaf(encoded[head["peer"]]).hex(),
            "path": [sibling.hex() for sibling in head_trie.path(head["peer"], encoded, empty_side)],
        }
        for head in heads
    ]
    root = head_trie.root(encoded, empty_side).hex()
    return {"name": name, "own": OWN, "height": height, "root": root, "heads": entries}


def refused() -> list[dict]:
    height = 7
    heads = some_heads(["beta", "gamma", "delta", "epsilon", "zeta"], height)
    encoded, empty_side = trie(heads, height)
    root = head_trie.root(encoded, empty_side)
    head = heads[0]
    path = head_trie.path(head["peer"], encoded, empty_side)
    assert len(path) >= 2, "the refused claims need siblings to play with"
    claims = [
        ("another size", head | {"sent_size": 1}, path),
        ("another salt", head | {"salt": seeded("a guess").hex()}, path),
        ("another peer's head at this place", heads[1], path),
        ("a sibling too few", head, path[:-1]),
        ("a sibling too many", head, path + path[-1:]),
        ("siblings in another order", head, path[::-1]),
        ("a flipped bit", head, [flip_bit(path[0], 9)] + path[1:]),
        ("no siblings", head, []),
        ("257 siblings", head, (path * 257)[:257]),
    ]
    return [
        {"name": name, "head": value, "path": [sibling.hex() for sibling in siblings], "root": root.hex()}
        for name, value, siblings in claims
    ]


def vectors() -> dict:
    greek = ["beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda"]
    return {
        "about": "Tries of heads. Head salts and empty sides are derived as salts.json shows, from this secret.",
        "secret": SALT_SECRET.hex(),
        "tries": [
            case("no peers", [], 0),
            case("one peer", ["beta"], 1),
            case("two peers", ["beta", "gamma"], 2),
            case("the same two in the next checkpoint", ["beta", "gamma"], 3),
            case("ten peers", greek, 4),
            case("two peers whose places begin with the same 12 bits", close_peers(12), 5),
            case("forty peers", [f"shard-{number}" for number in range(40)], 6),
        ],
        "refused": refused(),
    }
