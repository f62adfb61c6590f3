"""The signature, against Standard Webhooks' own example and the receiver's code in the docs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bindpost.server.webhook.signature import key_of, sign

# The worked example of Standard Webhooks, which its libraries test with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DELIVERY, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def documented() -> Callable[..., bool]:
    """Give the function `verify` that docs/webhooks.md shows."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    verify: Callable[..., bool] = names["verify"]
    return verify


def headers(signature: str, timestamp: int = TIMESTAMP) -> dict[str, str]:
    """Give the fields of a request."""
    return {
        "webhook-id": DELIVERY,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


def test_it_is_that_of_standard_webhooks() -> None:
    """The specification's example comes out to the byte."""
    assert sign(key_of(SECRET), DELIVERY, TIMESTAMP, BODY) == SIGNATURE


@pytest.mark.parametrize("secret", [SECRET, "any text, ä"])
def test_the_documented_receiver_accepts_it(secret: str) -> None:
    """For both kinds of secret."""
    signature = sign(key_of(secret), DELIVERY, TIMESTAMP, BODY)

    assert documented()(secret, headers(signature), BODY, now=TIMESTAMP + 200)


@pytest.mark.parametrize(
    ("fields", "body", "later"),
    [
        (headers(SIGNATURE), BODY + b" ", 0),
        (headers(SIGNATURE), BODY, 301),
        (headers(SIGNATURE, TIMESTAMP + 1), BODY, 0),
        (headers("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="), BODY, 0),
        (headers(SIGNATURE) | {"webhook-id": "other"}, BODY, 0),
        (headers(""), BODY, 0),
    ],
)
def test_the_documented_receiver_refuses_what_was_changed(
    fields: dict[str, str], body: bytes, later: int
) -> None:
    """Another body, time, id or signature, and an old request."""
    assert not documented()(SECRET, fields, body, now=TIMESTAMP + later)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64!", "whsec_abc"])
def test_a_bad_secret_is_told_without_showing_it(secret: str) -> None:
    """It may be a good one with a letter missing."""
    with pytest.raises(ValueError, match="whsec_") as caught:
        key_of(secret)

    assert secret.removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"
