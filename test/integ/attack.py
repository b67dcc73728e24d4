# SPDX-License-Identifier: Apache-2.0
"""What attacks share: a daemon (tools/run-tests gives them the one with sanitizers), sockets to it, and what it costs it."""
import contextlib
import os
import socket
import ssl
import time

import stun
from api_test import Service
from daemon import Daemon

QUIET_S = 0.3


def split(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


class Target(Daemon):
    """The daemon under attack."""

    def __init__(self, settings=()):
        super().__init__(settings)
        self.https = split(self.endpoint.removeprefix("https://"))
        self.stun = split(self.ready["stun"])
        self.turn_tls = split(self.ready["turn"][-1].removeprefix("turns:").split("?")[0])

    def udp(self, to=None, source=None):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(5)
        if source:
            sock.bind((source, 0))
        sock.connect(to or self.stun)
        return sock

    def tcp(self, to=None, source=None):
        sock = socket.create_connection(to or self.stun, timeout=10, source_address=(source, 0) if source else None)
        return sock

    def tls(self, to=None, alpn=(), source=None):
        context = ssl.create_default_context(cafile=self.ca)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        to = to or self.https
        return context.wrap_socket(self.tcp(to, source), server_hostname=to[0])

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def alive(self):
        assert self.process.poll() is None, "the daemon is gone:\n" + self.log_text()[-3000:]


def all_of(sock, quiet_s=QUIET_S):
    """All datagrams that come until it is quiet."""
    got = []
    sock.settimeout(quiet_s)
    with contextlib.suppress(TimeoutError, ConnectionRefusedError):
        while True:
            got.append(sock.recv(65536))
    return got


def closed(sock, wait_s):
    """Whether the other side closes within the time; what it sends before is thrown away."""
    end = time.monotonic() + wait_s
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            if not sock.recv(65536):
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


def credentials(target):
    service = Service(target)
    user, _ = service.user()
    url = "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview"
    servers = service.send("POST", url, {"id": user}).json["iceServers"]
    return next(s for s in servers if s.get("credential"))


def allocation(target):
    return stun.Allocation(target.udp(), credentials(target))


def run(tests, make_target):
    """Each test on the same daemon; at the end it has to stop in order, without a sanitizer's word. The exit status."""
    bad = 0
    print(f"1..{len(tests) + 1}")
    with make_target() as target:
        for n, test in enumerate(tests, 1):
            try:
                test(target)
                target.alive()
                print(f"ok {n} - {test.__name__}", flush=True)
            except Exception as error:  # a failure of one is told, and the others run
                bad += 1
                print(f"not ok {n} - {test.__name__}", flush=True)
                print("# " + f"{type(error).__name__}: {error}".replace("\n", "\n# "), flush=True)
        status, log = target.stop(), target.log_text()
        clean = status == 0 and "Sanitizer" not in log and "runtime error" not in log
        print(f"{'ok' if clean else 'not ok'} {len(tests) + 1} - ends in order", flush=True)
        if not clean:
            print("# " + f"status {status}\n{log[-3000:]}".replace("\n", "\n# "))
    return 1 if bad or not clean else 0
