"""proofs.json: proofs of heads and of messages, and files that prove nothing."""

import base64

import head_trie
import lane_log
import records
from cases.messages import LANE, make
from fixtures import (
    DOMAIN,
    OTHER_ACCOUNT,
    OTHER_INSTANCE,
    attest,
    empty_side_salt,
    make_checkpoint,
    make_head,
    trust_root,
)

FORMAT = "private-shard-bridge message proof v1"
PEERS = ["beta", "gamma", "delta", "epsilon"]
HEIGHT = 21
SENT = 11


def message_at(nonce: int) -> bytes:
    sender = "bob.beta" if nonce == 4 else "ann.alpha"
    whole = records.message(make(nonce, {"data": f"number {nonce}".encode().hex()}, sender=sender))
    return b"\x01attested, and no message" if nonce == 5 else whole


def lane_messages() -> list[bytes]:
    """A lane on which number 4 has a sender of another shard and number 5 is no message."""
    return [message_at(nonce) for nonce in range(SENT)]


def head_proof(domain: dict, curve: str) -> dict:
    """The head of lane alpha → beta, under a checkpoint of shard alpha."""
    empty = lane_log.root([])
    heads = {}
    for peer in PEERS:
        sent = (SENT, lane_log.root(lane_messages())) if peer == LANE["destination"] else (0, empty)
        heads[peer] = make_head("alpha", peer, HEIGHT, sent, (0, empty))
    encoded = {peer: records.head(head) for peer, head in heads.items()}

    def empty_side(directions: str) -> bytes:
        return empty_side_salt("alpha", HEIGHT, directions)

    checkpoint = make_checkpoint(domain, "alpha", HEIGHT, head_trie.root(encoded, empty_side))
    path = [sibling.hex() for sibling in head_trie.path("beta", encoded, empty_side)]
    return {"head": heads["beta"], "path": path, "attestation": attest(checkpoint, curve)}


def message_proof(nonce: int, proof: dict) -> dict:
    leaves = lane_messages()
    return {
        "format": FORMAT,
        "trust": trust_root(proof["attestation"]["checkpoint"]["domain"]),
        "nonce": nonce,
        "message": base64.b64encode(leaves[nonce]).decode(),
        "inclusion": [sibling.hex() for sibling in lane_log.inclusion(nonce, leaves)],
        "head": proof,
    }


def valid() -> list[tuple[str, dict]]:
    return [
        (f"number {nonce}, {curve}", message_proof(nonce, head_proof(DOMAIN, curve)))
        for curve in ("secp256k1", "ed25519")
        for nonce in (0, 3, SENT - 1)
    ]


def refused() -> list[tuple[str, str, dict]]:
    proof = head_proof(DOMAIN, "secp256k1")
    good = message_proof(3, proof)
    raw = lane_messages()[3]
    flipped = base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()
    path, head = proof["path"], proof["head"]
    cases = [
        ("a flipped bit of the message", "message", good | {"message": flipped}),
        ("another nonce", "message", good | {"nonce": 2}),
        ("a nonce beyond the lane", "message", good | {"nonce": SENT}),
        ("an inclusion proof cut short", "message", good | {"inclusion": good["inclusion"][:-1]}),
        ("64 siblings", "path_too_long", good | {"inclusion": (good["inclusion"] * 64)[:64]}),
        ("another size of the lane", "head", good | {"head": proof | {"head": head | {"sent_size": SENT + 1}}}),
        ("the peer renamed", "head", good | {"head": proof | {"head": head | {"peer": "gamma"}}}),
        ("the head's path cut short", "head", good | {"head": proof | {"path": path[:-1]}}),
        ("257 siblings of the head", "path_too_long", good | {"head": proof | {"path": (path * 257)[:257]}}),
        ("a sender of another shard", "sender", message_proof(4, proof)),
        ("attested bytes that are no message", "not_a_message", message_proof(5, proof)),
        ("another format", "format", good | {"format": "private-shard-bridge message proof v2"}),
    ]
    for name, domain in (("another instance", OTHER_INSTANCE), ("another bridge account", OTHER_ACCOUNT)):
        elsewhere = message_proof(3, head_proof(domain, "secp256k1"))
        cases.append((f"made under {name}", "other_trust_root", elsewhere))
        renamed = elsewhere | {"trust": trust_root(DOMAIN)}
        cases.append((f"made under {name}, renamed to the pinned one", "attestation", renamed))
    return cases


def vectors() -> dict:
    return {
        "about": "Proof files, verified under this trust root. `head_bytes` is the head proof in borsh.",
        "trust": trust_root(DOMAIN),
        "proofs": [
            {"name": name, "proof": value, "head_bytes": records.head_proof(value["head"]).hex()}
            for name, value in valid()
        ],
        "refused": [{"name": name, "error": error, "proof": value} for name, error, value in refused()],
    }
