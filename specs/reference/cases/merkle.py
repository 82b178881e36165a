"""merkle.json: roots and proofs of lane logs."""

import lane_log
from fixtures import flip_bit

SIZE_MAX = 70
PROOF_SIZE_MAX = 20


def hex_all(hashes: list[bytes]) -> list[str]:
    return [value.hex() for value in hashes]


def vectors() -> dict:
    leaves = [f"leaf {index}".encode() for index in range(SIZE_MAX)]
    inclusion_at = [(index, size) for size in range(1, PROOF_SIZE_MAX + 1) for index in range(size)]
    inclusion_at += [(index, size) for size in (31, 32, 33, 63, 64, 65, 70) for index in (0, 15, 30, size - 1)]
    consistency_at = [(old, new) for new in range(PROOF_SIZE_MAX + 1) for old in range(new + 1)]
    consistency_at += [(old, new) for new in (64, 70) for old in (1, 31, 32, 33, 63, 64)]
    return {
        "about": "Logs of the leaves 'leaf 0', 'leaf 1', … (ASCII).",
        "roots": [
            {"size": size, "root": lane_log.root(leaves[:size]).hex()} for size in range(SIZE_MAX + 1)
        ],
        "inclusion": [
            {"index": index, "size": size, "path": hex_all(lane_log.inclusion(index, leaves[:size]))}
            for index, size in inclusion_at
        ],
        "consistency": [
            {"old": old, "new": new, "proof": hex_all(lane_log.consistency(old, leaves[:new]))}
            for old, new in consistency_at
        ],
        "refused_inclusion": refused_inclusion(leaves),
        "refused_consistency": refused_consistency(leaves),
    }


def refused_inclusion(leaves: list[bytes]) -> list[dict]:
    path = [value.hex() for value in lane_log.inclusion(5, leaves[:13])]
    flipped = flip_bit(bytes.fromhex(path[1]), 0).hex()
    claims = [
        ("another leaf", 4, 5, 13, path),
        ("another index", 5, 4, 13, path),
        ("another size", 5, 5, 17, path),
        ("an index beyond the log", 5, 13, 13, path),
        ("a sibling too few", 5, 5, 13, path[:-1]),
        ("a sibling too many", 5, 5, 13, path + path[-1:]),
        ("no siblings", 5, 5, 13, []),
        ("siblings in another order", 5, 5, 13, path[::-1]),
        ("a flipped bit", 5, 5, 13, path[:1] + [flipped] + path[2:]),
    ]
    return [
        {"name": name, "leaf": leaf, "index": index, "size": size, "path": siblings}
        for name, leaf, index, size, siblings in claims
    ]


def refused_consistency(leaves: list[bytes]) -> list[dict]:
    proof = [value.hex() for value in lane_log.consistency(6, leaves[:13])]
    flipped = flip_bit(bytes.fromhex(proof[0]), 0).hex()
    claims = [
        ("another old size", 5, 13, proof),
        ("another new size", 6, 17, proof),
        ("sizes that fall", 13, 6, proof),
        ("a proof between equal sizes", 13, 13, proof),
        ("a proof from nothing", 0, 13, proof),
        ("a hash too few", 6, 13, proof[:-1]),
        ("a hash too many", 6, 13, proof + proof[-1:]),
        ("no hashes", 6, 13, []),
        ("a flipped bit", 6, 13, [flipped] + proof[1:]),
    ]
    return [{"name": name, "old": old, "new": new, "proof": hashes} for name, old, new, hashes in claims]
