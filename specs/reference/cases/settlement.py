"""settlement.json: proofs that a message was delivered, or never will be, and files that prove neither."""

import base64

import head_trie
import lane_log
import records
from cases.messages import call, function_call, make, result
from fixtures import (
    DOMAIN,
    OTHER_INSTANCE,
    attest,
    empty_side_salt,
    make_checkpoint,
    make_head,
    trust_root,
)

HEIGHT = 30
TIME = 1_790_000_000_000_000_000 + HEIGHT * 1_000_000_000
EARLY, LATE = str(TIME), str(TIME + 1)
RECEIVED = 7

Log = list[bytes]
EMPTY: Log = []


def sent_by_alpha() -> Log:
    """Beta has received all but the last three."""
    hello = {"data": b"hello".hex()}
    return [
        records.message(make(0, hello)),
        records.message(make(1, hello, deadline_ns=LATE)),
        records.message(make(2, hello, deadline_ns=EARLY)),
        records.message(make(3, call([function_call("run")], []))),
        records.message(make(4, hello, sender="ann.gamma")),
        records.message(make(5, hello, receiver="bob.gamma")),
        b"\x01attested, and no message",
        records.message(make(7, hello, deadline_ns=EARLY)),
        records.message(make(8, hello, deadline_ns=LATE)),
        records.message(make(9, hello)),
    ]


def sent_by_beta() -> Log:
    def answer(nonce: int, request_nonce: int, outcome: dict, sender: str = "beta") -> bytes:
        body = result(request_nonce, outcome)
        return records.message(make(nonce, body, sender=sender, receiver="ann.alpha"))

    expired = {"tombstone": "expired"}
    return [
        answer(0, 2, expired),
        answer(1, 6, {"tombstone": "malformed"}),
        answer(2, 3, {"success": ""}),
        answer(3, 3, {"failure": "no such method"}),
        records.message(make(4, {"data": ""}, sender="beta", receiver="ann.alpha")),
        answer(5, 2, expired, sender="gamma"),
        # A result's own deadline never counts.
        records.message(make(6, result(2, expired), sender="beta", receiver="ann.alpha", deadline_ns="0")),
    ]


def head_proof(domain: dict, own: str, sent: Log, received: Log, curve: str = "secp256k1", **changes) -> dict:
    """The head of `own` for the other of alpha and beta, alone in its checkpoint but for gamma's."""
    peer = "beta" if own == "alpha" else "alpha"
    sizes = [(len(log), lane_log.root(log)) for log in (sent, received)]
    heads = {
        peer: make_head(own, peer, HEIGHT, *sizes) | changes,
        "gamma": make_head(own, "gamma", HEIGHT, (0, lane_log.root([])), (0, lane_log.root([]))),
    }
    encoded = {name: records.head(head) for name, head in heads.items()}

    def empty_side(directions: str) -> bytes:
        return empty_side_salt(own, HEIGHT, directions)

    checkpoint = make_checkpoint(domain, own, HEIGHT, head_trie.root(encoded, empty_side))
    path = [sibling.hex() for sibling in head_trie.path(peer, encoded, empty_side)]
    return {"head": heads[peer], "path": path, "attestation": attest(checkpoint, curve)}


def of_alpha(domain: dict = DOMAIN, **changes) -> dict:
    return head_proof(domain, "alpha", sent_by_alpha(), EMPTY, **changes)


def of_beta(domain: dict = DOMAIN, **changes) -> dict:
    return head_proof(domain, "beta", sent_by_beta(), sent_by_alpha()[:RECEIVED], **changes)


def in_log(nonce: int, log: Log) -> dict:
    return {
        "nonce": nonce,
        "message": base64.b64encode(log[nonce]).decode(),
        "inclusion": [sibling.hex() for sibling in lane_log.inclusion(nonce, log)],
    }


def delivery(nonce: int, head: dict, domain: dict = DOMAIN) -> dict:
    origin = {"format": "private-shard-bridge delivery proof v1", "trust": trust_root(domain)}
    return origin | in_log(nonce, sent_by_alpha()[:RECEIVED]) | {"head": head}


def expiry(nonce: int, ground: dict, sent: dict, domain: dict = DOMAIN) -> dict:
    origin = {"format": "private-shard-bridge expiry proof v1", "trust": trust_root(domain)}
    return origin | in_log(nonce, sent_by_alpha()) | {"sent": sent, "ground": ground}


def by_result(result_nonce: int, head: dict) -> dict:
    return {"result": in_log(result_nonce, sent_by_beta()) | {"head": head}}


def deliveries() -> list[tuple[str, str, dict]]:
    head = of_beta()
    return [
        ("without a deadline", "delivered", delivery(0, head)),
        ("ed25519", "delivered", delivery(0, of_beta(curve="ed25519"))),
        ("before its deadline", "delivered", delivery(1, head)),
        ("at its deadline", "decided", delivery(2, head)),
        ("a call", "decided", delivery(3, head)),
        ("from an account of another shard", "decided", delivery(4, head)),
        ("for an account of another shard", "decided", delivery(5, head)),
        ("no message", "decided", delivery(6, head)),
    ]


def refused_deliveries() -> list[tuple[str, str, dict]]:
    head = of_beta()
    good = delivery(0, head)
    grown = head | {"head": head["head"] | {"received_size": RECEIVED + 1}}
    return [
        ("another nonce", "message", good | {"nonce": 1}),
        ("another message", "message", good | {"message": delivery(1, head)["message"]}),
        ("what beta has not received", "message", good | in_log(7, sent_by_alpha())),
        ("under the source's own head", "message", good | {"head": of_alpha()}),
        ("a received size that is not attested", "head", good | {"head": grown}),
        ("64 siblings", "path_too_long", good | {"inclusion": (good["inclusion"] * 64)[:64]}),
        ("a message proof", "format", good | {"format": "private-shard-bridge message proof v1"}),
        ("under another instance", "other_trust_root", delivery(0, of_beta(OTHER_INSTANCE), OTHER_INSTANCE)),
        ("under another instance, renamed", "attestation", delivery(0, of_beta(OTHER_INSTANCE))),
    ]


def expiries() -> list[tuple[str, str, dict]]:
    sent, received = of_alpha(), of_beta()
    return [
        ("by a checkpoint at its deadline", "expired", expiry(7, {"checkpoint": received}, sent)),
        ("by a tombstone", "expired", expiry(2, by_result(0, received), sent)),
        ("by a tombstone with a deadline of its own", "expired", expiry(2, by_result(6, received), sent)),
        ("by a tombstone, though it is no message", "malformed", expiry(6, by_result(1, received), sent)),
    ]


def refused_expiries() -> list[tuple[str, str, dict]]:
    sent, received = of_alpha(), of_beta()
    checkpoint = {"checkpoint": received}
    good, buried = expiry(7, checkpoint, sent), expiry(2, by_result(0, received), sent)
    aged = received["attestation"]["checkpoint"] | {"time_ns": LATE}
    aged = received | {"attestation": received["attestation"] | {"checkpoint": aged}}
    tombstone = buried["ground"]["result"]
    return [
        ("before its deadline", "not_settled", expiry(8, checkpoint, sent)),
        ("without a deadline", "not_settled", expiry(9, checkpoint, sent)),
        ("that was received", "not_settled", expiry(2, checkpoint, sent)),
        ("that is no message", "not_a_message", expiry(6, checkpoint, sent)),
        ("with a later time than is attested", "attestation", expiry(8, {"checkpoint": aged}, sent)),
        ("by the source's own word", "other_lane", good | {"ground": {"checkpoint": sent}}),
        (
            "of another incarnation of the destination",
            "other_lane",
            good | {"ground": {"checkpoint": of_beta(own_incarnation=1)}},
        ),
        (
            "of another incarnation of the source",
            "other_lane",
            good | {"sent": of_alpha(own_incarnation=1)},
        ),
        ("another nonce", "message", good | {"nonce": 8}),
        ("not in the source's lane", "message", good | {"sent": of_beta()}),
        ("by a tombstone for another message", "not_settled", expiry(2, by_result(1, received), sent)),
        ("by a success", "not_settled", expiry(3, by_result(2, received), sent)),
        ("by a failure", "not_settled", expiry(3, by_result(3, received), sent)),
        ("by a data message", "not_settled", expiry(2, by_result(4, received), sent)),
        ("by the word of another shard's user", "sender", expiry(2, by_result(5, received), sent)),
        (
            "by a tombstone that is not in the lane",
            "message",
            buried | {"ground": {"result": tombstone | {"nonce": 6}}},
        ),
        ("a delivery proof", "format", good | {"format": "private-shard-bridge delivery proof v1"}),
        (
            "under another instance, renamed",
            "attestation",
            expiry(7, {"checkpoint": of_beta(OTHER_INSTANCE)}, of_alpha(OTHER_INSTANCE)),
        ),
        ("settled under another instance", "attestation", expiry(7, {"checkpoint": of_beta(OTHER_INSTANCE)}, sent)),
    ]


def vectors() -> dict:
    return {
        "about": "Proofs of delivery and of expiry, verified under this trust root.",
        "trust": trust_root(DOMAIN),
        "deliveries": [{"name": name, "verdict": word, "proof": proof} for name, word, proof in deliveries()],
        "refused_deliveries": [
            {"name": name, "error": error, "proof": proof} for name, error, proof in refused_deliveries()
        ],
        "expiries": [{"name": name, "reason": word, "proof": proof} for name, word, proof in expiries()],
        "refused_expiries": [
            {"name": name, "error": error, "proof": proof} for name, error, proof in refused_expiries()
        ],
    }
