#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator does to a running node: drain it and change its configuration, with packets counted all the while."""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading

import stun
from call_cli import Cli, answer, ask, client_env, new_token, new_user, run, speech, wait_until
from daemon import Daemon, new_certificate
from daemon_test import both_hear, end, in_call
from signed import get, signed

STATIC = {"username": "alice", "credential": "secret"}
LAB = "relay: {users: {alice: secret, bob: secret}, allow_peers: [127.0.0.0/8]}\n"


class Stream:
    """Packets from a client through its allocation to a peer that sends them back: the next goes when the last is there."""

    def __init__(self, daemon):
        host, _, port = daemon.ready["stun"].rpartition(":")
        self.server = (host, int(port))
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(self.server)
        self.sock.settimeout(5)
        self.allocation = stun.Allocation(self.sock, STATIC)
        assert self.allocation.permit("127.0.0.1") == 0
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.peer.bind(("127.0.0.1", 0))
        self.peer.settimeout(5)
        self.there, self.lost, self.refreshed = 0, 0, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.go, daemon=True)
        self.thread.start()

    def one(self, n):
        data = n.to_bytes(4, "big") * 40
        self.allocation.send(*self.peer.getsockname(), data)
        try:
            got, source = self.peer.recvfrom(2048)
            assert got == data and source == self.allocation.relayed, (source, self.allocation.relayed)
            self.peer.sendto(got, source)
            kind, found = stun.read(self.sock.recv(2048))
            assert kind == stun.DATA | stun.INDICATION and found[stun.PAYLOAD] == data, hex(kind)
            self.there += 1
        except socket.timeout:
            self.lost += 1

    def go(self):
        while not self.over.is_set():
            self.one(self.there)
            if self.there % 100 == 0:
                self.refreshed += self.allocation.refresh(600) == 0

    def flows(self, more=300):
        """That many more packets arrive; none has been lost so far."""
        target = self.there + more
        wait_until(lambda: self.there >= target or self.lost or not self.thread.is_alive(), "packets")
        assert self.there >= target and not self.lost, (self.there, self.lost)

    def stop(self):
        self.over.set()
        self.thread.join(20)
        assert self.lost == 0 and self.refreshed > 0, (self.lost, self.refreshed)
        return self.there

    def release(self):
        assert self.allocation.refresh(0) == 0


def refused(daemon, user="bob"):
    """The code that a new allocation gets; 0: it was made."""
    host, _, port = daemon.ready["stun"].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, int(port)))
        sock.settimeout(5)
        try:
            stun.Allocation(sock, {"username": user, "credential": "secret"}).refresh(0)
        except AssertionError as error:
            return error.args[0][1]
    return 0


@contextlib.contextmanager
def lab(folder, text=LAB, settings=()):
    path = os.path.join(folder, "callflow.yaml")

    def write(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    write(text)
    with Daemon(["workers=2", *settings], config=path) as daemon:
        def reload(text, words="configuration and certificate loaded anew"):
            write(text)
            before = len(daemon.log_text())
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: words in daemon.log_text()[before:], words)
            return daemon.log_text()[before:]
        daemon.reload = reload
        yield daemon


def drain_idle(_, __):
    """callflow drain with nothing running: the daemon ends with 0 at once"""
    with Daemon() as daemon:
        env = client_env(daemon)
        assert answer(env, "drain", "--json") == {"event": "draining", "calls": 0}
        assert daemon.process.wait(5) == 0
        assert ask(env, "drain")[0] == 1


def drain_key(_, __):
    """draining wants the access key"""
    with Daemon() as daemon:
        assert get(daemon, "/node/:drain", method="POST").status == 401
        assert get(daemon, "/readyz").status == 200


def drain_relay(folder, _):
    """drained, an allocation relays and refreshes without a lost packet; new ones get 508; the end comes within 5 s of its own"""
    with lab(folder) as daemon:
        stream = Stream(daemon)
        stream.flows()
        assert refused(daemon) == 0
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: get(daemon, "/readyz").status == 503, "not ready")
        wait_until(lambda: refused(daemon) == 508, "no new allocation")
        stream.flows(1000)
        assert daemon.process.poll() is None
        wait_until(lambda: "draining: 0 calls, " in daemon.log_text(), "a word on what is left")
        stream.stop()
        stream.release()
        assert daemon.process.wait(5) == 0


def drain_refuses(_, sounds):
    """drained, calls and sign-ins get 503 with Retry-After; a call in progress is renegotiated, reported, hung up; then the end"""
    with Daemon() as daemon:
        env = client_env(daemon)
        user = new_user(env)
        token = new_token(env, user)
        with in_call(daemon, sounds) as (alice, bob):
            assert answer(env, "drain", "--json")["calls"] == 1
            ready = get(daemon, "/readyz")
            assert ready.status == 503 and "draining" in ready.text and get(daemon, "/healthz").status == 200, ready.text
            for path in ("/calling/2026-11-01/endpoints",):
                no = get(daemon, path, method="POST", body=b"{}", headers={"authorization": f"Bearer {token}"})
                assert no.status == 503 and int(no.headers["retry-after"]) > 0 and "draining" in no.text, (no.status, no.text)
            no = signed(daemon, "POST", "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview", b"{}")
            assert no.status == 503 and "draining" in no.text, (no.status, no.text)
            with Cli(env, "call", "8:echo123", "--token", token) as cli:
                assert cli.finish()[0] == 1 and "draining" in cli.events[-1]["reason"], str(cli)
            alice.hold(True)
            bob.expect_hold(True)
            bob.hears(False)
            alice.hold(False)
            bob.expect_hold(False)
            both_hear(alice, bob)
            call = alice.events[-1]["call"].decode()
            assert signed(daemon, "GET", f"/calling/2026-11-01/calls/{call}/trace").status == 200
            end(alice, bob)
            assert daemon.process.wait(5) == 0


def drain_then_term(folder, _):
    """after callflow drain a first SIGTERM waits as well, a second one ends at once"""
    with lab(folder) as daemon:
        stream = Stream(daemon)
        stream.flows()
        answer(client_env(daemon), "drain", "--json")
        daemon.process.send_signal(signal.SIGTERM)
        stream.flows()
        assert daemon.process.poll() is None
        stream.stop()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(5) == 0


def reload_live(folder, sounds):
    """SIGHUP with a call and an allocation alive: quotas, peers, ports, users, limits change; no packet is lost"""
    with lab(folder) as daemon, in_call(daemon, sounds) as (alice, bob):
        stream = Stream(daemon)
        stream.flows()
        daemon.reload(LAB.replace("bob: secret", "carol: secret"))
        assert refused(daemon, "bob") == 401 and refused(daemon, "carol") == 0
        daemon.reload(LAB.replace("relay: {", "relay: {quota_per_user: 1, ports: 49152-49251, "))
        assert refused(daemon, "alice") == 486 and refused(daemon, "bob") == 0
        host, _, port = daemon.ready["stun"].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((host, int(port)))
            sock.settimeout(5)
            other = stun.Allocation(sock, {"username": "bob", "credential": "secret"})
            assert other.relayed[1] <= 49251 and other.permit("10.1.2.3") == 403
            daemon.reload(LAB.replace("127.0.0.0/8", "127.0.0.0/8, 10.0.0.0/8"))
            assert other.permit("10.1.2.3") == 0
            other.refresh(0)
        daemon.reload(LAB + "limits: {body: 4k, endpoints: 2}\n")
        env = client_env(daemon)
        token = new_token(env, new_user(env))
        with Cli(env, "call", "8:echo123", "--token", token) as cli:
            assert cli.finish()[0] == 1 and "limit" in cli.events[-1]["reason"].lower(), str(cli)
        daemon.reload(LAB)
        with Cli(env, "call", "8:echo123", "--token", token, "--duration", "0.3") as cli:
            assert cli.finish()[0] == 0, str(cli)
        stream.flows()
        stream.stop()
        stream.release()
        both_hear(alice, bob)
        end(alice, bob)


def reload_refused(folder, _):
    """a new configuration with anything wrong is refused whole, and says why; the old one stays"""
    with lab(folder) as daemon:
        stream = Stream(daemon)
        bad = {"relay: {users: {carol: secret}, quota_per_user: 0}\n": "quota_per_user",
               "relay: {users: {carol: secret}}\nresource: {access_key: x}\n": "access key",
               "relay: {users: {carol: secret}}\ntls: {certificate: /nowhere.pem, key: /nowhere.key}\n": "/nowhere.pem"}
        for text, words in bad.items():
            log = daemon.reload(text, "the configuration in force stays")
            assert words in log and "loaded anew" not in log, log
            assert refused(daemon, "carol") == 401 and refused(daemon, "bob") == 0
            assert signed(daemon, "GET", "/metrics").status == 200
        log = daemon.reload(LAB.replace("relay: {", "relay: {realm: other, ") + "limits: {calls: 7}\n")
        assert "relay.realm has changed: that takes a restart" in log, log
        log = daemon.reload(LAB.replace("relay: {", "relay: {realm: other, "))
        assert "relay.realm has changed" in log, log  # it is not in force yet
        stream.flows()
        stream.stop()
        stream.release()


def reload_certificate(folder, _):
    """a new certificate is for new TLS connections; those that are open, also through the relay, live on"""
    files = [f"{folder}/tls.pem", f"{folder}/tls.key"]

    def renew():
        return ssl.PEM_cert_to_DER_cert(new_certificate(*files))

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def connect(server):
        sock = context.wrap_socket(socket.create_connection(server, timeout=10))
        return sock, sock.getpeercert(True)

    def seen_by_datagram(server):
        done = subprocess.run(["openssl", "s_client", "-dtls", "-connect", server], input="", capture_output=True, text=True,
                              timeout=20, check=False)
        return ssl.PEM_cert_to_DER_cert(re.search("-----BEGIN.*?END CERTIFICATE-----\n", done.stdout, re.DOTALL)[0])

    first = renew()
    with lab(folder, settings=[f"tls.certificate={files[0]}", f"tls.key={files[1]}"]) as daemon:
        host, _, port = daemon.ready["turn"][-1].removeprefix("turns:").split("?")[0].rpartition(":")
        sock, seen = connect((host, int(port)))
        assert seen == first and seen_by_datagram(daemon.ready["stun"]) == first
        allocation = stun.Allocation(sock, STATIC, stream=True)
        second = renew()
        daemon.reload(LAB)
        other, seen = connect((host, int(port)))
        assert seen == second
        other.close()
        assert seen_by_datagram(daemon.ready["stun"]) == second
        assert sock.getpeercert(True) == first and allocation.refresh(600) == 0
        assert allocation.refresh(0) == 0
        sock.close()


TESTS = [drain_idle, drain_key, drain_relay, drain_refuses, drain_then_term, reload_live, reload_refused, reload_certificate]


def main():
    import tempfile
    with tempfile.TemporaryDirectory(prefix="callflow-test-") as folder:
        sounds = speech(folder, 1, 40), speech(folder, 2, 40)
        return run(TESTS, lambda own: (own, sounds), at_once=3)


if __name__ == "__main__":
    sys.exit(main())
