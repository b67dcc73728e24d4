#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The call page as a file server's clients see it: caching, compression, policy; who else may ask the service from a page."""
import gzip
import http.client
import json
import re
import ssl
import sys

from call_cli import run
from daemon import Daemon
from signed import get

CALLS = "/calling/2026-11-01/calls"


def raw(daemon, target, method="GET", **headers):
    """Status, headers and the bytes as they came."""
    connection = http.client.HTTPSConnection(daemon.endpoint.removeprefix("https://"), context=ssl.create_default_context(cafile=daemon.ca), timeout=10)
    connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def assets(page):
    return re.findall(r'"(/assets/[^"]+)"', page.decode())


def strict(daemon):
    """the page runs and loads nothing but what the service gives, in no frame, and names all it needs"""
    status, headers, page = raw(daemon, "/")
    policy = headers["content-security-policy"]
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8", headers
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, policy
    assert headers["cache-control"] == "no-cache" and headers["x-content-type-options"] == "nosniff"
    assert not re.search(rb"<script(?![^>]*src=)|\son\w+=|\sstyle=|https?://(?!www.w3.org)", page), "something inline, or from elsewhere"
    kinds = {headers["content-type"].split(";")[0] for headers in (raw(daemon, path)[1] for path in assets(page))}
    assert kinds == {"text/javascript", "text/css"}, kinds


def cached(daemon):
    """assets are kept for ever, the page is asked for again and is not sent twice; both are sent compressed to who can read it"""
    _, headers, page = raw(daemon, "/")
    status, again, none = raw(daemon, "/", If_None_Match=f'W/"other", {headers["etag"]}')
    assert (status, none, again["etag"]) == (304, b"", headers["etag"])
    assert raw(daemon, "/", If_None_Match='"other"')[0] == 200
    for path in assets(page):
        _, headers, plain = raw(daemon, path)
        assert "immutable" in headers["cache-control"] and "content-encoding" not in headers and headers["vary"] == "accept-encoding"
        _, headers, packed = raw(daemon, path, Accept_Encoding="br;q=1, gzip;q=0.8")
        assert headers["content-encoding"] == "gzip" and gzip.decompress(packed) == plain and len(packed) < len(plain)
        assert "content-encoding" not in raw(daemon, path, Accept_Encoding="gzip;q=0, identity")[1]
        status, headers, none = raw(daemon, path, method="HEAD")
        assert (status, none, int(headers["content-length"])) == (200, b"", len(plain))


def small(daemon):
    """the page with all it needs has less than 60 KB"""
    _, _, page = raw(daemon, "/")
    size = sum(len(raw(daemon, path, Accept_Encoding="gzip")[2]) for path in ["/", *assets(page), "/icon.svg"])
    assert size < 60000, size


def nothing_else(daemon):
    """what is no file is not found, and a file takes no other method"""
    assert raw(daemon, "/assets/../../etc/passwd")[0] == 404
    assert raw(daemon, "/assets/")[0] == raw(daemon, "/index.html")[0] == 404
    assert raw(daemon, "/", method="DELETE")[0] in (404, 405)


def other_origins(daemon):
    """pages of other origins may call the client API with a token, and nothing else"""
    ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    status, headers, _ = raw(daemon, CALLS, method="OPTIONS", **{name.replace("-", "_"): value for name, value in ask.items()})
    assert status == 204 and headers["access-control-allow-origin"] == "*" and "authorization" in headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in headers
    for target in ("/identities", "/dev/identities", "/"):
        status, headers, _ = raw(daemon, target, method="OPTIONS", **{name.replace("-", "_"): value for name, value in ask.items()})
        assert status in (404, 405) and "access-control-allow-headers" not in headers, (target, status)
    answer = get(daemon, "/dev/identities", "POST", b"{}", {"Origin": "https://app.example"})
    assert answer.status == 403, answer.text
    assert get(daemon, "/dev/people", headers={"Origin": daemon.endpoint}).status == 200


def signs_in(daemon):
    """with --dev whoever is here may sign in, and sees who else did"""
    body = json.dumps({"createTokenWithScopes": ["voip"]}).encode()
    answer = get(daemon, "/dev/identities", "POST", body)
    assert answer.status == 201, answer.text
    token = json.loads(answer.text)["accessToken"]["token"]
    assert json.loads(get(daemon, "/dev/people").text) == {"value": []}
    bearer = {"Authorization": f"Bearer {token}"}
    endpoint = json.loads(get(daemon, "/calling/2026-11-01/endpoints", "POST", b'{"displayName": "Ann"}', bearer).text)
    assert json.loads(get(daemon, "/dev/people").text) == {"value": []}, "a device without events is not there"
    host = daemon.endpoint.removeprefix("https://")
    stream = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=daemon.ca), timeout=10)
    stream.request("GET", f"/calling/2026-11-01/endpoints/{endpoint['endpointId']}/events", headers=bearer)
    stream.getresponse()
    assert json.loads(get(daemon, "/dev/people").text)["value"] == [{"rawId": endpoint["userId"], "displayName": "Ann"}]
    stream.close()


def main():
    with Daemon() as daemon:
        return run([strict, cached, small, nothing_else, other_origins, signs_in], lambda _: (daemon,))


if __name__ == "__main__":
    sys.exit(main())
