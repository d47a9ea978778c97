"""Errors that no command turned into words: they end as a sentence too. Their own text may contain a secret (a driver
puts addresses into it), so it is shown only with --debug."""

from __future__ import annotations

import errno
import traceback

from ganggpt.errors import GangGPTError, StartFailed, first_error

_FIXES = {
    errno.ENOSPC: "Free some space there.",
    errno.EDQUOT: "Free some space there.",
    errno.EROFS: "It is on a file system that cannot be written; choose another place.",
    errno.EACCES: "Let this user read and write there, or choose another place.",
    errno.EPERM: "Let this user read and write there, or choose another place.",
    errno.EMFILE: "Raise the number of open files (ulimit -n).",
    errno.ENFILE: "Raise the number of open files of the system.",
}


def in_words(failed: BaseException) -> GangGPTError:
    """The error of ours in a failure or a group of them, else one that says where it happened."""
    while isinstance(failed, BaseExceptionGroup):
        first = first_error(failed)
        failed = failed.exceptions[0] if first is failed else first
    if isinstance(failed, GangGPTError):
        return failed
    if isinstance(failed, OSError) and failed.filename is not None:
        fix = _FIXES.get(failed.errno or 0, "Check that path.")
        return StartFailed(f"{failed.filename} cannot be used: {failed.strerror or type(failed).__name__}.", fix)
    frames = traceback.extract_tb(failed.__traceback__)
    ours_at = next((frame for frame in reversed(frames) if "ganggpt" in frame.filename), None)
    where = "" if ours_at is None else f" in {ours_at.filename.rpartition('ganggpt/')[2]}, line {ours_at.lineno}"
    return StartFailed(
        f"The program met an error that it does not know ({type(failed).__name__}{where}).",
        "Run the same with --debug to see all of it; please report that.",
    )
