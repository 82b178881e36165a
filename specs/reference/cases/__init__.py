"""One module per file of vectors; each has `vectors() -> dict`."""
