"""Writes the records anew: ``python -m tests.support.frozen names``."""

from __future__ import annotations

import sys
import time

from tests.support.frozen import golden_writer, names

WRITERS = {"names": names.write, "golden": golden_writer.write}


def main(words: list[str]) -> None:
    """Write the records that are named."""
    if not words or any(word not in WRITERS for word in words):
        sys.exit(f"usage: python -m tests.support.frozen {'|'.join(WRITERS)} ...")
    for word in words:
        began_s = time.perf_counter()
        WRITERS[word]()
        sys.stdout.write(f"{word}: written in {time.perf_counter() - began_s:.0f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
