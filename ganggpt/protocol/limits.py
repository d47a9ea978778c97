"""All bounds of the bridge: what a client may send, and what a connection may cost the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one bridge replica. The first four are sent to clients in their ``welcome``. Those of streams concern
    server-sent events: how often their reader polls, how often a comment is sent (a proxy notices that a client is gone
    only when something is written), and how long a player may take to come back.

    A body may take ``body_grace_s`` and the time its bytes need at ``body_rate_min`` a second, ``body_timeout_s`` at
    most; ``bodies_max`` may be on their way at the same time.

    Sizes in bytes, times in seconds. The sessions of a replica share ``in_flight_total_max`` fairly: each may use its
    part of it, at least ``in_flight_share_min`` and at most ``in_flight_max``. ``new_actors_per_s``: of each kind, on
    this replica.
    """

    frame_bytes_max: int = 256 * 1024
    commands_max: int = 256
    in_flight_max: int = 4096
    text_max: int = 500

    in_flight_total_max: int = 32_768
    in_flight_share_min: int = 64
    sessions_max: int = 2_000
    out_bytes_max: int = 4 * 1024 * 1024
    bad_frames_max: int = 16
    pushes_unacked_max: int = 512
    body_bytes_max: int = 64 * 1024
    bodies_max: int = 256
    new_actors_per_s: float = 200.0

    body_timeout_s: float = 10.0
    body_grace_s: float = 2.0
    body_rate_min: float = 4096.0
    hello_timeout_s: float = 10.0
    idle_timeout_s: float = 900.0
    age_max_s: float = 3600.0
    leave_grace_s: float = 5.0
    close_timeout_s: float = 5.0
    push_poll_s: float = 2.0
    answer_timeout_s: float = 30.0

    streams_max: int = 256
    stream_age_max_s: float = 120.0
    stream_beat_s: float = 1.0
    stream_poll_s: float = 0.1
    stream_resume_s: float = 3.0
