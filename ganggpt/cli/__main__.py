"""``python -m ganggpt.cli`` is ``ganggpt``."""

from ganggpt.cli import main

main()
