"""Who may send to whom on a lane: see specs/contract-lanes.md."""

import re

from names import is_account


class Unreadable(Exception):
    """No list; the argument is the first line that makes it none, from 1."""


def pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = [word for word in re.split("[ \t\f\r]+", line) if word]
        if not words:
            continue
        if len(words) != 2 or not all(means_accounts(word) for word in words):
            raise Unreadable(number)
        found.append((words[0], words[1]))
    return found


def means_accounts(word: str) -> bool:
    return word == "*" or is_account(word.removeprefix("*."))


def includes(word: str, account: str) -> bool:
    if word == "*":
        return True
    if word.startswith("*."):
        return account.endswith(word.removeprefix("*"))
    return account == word


def permits(text: str, sender: str, receiver: str) -> bool:
    return any(includes(senders, sender) and includes(receivers, receiver) for senders, receivers in pairs(text))
