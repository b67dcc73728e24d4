#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""callflowd killed with -9 again and again under signalling load: what was answered stays true, events go on, usage is right.

Devices place, answer, renegotiate and hang up calls by plain requests, each repeated with its id until it is answered, while
the daemon is killed at random moments and started again on the same state. Beside them two people talk.
"""
import contextlib
import http.client
import json
import random
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

from call_cli import WAIT_S, client_env, new_token, new_user, run, speech, usage, wait_until
from daemon import Daemon
from library_binding import Client, Type
from signed import signature

CALLING = "/calling/2026-11-01"
IDENTITY = "?api-version=2023-10-01"
KILLS, PAIRS = 6, 4
READY_S = 10              # generous: what it takes is told, not judged
ENDS = ("callEnded", "callCancelled")


class Service:
    """Requests with an id, repeated until the daemon has answered."""

    def __init__(self, daemon):
        self.daemon, self.host = daemon, daemon.endpoint.removeprefix("https://")
        self.tls = ssl.create_default_context(cafile=daemon.ca)

    def connect(self):
        return http.client.HTTPSConnection(self.host, context=self.tls, timeout=5)

    def once(self, method, target, data, token, request_id):
        headers = {"Content-Type": "application/json", "repeatability-request-id": request_id}
        headers |= {"Authorization": f"Bearer {token}"} if token else signature(self.host, self.daemon.key, method, target, data)
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(method, target, body=data, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    def ask(self, method, target, body=None, token=None):
        """(status, JSON); a 503 is asked again as well, it says so."""
        data, request_id = json.dumps(body).encode() if body is not None else b"", str(uuid.uuid4())
        end = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, ssl.SSLError):
                status, answer = self.once(method, target, data, token, request_id)
                if status != 503:
                    return status, answer
            assert time.monotonic() < end, f"{method} {target}: no answer in {WAIT_S} s"

    def user(self):
        status, answer = self.ask("POST", f"/identities{IDENTITY}", {"createTokenWithScopes": ["voip"]})
        assert status == 201, answer
        return answer["identity"]["id"], answer["accessToken"]["token"]


class Device:
    """A signed-in device whose event stream is resumed for ever."""

    def __init__(self, service):
        self.service = service
        self.user, self.token = service.user()
        status, answer = service.ask("POST", f"{CALLING}/endpoints", {}, self.token)
        assert status == 201, answer
        self.id, self.events, self.changed, self.over = answer["endpointId"], [], threading.Condition(), False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while not self.over:
            with contextlib.suppress(OSError, http.client.HTTPException, ssl.SSLError):
                self.read_stream()

    def read_stream(self):
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.events:
            headers["Last-Event-ID"] = str(self.events[-1][0])
        connection = self.service.connect()
        connection.request("GET", f"{CALLING}/endpoints/{self.id}/events", headers=headers)
        answer, fields = connection.getresponse(), {}
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                with self.changed:
                    self.events.append((int(fields.get("id", -1)), fields["event"], json.loads(fields["data"])))
                    self.changed.notify_all()
                fields = {}

    def of(self, call, *types):
        return [data for _, kind, data in self.events if kind in types and data.get("callId") == call]

    def wait(self, call, *types):
        with self.changed:
            assert self.changed.wait_for(lambda: self.of(call, *types), WAIT_S), f"no {types} of {call}: {self.events[-5:]}"

    def verb(self, call, verb, **body):
        return self.service.ask("POST", f"{CALLING}/calls/{call}:{verb}", {"endpointId": self.id, **body}, self.token)[0]


class Pair(threading.Thread):
    """Two devices that call each other until told to stop; what was answered is kept in `calls` and `users`."""

    def __init__(self, service, seed):
        super().__init__(daemon=True)
        self.service, self.random, self.stop = service, random.Random(seed), threading.Event()
        self.caller, self.callee = Device(service), Device(service)
        self.users, self.calls, self.failure = [], {}, None

    def run(self):
        try:
            while not self.stop.is_set():
                self.users.append(self.service.user()[0])
                self.one_call()
        except Exception as error:  # told by the test's own thread
            self.failure = error

    def one_call(self):
        caller, callee = self.caller, self.callee
        status, answer = self.service.ask("POST", f"{CALLING}/calls", {
            "endpointId": caller.id, "targets": [{"rawId": callee.user}], "sdp": "v=0"}, caller.token)
        assert status == 201, answer
        call = answer["callId"]
        self.calls[call] = "ringing"
        callee.wait(call, "incomingCall")
        assert caller.verb(call, "candidates", candidates=[{"candidate": "candidate:1"}]) == 204
        if self.random.random() < 0.3:
            self.end(call, caller, "ringing")
            return
        status = callee.verb(call, "accept", sdp="v=0")
        assert status == 200, f"accept: {status}"
        self.calls[call] = "connected"
        caller.wait(call, "callAccepted")
        for one, other in ((caller, callee), (callee, caller)):
            assert one.verb(call, "renegotiate", sdp="v=0", type="offer") == 204
            other.wait(call, "renegotiate")
            assert other.verb(call, "renegotiate", sdp="v=0", type="answer") == 204
        self.end(call, self.random.choice((caller, callee)), "connected")

    def end(self, call, device, was):
        status = device.verb(call, "hangup")
        # Asked again behind a crash that swallowed the answer, it has ended already.
        assert status in (204, 404), status
        self.calls[call] = f"ended {was}"


def check_pair(service, pair):
    """What was answered is true, and told once."""
    assert pair.failure is None, repr(pair.failure)
    for user in pair.users:
        status, _ = service.ask("POST", f"/identities/{urllib.parse.quote(user)}/:issueAccessToken{IDENTITY}", {"scopes": ["voip"]})
        assert status == 200, f"user {user}: {status}"
    for call, state in pair.calls.items():
        assert state.startswith("ended"), (call, state)
        for device in (pair.caller, pair.callee):
            device.wait(call, *ENDS)
            assert len(device.of(call, *ENDS)) == 1, (call, state, device.of(call, *ENDS))
        status, answer = service.ask("GET", f"{CALLING}/calls/{call}", token=pair.caller.token)
        assert status == 200 and answer["state"] == "ended", (call, state, answer)
        assert len(pair.callee.of(call, "incomingCall")) == 1, call
        if state == "ended connected":
            assert len(pair.caller.of(call, "callAccepted")) == 1, call
            assert [len(d.of(call, "renegotiate")) for d in (pair.caller, pair.callee)] == [2, 2], call
    for device in (pair.caller, pair.callee):
        ids = [number for number, kind, _ in device.events]
        assert ids == sorted(set(ids)) and not [e for e in device.events if e[1] == "reset"], ids
        ghosts = {data["callId"] for _, kind, data in device.events if kind == "incomingCall"} - set(pair.calls)
        assert not ghosts, f"calls that nobody has placed: {ghosts}"


def check_usage(env, pair):
    for call, state in pair.calls.items():
        legs = usage(env, call, "leg")
        assert len({row["id"] for row in legs}) == len(legs) == (2 if state == "ended connected" else 0), (state, legs)
        assert all(row["ended"] for row in legs), legs


def check_talk(env, alice, bob, call, seconds):
    """The talk that outlived all kills: its end told at both ends, its minutes counted once and whole."""
    alice.hangup()
    for client in (alice, bob):
        ended = client.expect(Type.ENDED)
        assert (ended["code"], ended["completed"]) == (0, 1), ended
    legs = wait_until(lambda: [row for row in usage(env, call, "leg") if row["ended"]], "usage")
    assert len(legs) == 2, legs
    for row in legs:
        assert seconds - 60 <= row["durationMs"] / 1000 <= seconds + 5, (seconds, legs)
    relays = usage(env, call, "relay")
    assert all(row["ended"] for row in relays) and len({row["id"] for row in relays}) == len(relays), relays


def killed(daemon, sounds):
    """kill -9 at random moments under load: users, calls, events and usage as if nothing had been"""
    env, service, chance = client_env(daemon), Service(daemon), random.Random()
    bob_id = new_user(env)
    pairs = [Pair(service, seed) for seed in range(PAIRS)]
    took = []
    with Client(daemon.endpoint, new_token(env, new_user(env)), daemon.ca) as alice, \
            Client(daemon.endpoint, new_token(env, bob_id), daemon.ca) as bob:
        bob.expect(Type.SIGNED_IN)
        alice.call(bob_id, sounds[0])
        bob.accept(bob.expect(Type.INCOMING)["call"], sounds[1])
        alice.expect(Type.CONNECTED)
        begun, call = time.monotonic(), alice.call_id()
        for pair in pairs:
            pair.start()
        for _ in range(KILLS):
            seen = sum(len(pair.calls) for pair in pairs)
            wait_until(lambda s=seen: sum(len(p.calls) for p in pairs) > s + 2 or any(p.failure for p in pairs), "load")
            time.sleep(chance.uniform(0, 0.2))  # the moment is to be any
            daemon.kill()
            start = time.monotonic()
            daemon.start()
            took.append(time.monotonic() - start)
            alice.hears(True, 25)
            bob.hears(True, 25)
        for pair in pairs:
            pair.stop.set()
        for pair in pairs:
            pair.join(60)
            check_pair(service, pair)
            check_usage(env, pair)
        check_talk(env, alice, bob, call, time.monotonic() - begun)
    for pair in pairs:
        pair.caller.over = pair.callee.over = True
    calls = sum(len(pair.calls) for pair in pairs)
    print(f"# {KILLS} kills, {calls} calls; from the start until ready: {', '.join(f'{s * 1000:.0f}' for s in took)} ms")
    assert max(took) < READY_S, took


def main():
    with tempfile.TemporaryDirectory(prefix="callflow-test-") as folder, Daemon() as daemon:
        sounds = speech(folder, 1, 60), speech(folder, 2, 60)
        return run([killed], lambda _: (daemon, sounds))


if __name__ == "__main__":
    sys.exit(main())
