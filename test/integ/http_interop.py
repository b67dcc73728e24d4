#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Other people's HTTP and TLS clients against the daemon: curl, nghttp, h2load, openssl, Python."""
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import sys

import daemon

PROGRAMS = ("curl", "nghttp", "h2load", "openssl")
PATH = "/openapi.yaml"


def run(*args, text=""):
    result = subprocess.run(args, input=text, capture_output=True, text=True, timeout=60, check=False)
    return result.returncode, result.stdout + result.stderr


def curl(site, *args, path=PATH):
    form = "%{http_code} %{http_version} %{num_connects}\n"
    return run("curl", "-sS", "--cacert", site.ca, "-o", "/dev/null", "-w", form, *args, site.endpoint + path)


def expect(result, wanted):
    return None if wanted in result[1] else f"no '{wanted}' in: {result[1][-600:]}"


def curl_http1(site):
    return expect(curl(site, "--http1.1"), "200 1.1 1")


def curl_http2(site):
    return expect(curl(site, "--http2"), "200 2 1")


def curl_head(site):
    return expect(curl(site, "-I"), "200 2")


def curl_verifies(site):
    code, text = run("curl", "-sS", "-o", "/dev/null", site.endpoint + PATH)
    return None if code == 60 else f"exit {code}: {text}"


def curl_keeps_alive(site):
    for version in ("--http1.1", "--http2"):
        result = curl(site, version, "-o", "/dev/null", site.endpoint + PATH)
        if result[1].split("\n")[1][-1:] != "0":
            return f"{version}: {result[1]}"
    return None


def curl_large_body(site):
    for version in ("--http1.1", "--http2"):
        body = json.dumps({"x": "y" * 400_000})
        result = run("curl", "-sS", version, "--cacert", site.ca, "-o", "/dev/null", "-w", "%{http_code}", "-d", "@-",
                     site.endpoint + "/identities?api-version=2023-10-01", text=body)
        if "413" not in result[1]:
            return f"{version}: {result[1]}"
    return None


def plain_http(site):
    return expect(run("curl", "-sS", "-i", site.endpoint.replace("https", "http") + PATH), "HTTP/1.1 400")


def nghttp(site):
    return expect(run("nghttp", "-ns", site.endpoint + PATH), " 200 ")


def h2load(site):
    return expect(run("h2load", "-n", "400", "-c", "8", "-m", "10", site.endpoint + PATH), "400 2xx, 0 3xx, 0 4xx, 0 5xx")


def h2load_http1(site):
    result = run("h2load", "--h1", "-n", "200", "-c", "4", site.endpoint + PATH)
    return expect(result, "200 2xx, 0 3xx, 0 4xx, 0 5xx")


def s_client(site, *args):
    return run("openssl", "s_client", "-connect", site.endpoint.removeprefix("https://"), "-CAfile", site.ca,
               "-verify_return_error", *args)


def tls_versions(site):
    for args, wanted in ((("-tls1_3",), "New, TLSv1.3"), (("-tls1_2",), "New, TLSv1.2")):
        problem = expect(s_client(site, *args), wanted) or expect(s_client(site, *args), "Verify return code: 0 (ok)")
        if problem:
            return problem
    for args in (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0")):
        code, text = s_client(site, *args)
        if code == 0 or "Cipher is (NONE)" not in text:
            return f"{args} accepted: {text[-400:]}"
    return None


def tls_alpn(site):
    for offer, wanted in (("h2,http/1.1", "ALPN protocol: h2"), ("http/1.1", "ALPN protocol: http/1.1"),
                          ("stun.turn", "ALPN protocol: stun.turn"), ("spdy/1", "No ALPN negotiated")):
        problem = expect(s_client(site, "-alpn", offer), wanted)
        if problem:
            return problem
    return None


def tls_resumption(site):
    result = run("openssl", "s_client", "-connect", site.endpoint.removeprefix("https://"), "-tls1_2", "-reconnect")
    return expect(result, "Reused, TLSv1.2")


def python_client(site):
    host, port = site.endpoint.removeprefix("https://").rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=site.ca), timeout=20)
    for _ in range(3):
        connection.request("GET", PATH)
        answer = connection.getresponse()
        if answer.status != 200 or not answer.read():
            return f"{answer.status}"
    return None


def smuggling(site):
    """A length and chunks: refused, and what follows is not taken for a request."""
    host, port = site.endpoint.removeprefix("https://").rsplit(":", 1)
    context = ssl.create_default_context(cafile=site.ca)
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=host) as sock:
            sock.sendall(b"POST /identities HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"0\r\n\r\nGET " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            got = b""
            while chunk := sock.recv(65536):
                got += chunk
    return None if got.startswith(b"HTTP/1.1 400") and got.count(b"HTTP/1.1") == 1 else repr(got[:400])


TESTS = (curl_http1, curl_http2, curl_head, curl_verifies, curl_keeps_alive, curl_large_body, plain_http, nghttp, h2load,
         h2load_http1, tls_versions, tls_alpn, tls_resumption, python_client, smuggling)


def main():
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    daemon.need(not missing, f"{', '.join(missing)} missing")
    failed = 0
    with daemon.Daemon() as site:
        print(f"1..{len(TESTS)}")
        for number, test in enumerate(TESTS, 1):
            problem = test(site)
            failed += problem is not None
            print(f"{'not ok' if problem else 'ok'} {number} - {test.__name__}", flush=True)
            for line in (problem or "").splitlines():
                print("# " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
