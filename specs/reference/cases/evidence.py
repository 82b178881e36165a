"""evidence.json: what proves that a lane was rightly frozen, what only claims it, what is none."""

import files
import head_trie
import lane_log
import records
from cases.messages import LANE
from cases.proofs import lane_messages
from fixtures import DOMAIN, attest, empty_side_salt, make_checkpoint, make_head, trust_root


def log(size: int, changed: int | None = None) -> list[bytes]:
    """The first messages of the lane; the one at `changed` is another."""
    return [b"\x01another message" if nonce == changed else raw for nonce, raw in enumerate(lane_messages()[:size])]


def proof(height: int, sent: list[bytes], received: list[bytes] = (), source: bool = True, **changes) -> dict:
    """A head proof of the lane's source for its destination, or the other way round."""
    own, peer = ("alpha", "beta") if source else ("beta", "alpha")
    sent, received = ((len(leaves), lane_log.root(list(leaves))) for leaves in (sent, received))
    head = make_head(own, peer, height, sent, received)
    root = head_trie.root({peer: records.head(head)}, lambda directions: empty_side_salt(own, height, directions))
    checkpoint = make_checkpoint(DOMAIN, own, height, root, **changes)
    return {"head": head, "path": [], "attestation": attest(checkpoint, "secp256k1")}


def root_proof(size: int, leaves: list[bytes], head: dict | None, via: list[int]) -> dict:
    """The root at `size`, with consistency steps to each of `via`."""
    sizes = [size] + via
    steps = [
        {"size": new, "proof": [value.hex() for value in lane_log.consistency(old, leaves[:new])]}
        for old, new in zip(sizes, via)
    ]
    return {"size": size, "root": lane_log.root(leaves[:size]).hex(), "steps": steps, "head": head}


def heads(earlier: dict, later: dict) -> dict:
    return {"kind": "heads", "earlier": earlier, "later": later}


def roots(one: dict, other: dict) -> dict:
    return {"kind": "roots", "one": one, "other": other}


def received(head: dict, of_log: dict) -> dict:
    return {"kind": "received", "head": head, "log": of_log}


def make(contradiction: dict) -> dict:
    reason = "in the words of whoever made the file"
    return {"format": files.EVIDENCE, "trust": trust_root(DOMAIN), "lane": LANE, "reason": reason, "contradiction": contradiction}


def proven() -> list[tuple[str, dict]]:
    seven, other = proof(3, log(7)), proof(3, log(7, changed=2))
    nine, later = log(9), proof(8, log(9))
    forked = proof(5, log(11, changed=2))
    two_steps = root_proof(4, log(11, changed=2), forked, [6, 11])
    past = proof(2, log(7))
    return [
        ("two checkpoints at one height", heads(seven, other)),
        ("a sent size that falls", heads(proof(3, log(7)), proof(4, log(6)))),
        ("a received size that falls", heads(proof(3, [], log(7), source=False), proof(4, [], log(6), source=False))),
        ("two sent roots at one size", heads(seven, proof(4, log(7, changed=2)))),
        ("a time that falls", heads(seven, proof(4, log(7), time_ns="1789000000000000000"))),
        ("a key epoch that falls", heads(proof(3, log(7), key_epoch=1, epoch_first_height=1), proof(4, log(7)))),
        ("two roots at a size between heads", roots(root_proof(4, nine, later, [9]), two_steps)),
        ("messages received that were never sent", received(proof(4, [], log(5, changed=2), source=False), root_proof(5, nine, later, [9]))),
        ("more received than was sent", received(proof(1, [], log(9), source=False), root_proof(7, log(7), past, []))),
    ]


def claimed() -> list[tuple[str, dict]]:
    seven, eight = proof(3, log(7)), proof(4, log(8))
    early = proof(1, log(7))
    return [
        ("two heads that agree", heads(seven, eight)),
        ("one head twice", heads(seven, seven)),
        ("two heads in the wrong order", heads(proof(4, log(6)), proof(3, log(7)))),
        ("heads of both sides", heads(seven, proof(4, [], [], source=False))),
        ("a root that is only claimed", roots(root_proof(7, log(7), seven, []), root_proof(7, log(7, changed=1), None, []))),
        ("two roots at different sizes", roots(root_proof(7, log(7), seven, []), root_proof(8, log(8), eight, []))),
        ("one root twice", roots(root_proof(7, log(7), seven, []), root_proof(7, log(8), eight, [8]))),
        ("received what is sent", received(proof(4, [], log(5), source=False), root_proof(5, log(7), seven, [7]))),
        ("more received than was sent before", received(proof(4, [], log(9), source=False), root_proof(7, log(7), early, []))),
        ("received what is only claimed not to be sent", received(proof(4, [], log(5), source=False), root_proof(5, log(5, changed=1), None, []))),
    ]


def refused() -> list[tuple[str, str, dict]]:
    seven, other = proof(3, log(7)), proof(3, log(7, changed=2))
    good = make(heads(seven, other))
    forged = other | {"head": other["head"] | {"sent_size": 6}}
    wrong = root_proof(4, log(7), seven, [7]) | {"root": "11" * 32}
    long = root_proof(3, log(7), seven, [4, 5, 7])
    return [
        ("another format", "format", good | {"format": "private-shard-bridge evidence v2"}),
        ("another trust root", "head", good | {"trust": trust_root(DOMAIN | {"instance": "11" * 32})}),
        ("a forged head", "head", make(heads(seven, forged))),
        ("another lane", "other_lane", good | {"lane": LANE | {"destination": "gamma"}}),
        ("another incarnation", "other_lane", good | {"lane": LANE | {"source_incarnation": 1}}),
        ("a source's head in the place of the destination's", "other_lane", make(received(seven, root_proof(7, log(7), seven, [])))),
        ("a root that does not lead to its head", "root", make(roots(wrong, root_proof(4, log(7), seven, [7])))),
        ("a proof of three steps", "root", make(roots(long, long))),
        ("a proof that stops before its head", "root", make(roots(root_proof(4, log(7), seven, [5]), long))),
    ]


def vectors() -> dict:
    return {
        "about": "Evidence files under this trust root: whether each proves a contradiction; files that are no evidence.",
        "trust": trust_root(DOMAIN),
        "evidence": [
            {"name": name, "proven": is_proven, "file": make(value)}
            for is_proven, cases in ((True, proven()), (False, claimed()))
            for name, value in cases
        ],
        "refused": [{"name": name, "error": error, "file": value} for name, error, value in refused()],
    }
