"""The bridge, shards, keys and records that several vector files share. All from fixed seeds."""

import chacha20
import ed25519
import secp256k1
from base58 import encode as base58
from borsh import text, u16, u32, u64
from derivation import attestation_digest, shard_path, tweak
from hashing import TAG, hmac_sha256, seeded
from records import checkpoint_hash, lane

DOMAIN = {"network": "localnet", "bridge": "bridge.test.near", "instance": seeded("instance").hex()}
OTHER_INSTANCE = DOMAIN | {"instance": seeded("another instance").hex()}
OTHER_ACCOUNT = DOMAIN | {"bridge": "bridge.mallory.near"}

SALT_SECRET = seeded("salt secret")

ROOT_SECRETS = {
    "secp256k1": int.from_bytes(seeded("signer's secp256k1 root key"), "big") % secp256k1.N,
    "ed25519": int.from_bytes(seeded("signer's ed25519 root key"), "little") % ed25519.L,
}
ROOT_KEYS = {
    "secp256k1": secp256k1.public_key(ROOT_SECRETS["secp256k1"]),
    "ed25519": ed25519.public_key_of_scalar(ROOT_SECRETS["ed25519"]),
}


def near_key(curve: str, key: bytes) -> str:
    return f"{curve}:{base58(key)}"


def trust_root(of: dict) -> dict:
    return of | {curve: near_key(curve, key) for curve, key in ROOT_KEYS.items()}


def derived_key(curve: str, predecessor: str, path: str) -> bytes:
    module = {"secp256k1": secp256k1, "ed25519": ed25519}[curve]
    return module.derive(ROOT_KEYS[curve], tweak(predecessor, path))


def chain_sign(curve: str, predecessor: str, path: str, digest: bytes) -> dict:
    """What the signer answers to `predecessor` for `path`: signed with the derived secret."""
    shift = tweak(predecessor, path)
    if curve == "secp256k1":
        secret = (ROOT_SECRETS[curve] + int.from_bytes(shift, "big")) % secp256k1.N
        rs, recovery_id = secp256k1.sign(secret, digest)
        return {"scheme": curve, "rs": rs.hex(), "recovery_id": recovery_id}
    secret = (ROOT_SECRETS[curve] + int.from_bytes(shift, "little")) % ed25519.L
    signature = ed25519.sign_with_scalar(secret, shift, digest)
    return {"scheme": curve, "signature": signature.hex()}


def message_salt(of_lane: dict, nonce: int) -> bytes:
    key = hmac_sha256(SALT_SECRET, TAG["message salt"] + lane(of_lane))
    high, low = divmod(nonce, 2**32)
    keystream = chacha20.block(key, low // 2, u64(high) + u32(0))
    return keystream[low % 2 * 32 :][:32]


def head_salt(own: str, peer: str, incarnations: tuple[int, int], height: int) -> bytes:
    purpose = text(own) + text(peer) + u32(incarnations[0]) + u32(incarnations[1]) + u64(height)
    return hmac_sha256(SALT_SECRET, TAG["head salt"] + purpose)


def empty_side_salt(own: str, height: int, directions: str) -> bytes:
    prefix = int(directions.ljust(256, "0"), 2).to_bytes(32, "big")
    purpose = text(own) + u64(height) + u16(len(directions)) + prefix
    return hmac_sha256(SALT_SECRET, TAG["empty side"] + purpose)


def make_head(own: str, peer: str, height: int, sent: tuple[int, bytes], received: tuple[int, bytes]) -> dict:
    return {
        "peer": peer,
        "own_incarnation": 0,
        "peer_incarnation": 0,
        "sent_size": sent[0],
        "sent_root": sent[1].hex(),
        "received_size": received[0],
        "received_root": received[1].hex(),
        "salt": head_salt(own, peer, (0, 0), height).hex(),
    }


def make_checkpoint(of: dict, shard: str, height: int, heads_root: bytes, **changes) -> dict:
    previous = bytes(32) if height == 0 else seeded(f"checkpoint of {shard} at {height - 1}")
    return {
        "version": 1,
        "domain": of,
        "shard": shard,
        "key_epoch": 0,
        "epoch_first_height": 0,
        "height": height,
        "previous": previous.hex(),
        "heads_root": heads_root.hex(),
        "time_ns": str(1_790_000_000_000_000_000 + height * 1_000_000_000),
    } | changes


def attest(checkpoint: dict, curve: str) -> dict:
    """A shard attestation of this checkpoint by its own bridge."""
    of = checkpoint["domain"]
    digest = attestation_digest(0, of, checkpoint_hash(checkpoint), curve)
    path = shard_path(of, checkpoint["shard"], checkpoint["key_epoch"])
    return {
        "kind": "shard",
        "checkpoint": checkpoint,
        "index": 0,
        "size": 1,
        "path": [],
        "signature": chain_sign(curve, of["bridge"], path, digest),
    }


def flip_bit(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
