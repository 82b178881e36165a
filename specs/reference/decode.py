"""Decoding messages: see specs/messages.md. Anything but the one encoding of a message is refused."""

from names import is_account, is_implicit
from records import TOMBSTONES

MESSAGE_BYTES_MAX = 4 * 1024 * 1024


class Malformed(Exception):
    """Not the encoding of a message, or one that breaks a rule."""


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Malformed(what)


class Reader:
    def __init__(self, data: bytes):
        self.data = data

    def take(self, size: int) -> bytes:
        require(size <= len(self.data), "cut short")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def byte_string(self) -> bytes:
        return self.take(self.number(4))

    def text(self) -> str:
        try:
            return self.byte_string().decode()
        except UnicodeDecodeError as error:
            raise Malformed("no UTF-8") from error

    def account(self) -> str:
        name = self.text()
        require(is_account(name), f"{name!r} is no account")
        return name

    def variant(self, count: int) -> int:
        found = self.number(1)
        require(found < count, f"unknown variant {found}")
        return found


def message(data: bytes) -> dict:
    """The message in the form of specs/vectors/messages.json."""
    require(len(data) <= MESSAGE_BYTES_MAX, "too long")
    reader = Reader(data)
    version = reader.number(1)
    require(version == 1, f"unknown version {version}")
    value = {
        "version": version,
        "salt": reader.take(32).hex(),
        "sender": reader.account(),
        "receiver": reader.account(),
        "deadline_ns": str(reader.number(8)) if reader.variant(2) else None,
        "body": body(reader),
    }
    require(not reader.data, "trailing bytes")
    require(not is_implicit(value["sender"]) and not is_implicit(value["receiver"]), "an implicit account")
    return value


def body(reader: Reader) -> dict:
    match reader.variant(3):
        case 0:
            return {"data": reader.byte_string().hex()}
        case 1:
            return {"call": call(reader)}
        case _:
            return {"result": {"request_nonce": str(reader.number(8)), "outcome": outcome(reader)}}


def call(reader: Reader) -> dict:
    value = {
        "refund_to": reader.account(),
        "actions": [action(reader) for _ in range(reader.number(4))],
        "promise_results": [promise_result(reader) for _ in range(reader.number(4))],
    }
    require(1 <= len(value["actions"]) <= 100, "1 to 100 actions")
    require(len(value["promise_results"]) <= 128, "at most 128 promise results")
    return value


def action(reader: Reader) -> dict:
    if reader.variant(2) == 1:
        return {"transfer": {"deposit_yocto": str(reader.number(16))}}
    method = reader.text()
    require(1 <= len(method.encode()) <= 256, "a method name of 1 to 256 bytes")
    return {
        "function_call": {
            "method": method,
            "args": reader.byte_string().hex(),
            "gas": str(reader.number(8)),
            "deposit_yocto": str(reader.number(16)),
        }
    }


def promise_result(reader: Reader) -> dict:
    return {"failed": None} if reader.variant(2) else {"successful": reader.byte_string().hex()}


def outcome(reader: Reader) -> dict:
    match reader.variant(3):
        case 0:
            return {"success": reader.byte_string().hex()}
        case 1:
            reason = reader.text()
            require(len(reason.encode()) <= 1024, "a reason of at most 1024 bytes")
            return {"failure": reason}
        case _:
            return {"tombstone": list(TOMBSTONES)[reader.variant(len(TOMBSTONES))]}
