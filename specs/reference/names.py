"""Names: see specs/README.md."""

import re

LABEL = r"([a-z0-9]+[-_])*[a-z0-9]+"
RESERVED = set("aurora bridge kaiching localnet mainnet near registrar sandbox sweat system testnet tg".split())
IMPLICIT_PREFIXES = ("0x", "0s", "0u")


def is_account(name: str) -> bool:
    return 2 <= len(name) <= 64 and re.fullmatch(rf"({LABEL}\.)*{LABEL}", name) is not None


def is_shard(name: str) -> bool:
    allowed = name not in RESERVED and not name.startswith(IMPLICIT_PREFIXES)
    return allowed and 2 <= len(name) <= 32 and re.fullmatch(LABEL, name) is not None


def is_network(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9-]{1,32}", name) is not None


def is_implicit(account: str) -> bool:
    prefixed = account.startswith(IMPLICIT_PREFIXES) and "." not in account
    return prefixed or re.fullmatch(r"[0-9a-f]{64}", account) is not None


def owns(shard: str, account: str) -> bool:
    return account == shard or account.endswith(f".{shard}")
