"""Whose world a call is about: the account of an access key, as the local AWS engine sees it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from drs_simulator.accounts import Accounts

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::222222222222:assumed-role/recovery/run</Arn><UserId>AROA:run</UserId><Account>222222222222</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


@pytest.fixture
def sts() -> Iterator[tuple[str, list[str]]]:
    """An STS endpoint that knows every session as one of account 222222222222, and who asked it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.headers["authorization"])
            self.send_response(200)
            self.send_header("content-length", str(len(IDENTITY)))
            self.end_headers()
            self.wfile.write(IDENTITY)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("key", "account"),
    [
        ("111111111111", "111111111111"),
        ("test", "000000000000"),
        ("AKIAIOSFODNN7EXAMPLE", "000000000000"),
        ("ASIAIOSFODNN7EXAMPLE", "000000000000"),
    ],
)
def test_a_key_of_twelve_digits_is_the_account_and_every_other_the_default_one(key: str, account: str) -> None:
    assert Accounts().account_of(key) == account


def test_an_assumed_roles_account_is_asked_of_sts_once(sts: tuple[str, list[str]]) -> None:
    url, asked = sts
    accounts = Accounts(sts_endpoint=url)

    assert [accounts.account_of("ASIAIOSFODNN7EXAMPLE") for _ in range(3)] == ["222222222222"] * 3
    assert len(asked) == 1


def test_without_an_answer_from_sts_the_account_is_the_default_one() -> None:
    assert Accounts(sts_endpoint="http://127.0.0.1:9").account_of("ASIAIOSFODNN7EXAMPLE") == "000000000000"
