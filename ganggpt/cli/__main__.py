"""``python -m ganggpt.cli`` is ``ganggpt``."""

from ganggpt.cli.commands import main

main()
