#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Budgets of relayed bytes: the limit to the byte, what a client hears of it, and a relayed call that ends with the reason."""
import contextlib
import socket
import sys
import tempfile

from api_test import CALLING, Service
from call_cli import Cli, answer, client_env, new_token, new_user, speech, usage, wait_until
from daemon import Daemon
from stun import Allocation

TRAVERSAL = "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview"
LIMIT = 20000


def servers(service, user):
    return next(s for s in service.send("POST", TRAVERSAL, {"id": user}).json["iceServers"] if s.get("username"))


def allocate(daemon, server):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(10)
    host, port = daemon.ready["stun"].rsplit(":", 1)
    sock.connect((host, int(port)))
    return Allocation(sock, server)


def to_the_byte(daemon, service):
    """a user's allocation ends at the limit, never beyond it; the next one is refused, another user's is not"""
    user, _ = service.user()
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        relay = allocate(daemon, servers(service, user))
        assert relay.permit("127.0.0.1") == 0

        def ended():
            relay.send(*peer.getsockname(), bytes(100))
            rows = service.send("GET", f"{CALLING}/usage?user={user}").json["value"]
            return [row for row in rows if row["ended"]]

        row, = wait_until(ended, "end")
        assert row["peerOutBytes"] + row["peerInBytes"] == LIMIT, row
    assert relay.refresh(600) == 437
    try:
        allocate(daemon, servers(service, user))
        raise RuntimeError("the user got a relay")
    except AssertionError as error:
        assert "486" in str(error), error
    allocate(daemon, servers(service, service.user()[0]))


def call(daemon, folder, transport, seconds):
    env = client_env(daemon)
    bob = new_user(env)
    listener = {**env, "CALLFLOW_TOKEN": new_token(env, bob)}
    audio_a, audio_b = speech(folder, 31, 2), speech(folder, 32, 2)
    with Cli(listener, "listen", "--answer", "--audio-in", audio_b) as listening:
        listening.expect("ready")
        caller = {**env, "CALLFLOW_TOKEN": new_token(env, new_user(env))}
        with Cli(caller, "call", bob, "--audio-in", audio_a, "--ice-transport", transport, "--duration", str(seconds)) as calling:
            call_id = calling.expect("connected")["callId"]
            return call_id, calling.expect("ended"), [entry["kind"] for entry in answer(env, "trace", call_id, "--json")["entries"]]


def relayed_call(daemon, folder):
    """a relayed call ends with the reason, and its trace says so"""
    call_id, end, kinds = call(daemon, folder, "relay", 60)
    assert (end["code"], end["subcode"], end["reason"]) == (403, 301006, "relay budget used up"), end
    assert "budget-used-up" in kinds, kinds
    rows = wait_until(lambda: usage(client_env(daemon), call_id, "relay"), "rows")
    assert max(row["peerInBytes"] + row["peerOutBytes"] for row in rows) <= LIMIT, rows


def direct_call(daemon, folder):
    """a direct call does not mind"""
    _, end, kinds = call(daemon, folder, "direct", 4)
    assert end["code"] == 0 and "budget-used-up" not in kinds, (end, kinds)


def main():
    failed = 0
    with Daemon([f"relay.budget.user_bytes={LIMIT}"]) as daemon, tempfile.TemporaryDirectory() as folder:
        service = Service(daemon)
        tests = [(to_the_byte, (daemon, service)), (relayed_call, (daemon, folder)), (direct_call, (daemon, folder))]
        print(f"1..{len(tests)}")
        for n, (test, args) in enumerate(tests, 1):
            try:
                test(*args)
                print(f"ok {n} - {test.__doc__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {n} - {test.__doc__}\n# {type(error).__name__}: {error}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
