"""derivation.json: from the signer's root keys to the keys of paths."""

from derivation import round_path, shard_path, tweak
from fixtures import DOMAIN, ROOT_KEYS, derived_key, near_key


def vectors() -> dict:
    calls = [
        ("dwefqwg", "frwewegwegweg"),
        (DOMAIN["bridge"], shard_path(DOMAIN, "alpha", 0)),
        (DOMAIN["bridge"], shard_path(DOMAIN, "alpha", 2**32 - 1)),
        (DOMAIN["bridge"], round_path(DOMAIN, "secp256k1")),
        (DOMAIN["bridge"], round_path(DOMAIN, "ed25519")),
        ("bridge.mallory.near", shard_path(DOMAIN, "alpha", 0)),
    ]
    shards = [("alpha", 0), ("beta", 0), ("alpha", 1), ("a-b_c", 2**32 - 1)]
    return {
        "about": "Tweaks, derived keys, and the bridge's derivation paths.",
        "root_keys": {curve: near_key(curve, key) for curve, key in ROOT_KEYS.items()},
        "derived": [
            {
                "predecessor": predecessor,
                "path": path,
                "tweak": tweak(predecessor, path).hex(),
                "keys": {curve: near_key(curve, derived_key(curve, predecessor, path)) for curve in ROOT_KEYS},
            }
            for predecessor, path in calls
        ],
        "domain": DOMAIN,
        "shard_paths": [
            {"shard": shard, "key_epoch": epoch, "path": shard_path(DOMAIN, shard, epoch)} for shard, epoch in shards
        ],
        "round_paths": [{"curve": curve, "path": round_path(DOMAIN, curve)} for curve in ROOT_KEYS],
    }
