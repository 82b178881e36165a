"""permissions.json: lists of who may send to whom on a lane."""

from permissions import Unreadable, permits

LIST = "ann.alpha pay.beta\n*.desk.alpha *\n\n  bob.beta \t*.alpha\r\n"
QUESTIONS = [
    (LIST, "ann.alpha", "pay.beta"),
    (LIST, "ann.alpha", "bob.beta"),
    (LIST, "pay.beta", "ann.alpha"),
    (LIST, "joe.desk.alpha", "beta"),
    (LIST, "a.b.desk.alpha", "beta"),
    (LIST, "desk.alpha", "beta"),
    (LIST, "joe.xdesk.alpha", "beta"),
    (LIST, "eve-ann.alpha", "pay.beta"),
    (LIST, "eve.ann.alpha", "pay.beta"),
    (LIST, "ann.alpha.eve", "pay.beta"),
    (LIST, "bob.beta", "ann.alpha"),
    (LIST, "bob.beta", "alpha"),
    ("* *", "alpha", "beta"),
    ("a.b *", "axb", "beta"),
    ("alpha beta\nalpha beta", "alpha", "beta"),
    ("", "alpha", "beta"),
    (" \n\t\n", "alpha", "beta"),
]
NO_LISTS = [
    ("one word", "alpha"),
    ("three words", "* *\nalpha may beta"),
    ("an arrow", "*.alpha → pay.beta"),
    ("a star inside a name", "a*.alpha *"),
    ("a star without its dot", "*alpha *"),
    ("two stars", "** *"),
    ("a star below a star", "*.* *"),
    ("nothing below a star", "*. *"),
    ("a capital letter", "* *\n\nAnn.alpha *"),
    ("a name of one letter", "a *"),
    ("a comma for white space", "alpha,beta"),
    ("a white space that is not ASCII", "alpha\u00a0beta"),
    ("a vertical tab for white space", "alpha\u000bbeta"),
    ("a comment", "# everybody\n* *"),
]


def refused(name: str, text: str) -> dict:
    try:
        permits(text, "alpha", "beta")
    except Unreadable as unreadable:
        return {"name": name, "list": text, "line": unreadable.args[0]}
    raise AssertionError(f"the reference reads {name}")


def vectors() -> dict:
    return {
        "about": "Lists of who may send to whom, and texts that are none, with the first line that makes them so.",
        "permits": [
            {"list": text, "sender": sender, "receiver": receiver, "permits": permits(text, sender, receiver)}
            for text, sender, receiver in QUESTIONS
        ],
        "refused": [refused(name, text) for name, text in NO_LISTS],
    }
