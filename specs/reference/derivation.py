"""What is signed, and with which key: see specs/attestation.md."""

import hashlib

import secp256k1
from hashing import tagged
from records import domain


def tweak(predecessor: str, path: str) -> bytes:
    prefix = "near-mpc-recovery v0.1.0 epsilon derivation:"
    return hashlib.sha3_256(f"{prefix}{predecessor},{path}".encode()).digest()


def shard_path(of: dict, shard: str, key_epoch: int) -> str:
    return f"v1/{of['instance']}/shard/{shard}/{key_epoch}"


def round_path(of: dict, curve: str) -> str:
    return f"v1/{of['instance']}/round/{curve}"


def attestation_digest(kind: int, of: dict, root: bytes, curve: str) -> bytes:
    for counter in range(256):
        digest = tagged("attestation", bytes([kind]) + domain(of) + root + bytes([counter]))
        if curve == "ed25519" or int.from_bytes(digest, "big") < secp256k1.N:
            return digest
    raise AssertionError("256 digests in a row above the group order")
