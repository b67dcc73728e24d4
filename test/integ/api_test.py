#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls every operation of docs/api/openapi.yaml on a running callflowd and holds the answers, events and errors
against the document. An operation or an event that was never seen is a failure."""
import contextlib
import http.client
import json
import queue
import re
import socket
import ssl
import sys
import threading
import urllib.parse
import uuid

import jsonschema
import yaml

from daemon import ROOT, Daemon
from signed import signature
from stun import Allocation

DOC = yaml.safe_load((ROOT / "docs" / "api" / "openapi.yaml").read_text())
CALLING = "/calling/2026-11-01"
WAIT_S = 10
OFFER = "\r\n".join(["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0",
                     "a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijkl", "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
                     "a=setup:actpass", "a=sendrecv", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2",
                     "a=candidate:1 1 udp 2122260223 192.0.2.1 9 typ host", ""])


def schema_at(schema):
    """A schema of the document, so that its references resolve."""
    return {"components": DOC["components"], **schema}


def conforms(value, schema):
    jsonschema.Draft202012Validator(schema_at(schema), format_checker=jsonschema.FormatChecker()).validate(value)


def paths():
    for path, methods in DOC["paths"].items():
        pattern = re.compile("^" + re.sub(r"\\{[^}]*\\}", "[^/]+?", re.escape(path)) + "$")
        for method, operation in methods.items():
            yield method.upper(), pattern, operation


PATHS = list(paths())


class Service:
    def __init__(self, daemon):
        self.daemon = daemon
        self.host = daemon.endpoint.removeprefix("https://")
        self.tls = ssl.create_default_context(cafile=daemon.ca)
        self.seen = set()  # (operationId, status)
        self.events_seen = set()

    def connect(self):
        return http.client.HTTPSConnection(self.host, context=self.tls, timeout=WAIT_S)

    def send(self, method, target, body=None, token=None, headers=None, raw=None):
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else b"")
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        if token:
            all_headers["Authorization"] = f"Bearer {token}"
        elif token is None:
            all_headers |= signature(self.host, self.daemon.key, method, target, data)
        connection = self.connect()
        connection.request(method, target, body=data, headers=all_headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.check(method, target, answer, text)
        answer.json = json.loads(text) if text and answer.headers.get_content_type() == "application/json" else None
        return answer

    def check(self, method, target, answer, text):
        """The answer is one that the document has for this operation."""
        path = urllib.parse.unquote(target.split("?")[0])
        operation = next((o for m, p, o in PATHS if m == method and p.match(path)), None)
        if operation is None:
            assert answer.status in (404, 405), f"{method} {path} is not in the document"
            conforms(json.loads(text), {"$ref": "#/components/schemas/Error"})
            return
        responses = operation["responses"]
        response = responses.get(str(answer.status), responses["default"])
        assert str(answer.status) in responses or answer.status >= 400, f"{method} {path}: {answer.status} is not described"
        if "$ref" in response:
            response = DOC["components"]["responses"][response["$ref"].split("/")[-1]]
        self.seen.add((operation["operationId"], answer.status))
        if "content" not in response:
            assert not text, f"{method} {path}: a body where none is described"
            return
        kind = answer.headers.get_content_type()
        assert kind in response["content"], f"{method} {path}: {kind} is not described"
        if kind == "application/json":
            conforms(json.loads(text), response["content"][kind]["schema"])

    def user(self, *scopes):
        answer = self.send("POST", "/identities?api-version=2023-10-01", {"createTokenWithScopes": scopes or ["voip"]})
        return answer.json["identity"]["id"], answer.json["accessToken"]["token"]

    def device(self, token, name="x"):
        return self.send("POST", f"{CALLING}/endpoints", {"displayName": name}, token).json["endpointId"]


class Events(threading.Thread):
    """Reads one event stream."""

    def __init__(self, service, token, endpoint, last=None):
        super().__init__(daemon=True)
        self.service, self.queue, self.last = service, queue.Queue(), last
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last} if last else {})
        self.connection = service.connect()
        self.connection.request("GET", f"{CALLING}/endpoints/{endpoint}/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.headers.get_content_type() == "text/event-stream"
        service.seen.add(("getEvents", 200))
        self.socket = self.connection.sock
        self.start()

    def run(self):
        event = {}
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    continue
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif "data" in event:
                    self.queue.put(event)
                    event = {}
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def take(self, kind):
        event = self.queue.get(timeout=WAIT_S)
        assert event["event"] == kind, f"{event['event']} instead of {kind}"
        data = json.loads(event["data"])
        conforms(data, DOC["components"]["schemas"]["Event"]["properties"][kind])
        self.service.events_seen.add(kind)
        if "id" in event:
            self.last = event["id"]
        return data

    def close(self):
        """Wakes the reader first, who would hold the connection until the next heartbeat."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Pair:
    """Alice and Bob, signed in and listening."""

    def __init__(self, service):
        self.service = service
        self.alice, self.alice_token = service.user()
        self.bob, self.bob_token = service.user()
        self.a, self.b = service.device(self.alice_token, "Alice"), service.device(self.bob_token, "Bob")
        self.a_events = Events(service, self.alice_token, self.a)
        self.b_events = Events(service, self.bob_token, self.b)
        self.started = self.call = None

    def start(self, **more):
        answer = self.service.send("POST", f"{CALLING}/calls", {"endpointId": self.a, "targets": [{"rawId": self.bob}],
                                                                "sdp": "offer", **more}, self.alice_token)
        assert answer.status == 201, answer.json
        self.started, self.call = answer.json, answer.json["callId"]
        assert self.b_events.take("incomingCall")["callId"] == self.call

    def verb(self, who, name, **body):
        endpoint, token = (self.a, self.alice_token) if who == "alice" else (self.b, self.bob_token)
        return self.service.send("POST", f"{CALLING}/calls/{self.call}:{name}", {"endpointId": endpoint, **body}, token)

    def close(self):
        self.a_events.close()
        self.b_events.close()


def identity(service):
    user, token = service.user("voip", "chat.join")
    quoted = urllib.parse.quote(user, safe="")
    version = "?api-version=2023-10-01"
    assert service.send("POST", f"/identities/{quoted}/:issueAccessToken{version}", {"scopes": ["voip"]}).status == 200
    assert service.send("POST", f"/identities/{quoted}/:issueAccessToken{version}", {"scopes": []}).status == 400
    assert service.send("POST", f"/identities/{quoted}/:revokeAccessTokens{version}").status == 204
    assert service.send("POST", f"{CALLING}/endpoints", {}, token).json["error"]["code"] == "TokenRevoked"
    assert service.send("DELETE", f"/identities/{quoted}{version}").status == 204
    assert service.send("DELETE", f"/identities/{quoted}{version}").status == 404
    assert service.send("POST", "/identities", {}).status == 400


def traversal(service):
    target = "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview"
    servers = service.send("POST", target, {"ttl": 60}).json["iceServers"]
    assert any(url.startswith("turns:" + service.host) for server in servers for url in server["urls"])
    assert service.send("POST", target, {"ttl": 172801}).status == 400


def signature_forms(service):
    """A query that clients sign in one form and send in another."""
    target = "/identities?api-version=2023-10-01&x=a%20b:c"
    signed = "/identities?api-version=2023-10-01&x=a+b%3Ac"
    assert service.send("POST", target, raw=b"", token=False, headers=signature(service.host, service.daemon.key, "POST", signed, b"")).status == 201
    assert service.send("POST", target, raw=b"").status == 201
    assert service.send("POST", target, raw=b"x", token=False, headers=signature(service.host, service.daemon.key, "POST", target, b"")).status == 401


def about(service):
    assert service.send("GET", "/healthz", token=False).status == 200
    assert service.send("GET", "/readyz", token=False).status == 200
    assert service.send("GET", "/metrics").status == 200
    answer = service.send("GET", "/openapi.yaml", token=False)
    assert answer.status == 200
    service.send("GET", "/nothing", token=False)
    assert service.send("PUT", "/healthz", token=False).headers["allow"]


def whole_call(service):
    pair = Pair(service)
    pair.start(customContext="ctx")
    pair.verb("bob", "candidates", candidates=[{"candidate": "candidate:b", "sdpMid": "0", "sdpMLineIndex": 0}])
    pair.verb("alice", "candidates", candidates=[{"candidate": "candidate:a"}], endOfCandidates=True)
    pair.b_events.take("remoteCandidates")
    assert pair.verb("bob", "accept", sdp="answer").status == 200
    pair.a_events.take("callAccepted")
    pair.a_events.take("remoteCandidates")
    assert pair.verb("alice", "renegotiate", sdp="o", type="offer").status == 204
    pair.b_events.take("renegotiate")
    assert pair.verb("bob", "renegotiate", sdp="o", type="offer").status == 409
    assert pair.verb("alice", "notify", kind="state", data={"muted": True}).status == 204
    assert pair.b_events.take("notification")["data"] == {"muted": True}
    assert pair.verb("bob", "report", path={"kind": "direct"}).status == 204
    assert service.send("GET", f"{CALLING}/calls/{pair.call}", token=pair.bob_token).json["state"] == "connected"
    assert pair.verb("bob", "hangup").status == 204
    assert pair.a_events.take("callEnded")["code"] == 0
    trace = service.send("GET", f"{CALLING}/calls/{pair.call}/trace", token=pair.alice_token).json
    kinds = [entry["kind"] for entry in trace["entries"]]
    assert kinds[0] == "started" and kinds[-1] == "ended" and "report" in kinds, kinds
    assert service.send("GET", f"{CALLING}/calls/{pair.call}").json["end"]["code"] == 0
    rows = service.send("GET", f"{CALLING}/usage?callId={pair.call}").json["value"]
    assert len(rows) == 2 and all(row["ended"] for row in rows)
    own = service.send("GET", f"{CALLING}/usage:summarize?groupBy=call", token=pair.alice_token).json["value"]
    exported = service.send("GET", f"{CALLING}/usage:export?from=-1h").json
    keys = service.send("GET", f"{CALLING}/usage/keys", token=False).json["keys"]
    assert exported["signature"]["keyId"] == keys[0]["kid"], (exported, keys)
    assert [s["callId"] for s in own] == [pair.call] and own[0]["records"] == 1, own
    pair.close()
    assert service.send("DELETE", f"{CALLING}/endpoints/{pair.a}", token=pair.alice_token).status == 204


def in_group(service):
    pair, group = Pair(service), str(uuid.uuid4())
    for who, device, token in (("alice", pair.a, pair.alice_token), ("bob", pair.b, pair.bob_token)):
        answer = service.send("POST", f"{CALLING}/calls", {"endpointId": device, "groupId": group.upper(), "sdp": OFFER}, token)
        assert (answer.status, answer.json["groupId"]) == (201, group), answer.json
        assert pair.call in (None, answer.json["callId"]), "two calls of one group"
        pair.call = answer.json["callId"]
        if who == "bob":
            pair.a_events.take("participantsUpdated")
        events = pair.a_events if who == "alice" else pair.b_events
        roster = events.take("participantsUpdated")
        assert [one["displayName"] for one in roster["participants"]] == ["Alice", "Bob"][:len(roster["participants"])], roster
        answered = events.take("callAccepted")
        assert answered["by"] == {"rawId": "28:media"} and "a=ice-lite" in answered["sdp"], answered
    assert pair.verb("alice", "renegotiate", sdp=OFFER, type="offer").status == 204
    assert pair.a_events.take("renegotiate")["type"] == "answer"
    assert pair.verb("alice", "renegotiate", sdp="o", type="answer").status == 409
    assert pair.verb("bob", "notify", kind="state", data={"muted": True}).status == 204
    told = pair.a_events.take("notification")
    assert told["from"] == {"rawId": pair.bob, "displayName": "Bob", "endpointId": pair.b}, told
    assert pair.verb("bob", "hangup").status == 204
    assert pair.a_events.take("participantsUpdated")["participants"][0]["state"] == "disconnected"
    assert pair.b_events.take("callEnded")["code"] == 0
    call = service.send("GET", f"{CALLING}/calls/{pair.call}", token=pair.bob_token).json
    assert [one["state"] for one in call["participants"]] == ["connected", "disconnected"] and call["groupId"] == group, call
    # A description that makes no sense ends its sender's part, and with the last one the call.
    assert pair.verb("alice", "renegotiate", sdp="nonsense", type="offer").status == 204
    assert pair.a_events.take("callEnded")["code"] == 488
    assert service.send("GET", f"{CALLING}/calls/{pair.call}", token=pair.alice_token).json["state"] == "ended"
    trace = service.send("GET", f"{CALLING}/calls/{pair.call}/trace", token=pair.alice_token).json["entries"]
    assert "192.0.2.1" in json.dumps([entry for entry in trace if entry.get("endpointId") == pair.a]), trace
    assert "192.0.2.1" not in json.dumps([entry for entry in trace if entry.get("endpointId") == pair.b]), trace
    both = service.send("GET", f"{CALLING}/calls/{pair.call}/trace").json["entries"]
    assert "192.0.2.1" in json.dumps([entry for entry in both if entry.get("endpointId") == pair.b]), both
    rows = service.send("GET", f"{CALLING}/usage?callId={pair.call}").json["value"]
    assert len(rows) == 2 and all(row["ended"] for row in rows), rows
    for body in ({"groupId": "friends"}, {"groupId": group, "targets": [{"rawId": pair.bob}]}, {}):
        assert service.send("POST", f"{CALLING}/calls", {"endpointId": pair.a, "sdp": OFFER, **body}, pair.alice_token).status == 400
    pair.close()


def called_in(service):
    """A call between two becomes a group: who is called, comes, is muted and removed."""
    pair = Pair(service)
    carol, carol_token = service.user()
    nobody = service.user()[0]
    device = service.device(carol_token, "Carol")
    events = Events(service, carol_token, device)
    pair.start()
    assert pair.verb("bob", "accept", sdp="a").status == 200
    pair.a_events.take("callAccepted")
    assert pair.verb("bob", "view", views=[]).status == 409
    people = f"{CALLING}/calls/{pair.call}/participants"
    send = lambda path, token, endpoint, **body: service.send("POST", path, {"endpointId": endpoint, **body}, token)
    assert send(people, pair.bob_token, pair.b, targets=[{"rawId": carol}]).status == 204
    for both in (pair.a_events, pair.b_events):
        assert both.take("promote") == {"callId": pair.call, "groupId": pair.call}
        assert [one["state"] for one in both.take("participantsUpdated")["participants"]] == ["connected"] * 2
        assert both.take("participantsUpdated")["participants"] == [{"rawId": carol, "state": "ringing"}]
    incoming = events.take("incomingCall")
    # An offer that makes no sense: the two go on as before. And once more.
    assert pair.verb("bob", "promote", sdp="nonsense").status == 200
    assert events.take("callCancelled")["code"] == 488
    for both in (pair.a_events, pair.b_events):
        assert both.take("participantsUpdated")["participants"][0]["end"]["code"] == 488
        assert both.take("notPromoted")["subcode"] == 301007
    assert send(people, pair.bob_token, pair.b, targets=[{"rawId": carol}]).status == 204
    for both in (pair.a_events, pair.b_events):
        for kind in ("promote", "participantsUpdated", "participantsUpdated"):
            both.take(kind)
    incoming = events.take("incomingCall")
    assert incoming["groupId"] == pair.call and "sdp" not in incoming and incoming["from"]["rawId"] == pair.bob, incoming
    assert send(f"{CALLING}/calls/{pair.call}:promote", carol_token, device, sdp=OFFER).status == 409
    assert pair.verb("alice", "promote", sdp=OFFER).status == 200
    assert pair.a_events.take("callAccepted")["by"] == {"rawId": "28:media"}
    assert pair.verb("alice", "promote", sdp=OFFER).status == 409
    assert send(f"{CALLING}/calls/{pair.call}:accept", carol_token, device, sdp=OFFER).status == 200
    assert len(events.take("participantsUpdated")["participants"]) == 3
    assert "a=ice-lite" in events.take("callAccepted")["sdp"]
    for both in (pair.a_events, pair.b_events):
        assert both.take("participantsUpdated")["participants"][0]["endpointId"] == device
    assert service.send("GET", f"{CALLING}/calls/{pair.call}", token=carol_token).json["groupId"] == pair.call
    assert send(f"{people}:mute", pair.alice_token, pair.a).status == 204
    for others in (pair.b_events, events):
        told = others.take("notification")
        assert (told["kind"], told["from"]["rawId"], told["data"]) == ("mute", pair.alice, {}), told
    assert send(f"{people}:mute", pair.alice_token, pair.a, target={"rawId": carol}).status == 204
    assert events.take("notification")["kind"] == "mute"
    for verb in ("mute", "remove"):
        answer = send(f"{people}:{verb}", pair.alice_token, pair.a, target={"rawId": nobody})
        assert (answer.status, answer.json["error"]["code"]) == (404, "NotInCall"), answer.json
    assert send(f"{people}:remove", pair.alice_token, pair.a).status == 400
    assert pair.verb("alice", "view", views=[{"source": 7, "height": 180}], others=90).status == 204
    for wrong in ({}, {"views": [{"source": 7}]}, {"views": [{"source": -1, "height": 1}]}, {"views": [{"source": 1, "height": 1}] * 65},
                  {"views": [], "others": 70000}):
        assert pair.verb("alice", "view", **wrong).status == 400, wrong
    assert pair.verb("alice", "demote", sdp=OFFER).status == 409
    assert pair.verb("alice", "demote", connected=True).status == 409
    for neither in ({}, {"sdp": OFFER, "connected": True}, {"connected": 1}):
        assert pair.verb("alice", "demote", **neither).status == 400, neither
    assert send(people, pair.alice_token, pair.a, targets=[]).status == 400
    assert send(people, pair.alice_token, pair.a, targets=[{"rawId": "4:+15550100"}]).status == 400
    assert send(f"{people}:remove", pair.alice_token, pair.a, target={"rawId": carol}).status == 204
    assert events.take("callEnded")["subcode"] == 5300
    for both in (pair.a_events, pair.b_events):
        assert both.take("participantsUpdated")["participants"][0]["state"] == "disconnected"
    # Somebody who is not there, and several at once.
    assert send(people, pair.alice_token, pair.a, targets=[{"rawId": nobody}]).status == 204
    pair.a_events.take("participantsUpdated")
    assert pair.a_events.take("participantsUpdated")["participants"][0]["end"]["code"] == 480
    assert pair.verb("alice", "hangup", forEveryone=True).status == 204
    several = service.send("POST", f"{CALLING}/calls", {"endpointId": pair.a, "targets": [{"rawId": pair.bob}, {"rawId": carol}], "sdp": OFFER},
                           pair.alice_token)
    assert several.status == 201 and several.json["groupId"] == several.json["callId"], several.json
    assert events.take("incomingCall")["groupId"] == several.json["callId"]
    assert service.send("GET", f"{CALLING}/calls/{several.json['callId']}", token=carol_token).json["participants"][2]["state"] == "ringing"
    events.close()
    pair.close()


def budgets(service):
    """A user's own budget, and the warning that it is nearly used up."""
    pair = Pair(service)
    path = f"{CALLING}/usage/budgets/{pair.alice}"
    assert service.send("PUT", path, {"limitBytes": 20000}).status == 200
    pair.start()
    server = next(s for s in pair.started["iceServers"] if s.get("username"))
    host, port = service.daemon.ready["stun"].rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        sock.connect((host, int(port)))
        sock.settimeout(WAIT_S)
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(WAIT_S)
        relay = Allocation(sock, server)
        assert relay.permit("127.0.0.1") == 0
        for _ in range(180):
            relay.send(*peer.getsockname(), bytes(100))
            assert len(peer.recv(200)) == 100
        low = pair.a_events.take("relayBudgetLow")
    assert low["budget"] == "user" and low["limitBytes"] == 20000 and 16000 <= low["usedBytes"] <= 18000, low
    assert service.send("GET", path).json["own"]
    assert service.send("DELETE", path).status == 204
    assert pair.verb("alice", "hangup").status == 204
    pair.close()


def declined(service):
    pair = Pair(service)
    second = Events(service, pair.bob_token, service.device(pair.bob_token))
    pair.start()
    second.take("incomingCall")
    assert pair.verb("bob", "reject", reason="busy").status == 204
    pair.a_events.take("callRejected")
    assert pair.verb("alice", "hangup").status == 204
    assert second.take("callCancelled")["code"] == 487
    assert pair.a_events.take("callEnded")["code"] == 487
    second.close()
    pair.close()


def lost_events(service):
    """Nothing is lost between two streams, and a stranger's number is told by a reset."""
    pair = Pair(service)
    pair.start()
    pair.b_events.close()
    for i in range(3):
        pair.verb("alice", "candidates", candidates=[{"candidate": f"candidate:{i}"}])
    again = Events(service, pair.bob_token, pair.b, pair.b_events.last)
    for i in range(3):
        assert again.take("remoteCandidates")["candidates"][0]["candidate"] == f"candidate:{i}"
    again.close()
    odd = Events(service, pair.bob_token, pair.b, "99999999999999")
    odd.take("reset")
    odd.close()
    pair.close()


def repeated(service):
    pair = Pair(service)
    body = {"endpointId": pair.a, "targets": [{"rawId": pair.bob}], "sdp": "offer"}
    again = {"repeatability-request-id": str(uuid.uuid4())}
    ids = {service.send("POST", f"{CALLING}/calls", body, pair.alice_token, again).json["callId"] for _ in range(3)}
    assert len(ids) == 1
    pair.b_events.take("incomingCall")
    assert pair.b_events.queue.empty()
    pair.close()


def killed(service):
    """kill -9 in a call: users, tokens, endpoints, call and unseen events are back."""
    pair = Pair(service)
    pair.start()
    assert pair.verb("bob", "accept", sdp="answer").status == 200
    last = pair.b_events.last
    assert pair.verb("alice", "renegotiate", sdp="o2", type="offer").status == 204
    pair.close()
    service.daemon.kill()
    service.daemon.start()
    again = Events(service, pair.bob_token, pair.b, last)
    assert again.take("renegotiate")["sdp"] == "o2"
    assert service.send("GET", f"{CALLING}/calls/{pair.call}", token=pair.alice_token).json["state"] == "connected"
    assert pair.verb("bob", "renegotiate", sdp="a2", type="answer").status == 204
    assert pair.verb("bob", "hangup").status == 204
    assert again.take("callEnded")["code"] == 0
    again.close()


def hostile(service):
    """Bad input of each kind gets a correct error."""
    _, token = service.user()
    for raw in [b"{", b"[]", b'{"a":1,"a":2}', b"\xff", b'"' * 10, b"[" * 2000, b'{"displayName":"\\ud800"}', b"nul"]:
        assert service.send("POST", f"{CALLING}/endpoints", token=token, raw=raw).status == 400, raw
    assert service.send("POST", f"{CALLING}/endpoints", token=token, raw=b"{}", headers={"Content-Type": "text/plain"}).status == 415
    for bad in ["x", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.AAAA", "a" * 4000]:
        assert service.send("POST", f"{CALLING}/endpoints", {}, bad).status == 401
    assert service.send("GET", f"{CALLING}/endpoints/x/events", token=token).status == 404


def drained(service):
    """Nothing new is taken on; what says so is told."""
    token = service.user()[1]
    pair = Pair(service)
    pair.start()
    answer = service.send("POST", "/node/:drain")
    assert answer.status == 202 and answer.json["calls"] >= 1, answer.json
    assert service.send("POST", "/node/:drain").status == 202
    for refused in (service.send("GET", "/readyz", token=False), service.send("POST", f"{CALLING}/endpoints", {}, token)):
        assert refused.status == 503 and refused.json["error"]["code"] == "Draining" and refused.headers["retry-after"]
    assert service.send("GET", "/healthz", token=False).status == 200
    assert pair.verb("alice", "hangup").status == 204


# What follows from media only: promote_test.py has it.
WITH_MEDIA_OPERATIONS = {"demoteCall"}
WITH_MEDIA = {"promoted", "demote", "demoted", "notDemoted"}


def complete(service):
    """Every operation was seen to work, and every event."""
    wanted = {o["operationId"] for _, _, o in PATHS} - WITH_MEDIA_OPERATIONS
    worked = {name for name, status in service.seen if status < 300}
    assert wanted <= worked, f"never seen to work: {sorted(wanted - worked)}"
    events = set(DOC["components"]["schemas"]["Event"]["properties"]) - WITH_MEDIA
    assert events == service.events_seen, f"never seen: {sorted(events - service.events_seen)}"


TESTS = [identity, traversal, signature_forms, about, whole_call, in_group, called_in, budgets, declined, lost_events, repeated, killed, hostile, drained, complete]


def main():
    bad = 0
    with Daemon() as daemon:
        service = Service(daemon)
        print(f"1..{len(TESTS)}")
        for n, test in enumerate(TESTS, 1):
            try:
                test(service)
                print(f"ok {n} - {test.__name__}", flush=True)
            except Exception as error:  # a failure of one test is told, and the others run
                bad += 1
                reason = f"{type(error).__name__}: {error}".replace("\n", "\n# ")
                print(f"not ok {n} - {test.__name__}\n# {reason}", flush=True)
        if bad:
            sys.stderr.write(daemon.log_text())
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
