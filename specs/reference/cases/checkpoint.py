"""checkpoint.json: checkpoints, their bytes and hashes, and bytes that are none."""

from fixtures import DOMAIN, make_checkpoint
from hashing import seeded
from records import checkpoint, checkpoint_hash


def valid() -> list[tuple[str, dict]]:
    longest = {"network": "n" * 32, "bridge": "b" * 64, "instance": seeded("longest").hex()}
    return [
        ("the first", make_checkpoint(DOMAIN, "alpha", 0, seeded("heads 0"))),
        ("the second", make_checkpoint(DOMAIN, "alpha", 1, seeded("heads 1"))),
        (
            "the first of a later key epoch",
            make_checkpoint(DOMAIN, "alpha", 1_000, seeded("heads 1000"), key_epoch=3, epoch_first_height=1_000),
        ),
        (
            "the longest",
            make_checkpoint(
                longest,
                "s" * 32,
                2**64 - 1,
                seeded("heads"),
                key_epoch=2**32 - 1,
                epoch_first_height=2**64 - 1,
                time_ns=str(2**64 - 1),
            ),
        ),
    ]


def refused() -> list[tuple[str, str, bytes]]:
    second = make_checkpoint(DOMAIN, "alpha", 1, seeded("heads 1"))
    whole = checkpoint(second)

    def changed(**changes) -> bytes:
        return checkpoint(second | changes)

    return [
        ("version 0", "unknown_version", changed(version=0)),
        ("version 2", "unknown_version", changed(version=2)),
        ("before its key epoch", "before_epoch", changed(epoch_first_height=2)),
        ("no previous at height 1", "previous", changed(previous=bytes(32).hex())),
        ("a previous at height 0", "previous", changed(height=0)),
        ("a shard with a dot", "malformed", changed(shard="alpha.near")),
        ("a reserved shard", "malformed", changed(shard="near")),
        ("a shard of one letter", "malformed", changed(shard="a")),
        ("a shard of 33 letters", "malformed", changed(shard="s" * 33)),
        ("a shard that looks implicit", "malformed", changed(shard="0xab")),
        ("a network in capitals", "malformed", changed(domain=DOMAIN | {"network": "Localnet"})),
        ("a network without a name", "malformed", changed(domain=DOMAIN | {"network": ""})),
        ("a network of 33 letters", "malformed", changed(domain=DOMAIN | {"network": "n" * 33})),
        ("a bridge that is no account", "malformed", changed(domain=DOMAIN | {"bridge": "no account"})),
        ("cut short", "malformed", whole[:-1]),
        ("a trailing byte", "malformed", whole + b"\x00"),
        ("nothing", "malformed", b""),
        ("more than any checkpoint has", "too_large", whole + bytes(513 - len(whole))),
    ]


def vectors() -> dict:
    return {
        "about": "Checkpoints: JSON form, bytes, hash.",
        "checkpoints": [
            {
                "name": name,
                "checkpoint": value,
                "bytes": checkpoint(value).hex(),
                "hash": checkpoint_hash(value).hex(),
            }
            for name, value in valid()
        ],
        "refused": [{"name": name, "error": error, "bytes": value.hex()} for name, error, value in refused()],
    }
