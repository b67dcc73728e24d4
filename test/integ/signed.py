# SPDX-License-Identifier: Apache-2.0
"""Single HTTPS requests to a daemon, with the signature of an access key or without."""
import base64
import email.utils
import hashlib
import hmac
import http.client
import ssl

WAIT_S = 10


def signature(host, key, method, target, data):
    """The headers that sign a request (HMAC-SHA256)."""
    date = email.utils.formatdate(usegmt=True)
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    text = f"{method}\n{target}\n{date};{host};{digest}"
    mac = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
    return {"x-ms-date": date, "x-ms-content-sha256": digest,
            "Authorization": f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={mac}"}


def get(daemon, target, method="GET", body=b"", headers=None):
    """An answer with .status, .headers and .text."""
    host = daemon.endpoint.removeprefix("https://")
    connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=daemon.ca), timeout=WAIT_S)
    connection.request(method, target, body=body, headers={"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def signed(daemon, method, target, body=b""):
    return get(daemon, target, method, body, signature(daemon.endpoint.removeprefix("https://"), daemon.key, method, target, body))
