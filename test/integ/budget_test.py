#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Budgets of relayed bytes: the limit to the byte, what clients hear of it before and at the end, what a crash leaves of it,
and how it is changed."""
import contextlib
import os
import signal
import socket
import sys
import tempfile
import traceback

from api_test import CALLING, Events, Service
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


def use_up(daemon, service, user, least=LIMIT - 1500):
    """Relays for a user until its allocation ends; the bytes."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        relay = allocate(daemon, servers(service, user))
        assert relay.permit("127.0.0.1") == 0

        def ended():
            relay.send(*peer.getsockname(), bytes(100))
            return relay.refresh(600) == 437

        wait_until(ended, "end")
        rows = service.send("GET", f"{CALLING}/usage?user={user}").json["value"]
        total = sum(row["peerOutBytes"] + row["peerInBytes"] for row in rows)
        assert total >= least, rows
        return relay, total


def to_the_byte(daemon, service):
    """a user's allocation ends at the limit, never beyond it; the next one is refused, another user's is not"""
    user, _ = service.user()
    relay, total = use_up(daemon, service, user)
    assert total == LIMIT, total
    assert relay.refresh(600) == 437
    assert refuses(daemon, service, user)
    assert not refuses(daemon, service, service.user()[0])


@contextlib.contextmanager
def calling(daemon, folder, transport, seconds, caller=None, bob=None):
    """A call: (call id or None when it was refused, the caller's CLI, the callee's)."""
    env = client_env(daemon)
    bob = bob or new_user(env)
    caller = {**env, "CALLFLOW_TOKEN": new_token(env, caller or new_user(env))}
    audio_a, audio_b = speech(folder, 31, 2), speech(folder, 32, 2)
    with Cli({**env, "CALLFLOW_TOKEN": new_token(env, bob)}, "listen", "--answer", "--audio-in", audio_b) as listening:
        listening.expect("ready")
        with Cli(caller, "call", bob, "--audio-in", audio_a, "--ice-transport", transport, "--duration", str(seconds)) as cli:
            yield cli, listening


def trace(daemon, call_id):
    return answer(client_env(daemon), "trace", call_id, "--json")["entries"]


def kinds_of(daemon, call_id):
    return [entry["kind"] for entry in trace(daemon, call_id)]


def relayed_call(daemon, folder):
    """a relayed call warns at four fifths and ends with the reason, told to both, in the trace and in the log"""
    with calling(daemon, folder, "relay", 60) as (caller, callee):
        call_id = caller.expect("connected")["callId"]
        assert "relay budget of the user" in caller.expect("budgetLow")["reason"]
        for cli in caller, callee:
            end = cli.expect("ended")
            assert (end["code"], end["subcode"], end["reason"]) == (403, 301006, "relay budget used up"), end
        assert "budgetLow" not in callee.names(), callee  # not the callee's budget
    kinds = kinds_of(daemon, call_id)
    assert kinds.index("budget-low") < kinds.index("budget-used-up"), kinds
    assert kinds.count("budget-low") == 1, kinds
    low = next(entry for entry in trace(daemon, call_id) if entry["kind"] == "budget-low")["detail"]
    assert low["budget"] == "user" and 0.8 * LIMIT <= low["usedBytes"] < low["limitBytes"] == LIMIT, low
    line, = [line for line in daemon.log_text().splitlines() if "nearly used up" in line and call_id in line]
    assert f"of {LIMIT} bytes" in line, line
    rows = wait_until(lambda: usage(client_env(daemon), call_id, "relay"), "rows")
    assert max(row["peerInBytes"] + row["peerOutBytes"] for row in rows) <= LIMIT, rows


def call_over_budget(daemon, service, folder):
    """a user without budget: a relayed call is refused, any other goes on without the relay, and a reason is told"""
    user, token = service.user()
    use_up(daemon, service, user)
    with calling(daemon, folder, "relay", 4, user) as (caller, _):
        end = caller.expect("ended")
        assert end["code"] == 403 and "RelayBudgetUsedUp" in end["reason"], end
    with calling(daemon, folder, "all", 2, user) as (caller, _):
        connected = caller.expect("connected")
        assert connected["path"]["kind"] == "direct", connected
        assert caller.expect("ended")["code"] == 0
    assert "refused-over-budget" in kinds_of(daemon, connected["callId"])
    endpoint = service.send("POST", f"{CALLING}/endpoints", {}, token).json
    answered = service.send("POST", f"{CALLING}/calls", {"endpointId": endpoint["endpointId"], "sdp": "v=0",
                                                          "targets": [{"rawId": service.user()[0]}]}, token).json
    assert answered["relayRefused"] == {"code": 403, "subcode": 301006, "reason": "relay budget used up"}, answered
    assert not any(server.get("username") for server in answered["iceServers"]), answered


def no_path_over_budget(daemon, service, folder):
    """a user without budget whose call finds no other path is told that it is for the budget"""
    env = client_env(daemon)
    (user, token), (bob, bob_token) = service.user(), service.user()
    use_up(daemon, service, user)
    device = service.device(bob_token)
    events = Events(service, bob_token, device)
    with Cli({**env, "CALLFLOW_TOKEN": token}, "call", bob, "--audio-in", speech(folder, 31, 2), "--duration", "4") as caller:
        rung = events.take("incomingCall")
        call = f"{CALLING}/calls/{rung['callId']}"
        # An answer that makes sense, of somebody who can be reached nowhere.
        lines = [line for line in rung["sdp"].splitlines() if "candidate" not in line]
        sdp = "\r\n".join(lines + [""]).replace("a=setup:actpass", "a=setup:active").replace("a=ice-ufrag:", "a=ice-ufrag:x")
        assert service.send("POST", call + ":accept", {"endpointId": device, "sdp": sdp}, bob_token).status == 200
        assert service.send("POST", call + ":candidates", {"endpointId": device, "candidates": [], "endOfCandidates": True},
                            bob_token).status == 204
        end = caller.expect("ended", 60)
        caller.finish()  # it has told the service
    assert (end["code"], end["subcode"]) == (403, 301006) and end["reason"].startswith("relay budget used up"), end
    told = next(event for event in iter(lambda: events.queue.get(timeout=20), None) if event["event"] == "callEnded")
    assert "relay budget used up" in told["data"], told
    events.close()


def direct_call(daemon, folder):
    """a direct call does not mind"""
    with calling(daemon, folder, "direct", 4) as (caller, _):
        call_id = caller.expect("connected")["callId"]
        assert caller.expect("ended")["code"] == 0
    assert "budget-used-up" not in kinds_of(daemon, call_id)


def refuses(daemon, service, user):
    try:
        allocate(daemon, servers(service, user))
    except AssertionError as error:
        assert "486" in str(error), error
        return True
    return False


def survives(daemon, service):
    """kill -9: what was used stays used, of a user whose allocation had ended and of one whose had not"""
    done, half = service.user()[0], service.user()[0]
    use_up(daemon, service, done)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        relay = allocate(daemon, servers(service, half))
        assert relay.permit("127.0.0.1") == 0

        def counted():
            relay.send(*peer.getsockname(), bytes(100))
            row, = service.send("GET", f"{CALLING}/usage?user={half}").json["value"]
            assert not row["ended"], row
            return row["peerOutBytes"] if row["peerOutBytes"] > LIMIT // 4 else 0

        before = wait_until(counted, "row of the open allocation")
    daemon.kill()
    daemon.start()
    assert refuses(daemon, service, done)
    _, total = use_up(daemon, service, half, 0)
    assert LIMIT - 1500 < total <= LIMIT, (before, total)


def own_budget(daemon, service):
    """a user's own budget: set, looked at, held to while it relays, kept over a crash, taken away"""
    user, token = service.user()
    path = f"{CALLING}/usage/budgets/{user}"
    begun = service.send("GET", path).json
    assert (begun["own"], begun["limitBytes"], begun["usedBytes"], begun["period"]) == (False, LIMIT, 0, "day"), begun
    own = service.send("PUT", path, {"limitBytes": 5000}).json
    assert (own["own"], own["limitBytes"]) == (True, 5000), own
    _, total = use_up(daemon, service, user, 3500)
    assert total <= 5000, total
    daemon.kill()
    daemon.start()
    assert service.send("GET", path).json | {"startedOn": ""} == own | {"usedBytes": total, "startedOn": ""}
    assert refuses(daemon, service, user)
    assert service.send("DELETE", path).status == 204
    assert service.send("GET", path).json["limitBytes"] == LIMIT
    assert not refuses(daemon, service, user)
    for body in ({}, {"limitBytes": -1}, {"limitBytes": "5"}, {"limitBytes": 10**16}):
        assert service.send("PUT", path, body).status == 400, body
    for method in "GET", "PUT", "DELETE":
        assert service.send(method, path, {"limitBytes": 1}, token).status == 401, method
        assert service.send(method, path + "0", {"limitBytes": 1}).status in (400, 404), method


def held_at_once(daemon, service):
    """a limit set while an unlimited user relays counts what was relayed before"""
    user, _ = service.user()
    path = f"{CALLING}/usage/budgets/{user}"
    service.send("PUT", path, {"limitBytes": 0})
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        relay = allocate(daemon, servers(service, user))
        assert relay.permit("127.0.0.1") == 0
        peer.settimeout(10)
        for _ in range(LIMIT // 100 + 50):
            relay.send(*peer.getsockname(), bytes(100))
            assert len(peer.recv(2000)) == 100
        service.send("PUT", path, {"limitBytes": LIMIT})

        def ended():
            relay.send(*peer.getsockname(), bytes(100))
            return relay.refresh(600) == 437

        wait_until(ended, "end")


def reloaded(daemon, service, config):
    """SIGHUP: another limit holds for allocations that go on"""
    user, _ = service.user()
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(10)
        relay = allocate(daemon, servers(service, user))
        assert relay.permit("127.0.0.1") == 0

        def pass_on(n):
            for _ in range(n):
                relay.send(*peer.getsockname(), bytes(100))
                assert len(peer.recv(2000)) == 100

        pass_on(10)
        for n, limit in enumerate((3 * LIMIT, 0, LIMIT), 1):
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"relay: {{budget: {{user_bytes: {limit}}}}}\n")
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda n=n: daemon.log_text().count("certificate loaded anew") == n, "reload")
            wait_until(lambda limit=limit: service.send("GET", f"{CALLING}/usage/budgets/{user}").json["limitBytes"] == limit, "limit")
            pass_on((LIMIT + 5000) // 100 if n == 1 else 10 if n == 2 else 0)
        assert "takes a restart" not in daemon.log_text()
        wait_until(lambda: relay.send(*peer.getsockname(), bytes(100)) or relay.refresh(600) == 437, "end")


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"relay: {{budget: {{user_bytes: {LIMIT}}}}}\n")
        with Daemon(config=config) as daemon:
            service = Service(daemon)
            tests = [(to_the_byte, (daemon, service)), (relayed_call, (daemon, folder)), (direct_call, (daemon, folder)),
                     (call_over_budget, (daemon, service, folder)), (no_path_over_budget, (daemon, service, folder)),
                     (survives, (daemon, service)), (own_budget, (daemon, service)),
                     (held_at_once, (daemon, service)), (reloaded, (daemon, service, config))]
            print(f"1..{len(tests)}")
            for n, (test, args) in enumerate(tests, 1):
                try:
                    test(*args)
                    print(f"ok {n} - {test.__doc__}", flush=True)
                except Exception as error:  # pylint: disable=broad-except
                    failed += 1
                    print(f"not ok {n} - {test.__doc__}\n# {type(error).__name__}: {error}", flush=True)
                    traceback.print_exc()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
