"""Addresses of stores: what is understood, what is dropped on purpose, and what is said about the rest."""

from __future__ import annotations

import re

import pytest

from ganggpt.store_urls import check_redis_url, http_url_problem, is_on_this_machine, read_database_url, redis_place

PASSWORD = "Zebra7Quagga"


@pytest.mark.parametrize("sign", list("#/?[]@%"))
@pytest.mark.parametrize("place", [0, 5, len(PASSWORD)])
@pytest.mark.parametrize("scheme", ["postgresql", "redis", "rediss", "redis+cluster"])
def test_a_sign_of_a_password_that_is_not_encoded_is_named_with_its_code(scheme: str, place: int, sign: str) -> None:
    url = f"{scheme}://user:{PASSWORD[:place]}{sign}{PASSWORD[place:]}@host:5432/0"
    with pytest.raises(ValueError, match=re.escape(f"%{ord(sign):02X}")) as refused:
        read_database_url(url) if scheme == "postgresql" else check_redis_url(url)
    assert not shows_part_of(PASSWORD, str(refused.value))


def shows_part_of(secret: str, text: str) -> bool:
    """Whether four characters of a secret stand together in a text."""
    return any(secret[n : n + 4] in text for n in range(len(secret) - 3))


def test_a_password_may_contain_everything_once_it_is_encoded() -> None:
    url = read_database_url("postgresql://us%40er:%23%2F%3F%5B%5D%40%25:x@host:5432/a%20b")
    assert (url.user, url.database, url.place, url.has_password) == ("us@er", "a b", "host:5432", True)


def test_what_libpq_knows_and_the_driver_does_not_is_dropped_or_kept_on_purpose() -> None:
    asked = "connect_timeout=7&keepalives=1&channel_binding=prefer&gssencmode=disable&sslmode=require"
    url = read_database_url(f"postgresql://u:p@h/d?{asked}&application_name=x&options=-c%20a%3Db&search_path=s")
    assert url.dsn == "postgresql://u:p@h/d?sslmode=require&application_name=x&options=-c%20a%3Db&search_path=s"
    assert url.connect_timeout_s == 7


@pytest.mark.parametrize("seconds", ["0", "-1"])
def test_an_endless_wait_for_a_connection_is_ours_instead(seconds: str) -> None:
    assert read_database_url(f"postgresql://h/d?connect_timeout={seconds}").connect_timeout_s is None


def test_the_certificates_of_the_system_can_be_asked_for() -> None:
    url = read_database_url("postgresql://h/d?sslmode=verify-full&sslrootcert=system")
    assert (url.system_roots, url.dsn) == (True, "postgresql://h/d")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("channel_binding=require", "channel_binding asks for; take it out; sslmode=verify-full"),
        ("gssencmode=require", "gssencmode"),
        ("require_auth=scram-sha-256", "require_auth"),
        ("hostaddr=10.0.0.1", "write the address as the host"),
        ("replication=database", "replication"),
        ("sslmode=required", "its sslmode is not one of disable"),
        ("sslmode=", "its sslmode is not one of disable"),
        ("target_session_attrs=master", "its target_session_attrs is not one of"),
        ("client_encoding=latin1", "its client_encoding is not one of"),
        ("connect_timeout=soon", "its connect_timeout is not a number of seconds"),
        ("connect_timeout=5000", "its connect_timeout is not a number of seconds"),
        ("port=many", "its parameter port is not a number"),
        ("pgbouncer=true", "say GANGGPT_PGBOUNCER=true instead"),
        ("connection_limit=5", "say DATABASE_POOL_SIZE instead"),
        ("ssl=true", "say sslmode=require instead"),
        ("sslmod=require", "did you mean sslmode?"),
        ("conect_timeout=5", "did you mean connect_timeout?"),
        ("sslmode", "is not name=value"),
        ("a=b&", "is not name=value"),
    ],
)
def test_a_parameter_that_cannot_be_met_is_said(more: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_database_url(f"postgresql://u:{PASSWORD}@h/d?{more}")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{PASSWORD}@h:port/d",
        f"postgresql://u:{PASSWORD}@h:0/d",
        f"postgresql://u:{PASSWORD}@h:70000/d",
        f"postgresql://u:{PASSWORD}@h: 5432/d",
        f"postgresql://u:{PASSWORD}@::1/d",
        f"postgresql://u:{PASSWORD}@ho\u2100st/d",
        f"postgresql://u:{PASSWORD}",
        f"postgresql://u:{PASSWORD}/d",
        f"postgresql+asyncpg://u:{PASSWORD}@h/d",
        f"jdbc:postgresql://h/d?user=u&password={PASSWORD}",
        f"host=h user=u password={PASSWORD}",
        f"postgresql:/u:{PASSWORD}@h/d",
        f"postgresql://u:12?{PASSWORD}=x@h/d",
    ],
)
def test_what_is_no_url_of_a_database_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_database_url(url)
    assert not shows_part_of(PASSWORD, str(refused.value))


def test_a_forgotten_host_does_not_make_a_password_of_digits_a_port_that_is_shown() -> None:
    assert read_database_url("postgresql://admin:12345/d").place == "admin"
    assert read_database_url("postgresql://localhost:12345/d").place == "localhost:12345"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:p@/0", "it names no host"),
        ("redis://h/zero", "not the number of a Redis database"),
        ("redis+cluster://h/1", "only the database 0"),
        ("unix://socket", "three slashes"),
        ("redis://h?decode_responses=true", "decode_responses"),
        ("redis://h?ssl_cert_req=none", "did you mean ssl_cert_reqs?"),
        ("redis://h?db=zero", "the value of its parameter db cannot be used"),
        ("redis://h?ssl_cert_reqs=no", "the value of its parameter ssl_cert_reqs"),
        ("http://h", "it does not start with redis://"),
        ("redis:6379", "it does not start with redis://"),
        ("redis://h:port", "its host or port cannot be read"),
    ],
)
def test_what_is_no_url_of_a_redis_is_said(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_redis_url(url)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://:p@h/0", "h:6379"),
        ("rediss://u:p@[::1]:1", "[::1]:1"),
        ("redis+cluster://h:7000", "h"),
        ("unix:///run/r%20s.sock?db=1&password=p", "/run/r s.sock"),
    ],
)
def test_a_good_url_of_a_redis_is_shown_as_its_place(url: str, place: str) -> None:
    check_redis_url(url)
    assert redis_place(url) == place


@pytest.mark.parametrize(
    "url", ["http://", "http://:80", "http://u:p@h", "http://h:port", "http://h?x=1", "http://h#x", "http://[h"]
)
def test_an_address_of_a_server_is_scheme_host_and_path(url: str) -> None:
    assert http_url_problem(url) is not None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://model.localhost", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:8000", True),
        ("http://10.0.0.1", False),
        ("https://api.openai.com", False),
        ("https://localhost.example", False),
    ],
)
def test_loopback_is_this_machine(url: str, here: bool) -> None:
    assert is_on_this_machine(url) is here
