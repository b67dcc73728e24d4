#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hostile other side: descriptions, candidates and events made to break a client, and packets thrown at the sockets of
a call by somebody who is not in it. The client and the echo bot go on, or end the call with a clear code."""
import contextlib
import os
import random
import socket
import sys
import tempfile
import threading
import time

from attack import Target, run
import stun
from api_test import CALLING, Events, Service
from call_cli import Cli, client_env, heard, new_token, new_user, speech

RANDOM = random.Random(7)
MUTATIONS = 60

GOOD = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=ice-options:trickle ice2
m=audio 9 UDP/TLS/RTP/SAVPF 111 110
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:urgfyI5F
a=ice-pwd:VoSeV6812KdxjxAzRdiJZZd4
a=fingerprint:sha-256 A7:D3:A3:1C:91:35:BF:C0:06:39:C2:E7:E8:6A:2A:A5:9D:A1:BE:03:55:25:92:8A:95:76:A2:8F:87:52:EB:7B
a=setup:actpass
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:110 telephone-event/48000
a=ssrc:2468408899 cname:x
a=candidate:1 1 udp 2130706175 127.0.0.1 46314 typ host
""".replace("\n", "\r\n")


def changed(before, after):
    assert before in GOOD
    return GOOD.replace(before, after)


DESCRIPTIONS = [
    "", "v=0", "\r\n" * 1000, "v=0\r\n" * 2000, "x" * 60000, GOOD[:300], GOOD.replace("\r\n", "\n") * 20,
    changed("a=fingerprint", "a=fingerprnt"), changed("sha-256 A7", "sha-1 A7"), changed("A7:D3", "A7D3"), changed("A7:D3", "ZZ:ZZ"),
    changed(":52:EB:7B", ""), changed("urgfyI5F", "u"), changed("urgfyI5F", "u" * 5000), changed("urgfyI5F", "a b"),
    changed("VoSeV6812KdxjxAzRdiJZZd4", "short"), changed("UDP/TLS/RTP/SAVPF", "RTP/AVP"), changed("m=audio 9", "m=audio 0"),
    changed("m=audio 9", "m=audio 99999999999"), changed("m=audio", "m=text"), changed("a=rtcp-mux\r\n", ""),
    changed("opus/48000/2", "opus/0/0"), changed("opus/48000/2", "opus/99999999999999/2"), changed("rtpmap:111 opus", "rtpmap:999 opus"),
    changed("a=extmap:1 ", "a=extmap:0 "), changed("a=extmap:1 ", "a=extmap:-1 "), changed("a=setup:actpass", "a=setup:active\r\na=setup:passive"),
    changed("a=setup:actpass", "a=setup:holdconn"), changed("BUNDLE 0", "BUNDLE " + "0 " * 3000), changed("a=mid:0", "a=mid:" + "m" * 3000),
    changed("a=candidate:1", "a=candidate:" + "1" * 4000), changed("127.0.0.1 46314", "999.1.1.1 46314"), changed("127.0.0.1 46314", "127.0.0.1 0"),
    changed("127.0.0.1 46314", "evil.example 46314"), changed("127.0.0.1 46314", "224.0.0.1 46314"), changed("minptime=10", "minptime=-1;maxptime=0;x" + "=" * 3000),
    changed("ssrc:2468408899", "ssrc:99999999999999999999"), GOOD + GOOD, GOOD + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 500,
    GOOD + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 1500, changed("c=IN IP4 0.0.0.0", "c=IN IP6 ::ffff:0.0.0.0"),
    changed("s=-", "s=\u202e<script>alert(1)</script>"), changed("cname:x", "cname:" + "%s%n" * 200),
]

CANDIDATES = [
    "", "candidate:", "candidate:1 1 udp 1 1.2.3.4 5", "candidate:1 1 udp 1 ::1 5 typ host " + "x y " * 2000, "x" * 30000,
    "candidate:1 1 udp 99999999999 1.2.3.4 5 typ host", "candidate:1 2 udp 1 1.2.3.4 5 typ host", "candidate:1 1 sctp 1 1.2.3.4 5 typ host",
    "candidate:1 1 udp 1 host.local 5 typ host", "candidate:1 1 udp 1 1.2.3.4 70000 typ host", "candidate:1 1 udp 1 0.0.0.0 1 typ host",
    "candidate:1 1 tcp 1 127.0.0.1 1 typ host tcptype passive", "candidate:1 1 udp 1 127.0.0.1 22 typ srflx raddr x rport y",
    "candidate:1 1 udp 1 fe80::1%25lo 5 typ host", "candidate:\x01 1 udp 1 1.2.3.4 5 typ host",
]


def mutated():
    """Good descriptions with a few lines lost, doubled, swapped or garbled."""
    for _ in range(MUTATIONS):
        lines = GOOD.split("\r\n")
        for _ in range(RANDOM.randint(1, 5)):
            i, k = RANDOM.randrange(len(lines)), RANDOM.randrange(len(lines))
            what = RANDOM.randrange(4)
            if what == 0:
                del lines[i]
            elif what == 1:
                lines.insert(k, lines[i])
            elif what == 2:
                lines[i], lines[k] = lines[k], lines[i]
            elif lines[i]:
                at = RANDOM.randrange(len(lines[i]))
                lines[i] = lines[i][:at] + chr(RANDOM.randrange(32, 127)) + lines[i][at + 1:]
        yield "\r\n".join(lines)


class Attacker:
    """A device of raw requests."""

    def __init__(self, target):
        self.service = Service(target)
        self.user, self.token = self.service.user()
        self.endpoint = self.service.device(self.token, "<img src=x onerror=alert(1)>\u202e")
        self.events = Events(self.service, self.token, self.endpoint)

    def post(self, path, **body):
        return self.service.send("POST", f"{CALLING}/calls{path}", {"endpointId": self.endpoint, **body}, self.token)

    def call(self, user, sdp):
        """The call's id, or None when the service refused it with an error of its own."""
        answer = self.post("", targets=[{"rawId": user}], sdp=sdp)
        assert answer.status in (201, 400, 413), answer.status
        return answer.json["callId"] if answer.status == 201 else None

    def end_of(self, call):
        """Hangs up, and sees the call end, whoever was first; the other events that came."""
        answer = self.post(f"/{call}:hangup")
        assert answer.status in (204, 404, 409, 410), (answer.status, answer.json)
        seen = []
        while True:
            event = self.events.queue.get(timeout=10)
            seen.append(event["event"])
            if event["event"] in ("callEnded", "callRejected") and call in event["data"]:
                return seen


def listener(target):
    env = client_env(target)
    user = new_user(env)
    return user, Cli({**env, "CALLFLOW_TOKEN": new_token(env, user)}, "listen", "--answer")


def honest_call(target, user):
    with tempfile.TemporaryDirectory() as folder:
        sent = speech(folder, 5, 2)
        with Cli(client_env(target), "call", user, "--audio-in", sent, "--duration", "2") as call:
            call.expect("connected")
            status, err = call.finish()
            assert status == 0, err


def offers(target):
    """Each hostile offer is refused or the call comes to nothing; the listener takes the next honest call."""
    attacker = Attacker(target)
    user, phone = listener(target)
    with phone:
        phone.expect("ready")
        for sdp in [*DESCRIPTIONS, *mutated()]:
            call = attacker.call(user, sdp)
            if call:
                for text in RANDOM.sample(CANDIDATES, 3):
                    answer = attacker.post(f"/{call}:candidates", candidates=[{"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0}])
                    assert answer.status in (204, 400, 404, 409, 410), (answer.status, text[:80])
                attacker.end_of(call)
            assert phone.process.poll() is None, f"the listener died of {sdp[:300]!r}\n{phone.process.stderr.read()[-3000:]}"
        rung = phone.names().count("ringing") + phone.names().count("incoming")
        assert rung > len(DESCRIPTIONS) / 2, f"only {rung} of the offers came through"
        honest_call(target, user)
        phone.interrupt()
        status, err = phone.finish()
        assert status == 0 and "Sanitizer" not in err, err[-3000:]


def answers(target):
    """The callee is hostile: the caller's program ends by itself, in time, with a code and a reason."""
    attacker = Attacker(target)
    for sdp in [*DESCRIPTIONS[::3], *list(mutated())[::10]]:
        with Cli(client_env(target), "call", attacker.user, "--duration", "1") as call:
            id_ = attacker.events.take("incomingCall")["callId"]
            answer = attacker.post(f"/{id_}:accept", sdp=sdp)
            assert answer.status in (200, 204, 400, 413), answer.status
            if answer.status < 300:
                attacker.post(f"/{id_}:candidates", candidates=[{"candidate": RANDOM.choice(CANDIDATES), "sdpMid": "0"}])
                attacker.post(f"/{id_}:renegotiate", sdp=RANDOM.choice(DESCRIPTIONS), type="offer")
            else:
                attacker.post(f"/{id_}:reject", reason="declined")
            status, err = call.finish(60)
            assert status in (0, 1) and "Sanitizer" not in err and "runtime error" not in err, (status, err[-3000:])
            ended = call.events[-1]
            assert ended["event"] == "ended" and (ended["code"] or ended["reason"]), ended
        while not attacker.events.queue.empty():
            attacker.events.queue.get()


def junk_for(path):
    """What a stranger who knows address and port may send."""
    yield b"\x80\x6f" + os.urandom(170)                                        # RTP of a payload type in use
    yield b"\x80\xc8" + os.urandom(60)                                         # RTCP
    yield bytes.fromhex("15fefd0000000000000001000201 00".replace(" ", ""))    # DTLS close_notify
    yield bytes.fromhex("16fefd0000000000000000") + b"\x00\x40" + os.urandom(64)
    yield b"\x14\xfe\xfd" + os.urandom(20)
    user = stun.attribute(stun.USERNAME, b"abcd:efgh")
    yield stun.message(stun.BINDING, user, stun.attribute(0x0024, b"\x6e\xff\xff\xff"), stun.attribute(0x0025, b""), key=b"k" * 24, fingerprint=True)
    yield stun.message(stun.BINDING, fingerprint=True)
    yield stun.message(stun.BINDING | stun.SUCCESS, stun.attribute(0x0020, stun.xor_address("6.6.6.6", 666)))
    yield os.urandom(RANDOM.randrange(1, 1400))
    yield b""


def media_comes_from_the_peer_only(target):
    """RFC 8445 section 12: media and DTLS are taken from the validated pair only. Both sockets of a call are flooded with
    everything that could be mistaken for media, handshake or a check: it is heard as if nothing had been."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as v4, \
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as v6:
        sent = speech(folder, 6, 5)
        with Cli(client_env(target), "call", "8:echo123", "--audio-in", sent, "--audio-out", folder + "/got.wav", "--duration", "5") as call:
            path = call.expect("connected")["path"]
            over = threading.Event()

            def flood():
                while not over.is_set():
                    for end in (path["local"], path["remote"]):
                        sock = v6 if ":" in end["address"] else v4
                        for data in junk_for(path):
                            with contextlib.suppress(OSError):
                                sock.sendto(data, (end["address"], end["port"]))
                    time.sleep(0.002)
            thread = threading.Thread(target=flood)
            thread.start()
            try:
                status, err = call.finish()
            finally:
                over.set()
                thread.join()
            assert status == 0 and "Sanitizer" not in err, err
            ended = call.events[-1]
            assert ended["code"] == 0 and ended["stats"]["packetsLost"] < 10, ended
        heard(sent, folder + "/got.wav")


def forged_verbs(target):
    """Somebody who is not in the call gets no word of it, whatever the verb."""
    attacker = Attacker(target)
    with Cli(client_env(target), "call", "8:echo123", "--duration", "3") as call:
        id_ = call.expect("connected")["callId"]
        for verb, body in {"hangup": {}, "accept": {"sdp": GOOD}, "reject": {}, "renegotiate": {"sdp": GOOD, "type": "offer"},
                           "candidates": {"candidates": []}, "report": {"report": {}}}.items():
            assert attacker.post(f"/{id_}:{verb}", **body).status in (403, 404), verb
        for path in (f"/{id_}", f"/{id_}/trace"):
            assert attacker.service.send("GET", f"{CALLING}/calls{path}", token=attacker.token).status == 404, path
        status, err = call.finish()
        assert status == 0, err


TESTS = [offers, answers, media_comes_from_the_peer_only, forged_verbs]

if __name__ == "__main__":
    sys.exit(run(TESTS, Target))
