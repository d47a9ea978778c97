"""``python -m ganggpt.cli`` is ``ganggpt``."""

from ganggpt.cli.all_commands import main

main()
