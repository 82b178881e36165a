"""The hashes of the bridge: see specs/README.md."""

import hashlib
import hmac

TAG = {
    purpose: f"private-shard-bridge v1 {purpose}:".encode()
    for purpose in (
        "attestation",
        "instance",
        "peer",
        "endorse",
        "rotate",
        "rekey",
        "lift",
        "message salt",
        "head salt",
        "empty side",
    )
}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tagged(purpose: str, data: bytes) -> bytes:
    return sha256(TAG[purpose] + data)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def log_leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data)


def log_node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def head_leaf(data: bytes) -> bytes:
    return sha256(b"\x02" + data)


def head_node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x03" + left + right)


def seeded(label: str) -> bytes:
    """32 bytes that look random and are the same in every run; only for vectors."""
    return sha256(f"specs/vectors: {label}".encode())
