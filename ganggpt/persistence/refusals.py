"""Why a store cannot be used, in words: what is wrong, and what to do about it.

Here and in the two files beside it (``database_refusals``, ``redis_refusals``) errors of drivers become words, and
nowhere else. What a server says about itself may be shown; what a driver says about an address never is, because it may
contain a part of a password.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ENCODED: Final = "in a URL the signs : / ? # [ ] @ % of a password are written as %3A %2F %3F %23 %5B %5D %40 %25"
_CAUSES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class StoreProblem:
    """``problem``: a clause about the store; ``fix``: what to do; ``outage``: whether waiting may help."""

    problem: str
    fix: str
    outage: bool = False


def causes_of(failed: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised for; a driver wraps the error of the network in its own."""
    seen: list[BaseException] = []
    waiting = [failed]
    while waiting and len(seen) < _CAUSES_MAX:
        cause = waiting.pop(0)
        if cause in seen:
            continue
        seen.append(cause)
        yield cause
        inner = list(cause.exceptions) if isinstance(cause, BaseExceptionGroup) else []
        # SQLAlchemy keeps the driver's error there.
        inner += [each for each in (getattr(cause, "orig", None), cause.__cause__, cause.__context__) if each]
        waiting += [each for each in inner if isinstance(each, BaseException)]


def network_refusal(failed: BaseException, place: str, what: str) -> StoreProblem | None:
    for cause in causes_of(failed):
        for kinds, numbers, problem, fix in _NETWORK:
            if isinstance(cause, kinds) and (not numbers or (isinstance(cause, OSError) and cause.errno in numbers)):
                return StoreProblem(problem.format(place=place, what=what), fix.format(what=what), outage=True)
    said = str(failed)
    if isinstance(failed, OSError):
        # asyncio joins the errors of several addresses of a name into one text.
        for pattern, number in ((r"\b(111|61)\b|refused", errno.ECONNREFUSED), (r"\b(113|101)\b", errno.EHOSTUNREACH)):
            if re.search(pattern, said, re.IGNORECASE):
                return network_refusal(OSError(number, ""), place, what)
        why = failed.strerror or type(failed).__name__
        return StoreProblem(
            f"{what} at {place} cannot be reached: {why}", f"Check that {what} runs there.", outage=True
        )
    return None


_NETWORK: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], tuple[int, ...], str, str], ...]] = (
    (
        ssl.SSLCertVerificationError, (), "{what} at {place} shows a certificate that is not trusted",
        "Name the certificate of its authority in the URL (sslrootcert, ssl_ca_certs), and the host as named there.",
    ),
    (
        ssl.SSLError, (), "{what} at {place} does not speak TLS as it is asked to",
        "Check that the port is the one for TLS, and the files of certificates and keys in the URL.",
    ),
    (
        socket.gaierror, (), "the name of the host in {place} is not known",
        "Check its spelling; a container knows only the names of its own network.",
    ),
    (
        ConnectionRefusedError, (), "nothing listens at {place} (connection refused)",
        "Start {what} there, or correct the address; without the setting the embedded one is used.",
    ),
    (
        FileNotFoundError, (), "there is no socket of {what} at {place}",
        "Start {what}, or correct the path of its socket; without the setting the embedded one is used.",
    ),
    (PermissionError, (), "this user may not use the socket at {place}", "Run as a user that may, or take another."),
    (
        OSError, (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL),
        "there is no way to {place} from here", "Check the address and the network.",
    ),
    (
        (ConnectionResetError, BrokenPipeError, EOFError), (), "what listens at {place} closed the connection at once",
        "Check that it is {what} and that the port is right; its log may tell more.",
    ),
    (
        TimeoutError, (), "{what} at {place} does not answer",
        "Check the address, the firewall, and that {what} is not overloaded.",
    ),
)  # fmt: skip
