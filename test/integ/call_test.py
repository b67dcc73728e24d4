#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls between real programs through a real daemon, all on loopback: what is heard, what events say, how calls end."""
import base64
import contextlib
import hmac
import json
import os
import sys
import wave

import numpy as np

from call_cli import Cli, answer, ask, audio, client_env, heard, new_token, new_user, run, speech, usage, wait_until
from daemon import Daemon
from library_binding import Client, Type

ECHO = "8:echo123"
END_KEYS = {"packetsSent", "bytesSent", "packetsReceived", "bytesReceived", "loss", "jitterMs", "rttMs", "firstAudioMs"}


def check_path(path, kind, relays):
    assert (path["kind"], path["transport"], path["relays"]) == (kind, "udp", relays), path
    for end in ("local", "remote"):
        assert set(path[end]) == {"type", "address", "port"} and path[end]["port"] > 0, path
    assert path["why"], path


def check_connected(event, kind="direct", relays=0):
    check_path(event["path"], kind, relays)
    assert 0 <= event["iceMs"] <= event["setupMs"] < 15000, event


def check_ended(event, code=0, subcode=0):
    assert (event["code"], event["subcode"]) == (code, subcode), event
    assert event["reason"], event


def listener(daemon, folder, *args):
    cli = Cli(client_env(daemon), "listen", *args, cwd=folder)
    return cli, cli.expect("ready")["peer"]


def echo(daemon, folder):
    """echo call: the sound comes back, events and their fields are as documented"""
    sent, got = speech(folder, 1, 3), f"{folder}/heard.wav"
    with Cli(client_env(daemon), "call", ECHO, "--audio-in", sent, "--audio-out", got) as cli:
        status, err = cli.finish()
        assert (status, err) == (0, ""), (status, err, str(cli))
        # "ready" is of the device, which may place the call before its event stream is open.
        call = [event for event in cli.events if event["event"] not in ("ready", "path")]
        assert [event["event"] for event in call] == ["ringing", "connecting", "connected", "inputEnded", "ended"], str(cli)
        assert len({event["callId"] for event in call}) == 1 and {event["peer"] for event in call} == {ECHO}, str(cli)
        assert cli.names().count("ready") == 1, str(cli)
        connected = cli.expect("connected")
        check_connected(connected)
        ended = cli.expect("ended")
    check_ended(ended)
    stats = ended["stats"]
    assert END_KEYS <= set(stats) and stats["packetsSent"] >= 150 and stats["packetsReceived"] >= 140, stats
    assert stats["bytesReceived"] > 1000 and 0 <= stats["loss"] < 0.1 and 0 < stats["rttMs"] < 500, stats
    assert connected["setupMs"] <= stats["firstAudioMs"] < 15000, stats
    result = heard(sent, got)
    assert result["gapsMs"] <= 100 and result["matchedMs"] >= 2500, result


def echo_without_settings(daemon, folder):
    """echo call without any settings, from the folder of var/client.env"""
    os.symlink(daemon.state, f"{folder}/var")
    env = {"PATH": os.environ["PATH"]}
    with Cli(env, "call", ECHO, "--duration", "0.5", cwd=folder) as cli:
        assert cli.finish()[0] == 0, str(cli)
    status, _, err = ask(env, "call", ECHO, cwd="/")
    assert status == 1 and "callflowd --dev" in err, err


def echo_text(daemon, folder):
    """echo call without --json: text for people"""
    status, out, err = ask(client_env(daemon), "call", ECHO, "--duration", "0.3", cwd=folder)
    assert status == 0 and not err, err
    assert "Connected in" in out and "direct over udp" in out and "Ended (0/0)" in out, out


def talk(daemon, folder):
    """two users talk: both hear each other, both exit with 0"""
    mine, yours = speech(folder, 11, 3), speech(folder, 12, 3)
    bob, bob_id = listener(daemon, folder, "--answer", "--audio-in", yours, "--audio-out", f"{folder}/bob.wav",
                           "--display-name", "Bob")
    with bob, Cli(client_env(daemon), "call", bob_id, "--audio-in", mine, "--audio-out", f"{folder}/alice.wav",
                  "--display-name", "Alice \"A\" Ünal", "--duration", "4") as alice:
        ringing = bob.expect("ringing")
        assert ringing["direction"] == "incoming" and ringing["peerName"] == "Alice \"A\" Ünal", ringing
        assert ringing["callId"] == alice.expect("ringing")["callId"]
        check_connected(alice.expect("connected"))
        check_connected(bob.expect("connected"))
        assert alice.finish()[0] == 0, str(alice)
        assert bob.finish()[0] == 0, str(bob)
        check_ended(alice.expect("ended"))
        check_ended(bob.expect("ended"))
    heard(mine, f"{folder}/bob.wav")
    heard(yours, f"{folder}/alice.wav")


def relayed(daemon, folder):
    """relay only: heard, usage by call with client and peer side apart, the whole trace"""
    mine, yours = speech(folder, 21, 2), speech(folder, 22, 2)
    env = client_env(daemon)
    bob, bob_id = listener(daemon, folder, "--answer", "--audio-in", yours, "--audio-out", f"{folder}/bob.wav")
    with bob, Cli(env, "call", bob_id, "--audio-in", mine, "--audio-out", f"{folder}/alice.wav", "--ice-transport", "relay",
                  "--duration", "3") as alice:
        connected = alice.expect("connected")
        assert connected["path"]["kind"] == "relayed" and connected["path"]["local"]["type"] == "relay", connected
        call_id = connected["callId"]
        assert alice.finish()[0] == 0 and bob.finish()[0] == 0, f"{alice}\n{bob}"
        received = alice.expect("ended")["stats"]["packetsReceived"]
    heard(mine, f"{folder}/bob.wav")
    heard(yours, f"{folder}/alice.wav")
    rows = wait_until(lambda: [r for r in usage(env, call_id, "relay") if r["user"] != bob_id and r["ended"]], "usage")
    assert {row["transport"] for row in rows} == {"udp"}, rows
    big = max(rows, key=lambda row: row["peerInPackets"])
    assert big["clientOutPackets"] >= 0.9 * received and big["peerInPackets"] >= 0.9 * received, (big, received)
    # Towards the client every packet has a ChannelData or STUN header more.
    assert big["clientOutBytes"] > big["peerInBytes"] > 3000 and big["clientInBytes"] > big["peerOutBytes"] > 3000, big
    assert len(usage(env, call_id, "leg")) == 2
    check_trace(answer(env, "trace", call_id, "--json"), call_id)


def check_trace(trace, call_id):
    assert trace["callId"] == call_id
    entries = trace["entries"]
    kinds = [entry["kind"] for entry in entries]
    # What the other side and the relay have to say comes after the end.
    assert kinds[0] == "started" and kinds.count("ended") == 1, kinds
    assert {"accepted", "candidates", "report", "hangup", "released"} <= set(kinds), kinds
    assert [entry["seq"] for entry in entries] == sorted(entry["seq"] for entry in entries)
    candidates = [entry for entry in entries if entry["kind"] == "candidates"]
    assert any("typ relay" in text for entry in candidates for text in entry["detail"]["candidates"]), candidates
    reports = [entry["detail"]["report"] for entry in entries if entry["kind"] == "report"]
    assert {"connected", "ended"} <= {report["kind"] for report in reports}, reports
    # Media need not wait for the nomination: at the beginning its answer may still be under way.
    for report, word in ((reports[0], "selected"), (reports[-1], "nominated")):
        assert any(pair[word] and pair["state"] == "succeeded" for pair in report["pairs"]), (word, report["pairs"])
    assert entries[kinds.index("ended")]["detail"]["code"] == 0, entries


def two_devices(daemon, folder):
    """two devices of a user ring, one answers, the other is told 487/10003"""
    env = client_env(daemon)
    user = new_user(env)
    first, _ = listener(daemon, folder, "--token", new_token(env, user), "--calls", "1")
    second, _ = listener(daemon, folder, "--token", new_token(env, user), "--calls", "1")
    with first, second, Cli(env, "call", user, "--duration", "0.5") as alice:
        first.expect("ringing")
        second.expect("ringing")
        second.process.stdin.write("\n")
        second.process.stdin.flush()
        check_ended(first.expect("ended"), 487, 10003)
        assert first.finish()[0] == 1
        assert alice.finish()[0] == 0 and second.finish()[0] == 0, f"{alice}\n{second}"
        assert "connected" in second.names() and "connected" not in first.names()


def refusal(daemon, busy_flags, code, subcode):
    """A device for each flag; each declines so."""
    env = client_env(daemon)
    user = new_user(env)
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(Client(daemon.endpoint, new_token(env, user), daemon.ca)) for _ in busy_flags]
        for device in devices:
            device.expect(Type.SIGNED_IN)
        alice = stack.enter_context(Cli(env, "call", user))
        for device, busy_flag in zip(devices, busy_flags):
            assert "ended" not in alice.names(), str(alice)
            device.reject(device.expect(Type.INCOMING)["call"], busy_flag)
            assert not device.expect(Type.ENDED)["completed"]
        check_ended(alice.expect("ended"), code, subcode)
        assert alice.finish()[0] == 1


def declined(daemon, _):
    """the only device declines: 603, exit status 1"""
    refusal(daemon, [0], 603, 0)


def all_declined(daemon, _):
    """both devices decline: 487/10024"""
    refusal(daemon, [0, 0], 487, 10024)


def busy(daemon, _):
    """the only device is busy: 486"""
    refusal(daemon, [1], 486, 0)


def cancelled(daemon, folder):
    """the caller cancels while it rings: 487/0 on both sides, exit status 1"""
    bob, bob_id = listener(daemon, folder, "--calls", "1")
    with bob, Cli(client_env(daemon), "call", bob_id) as alice:
        bob.expect("ringing")
        alice.expect("ringing")
        alice.interrupt()
        check_ended(bob.expect("ended"), 487, 0)
        check_ended(alice.expect("ended"), 487, 0)
        assert alice.finish()[0] == 1 and bob.finish()[0] == 1


def unreachable(daemon, folder):
    """a callee without devices: 480/10037; a user or a name that does not exist: an error that says so"""
    env = client_env(daemon)
    user = new_user(env)
    with Cli(env, "call", user) as cli:
        assert cli.finish()[0] == 1
        check_ended(cli.expect("ended"), 480, 10037)
    resource = user.removeprefix("8:acs:").split("_")[0]
    for target in (f"8:acs:{resource}_00000000-0000-4000-8000-000000000000", "nonsense", "4:+491234"):
        with Cli(env, "call", target) as cli:
            status, _ = cli.finish()
            ended = cli.expect("ended")
            assert status == 1 and ended["code"] >= 400 and ended["reason"], f"{target}: {cli}"


def callee_leaves(daemon, folder):
    """the callee hangs up: both get ended 0, both exit with 0"""
    bob, bob_id = listener(daemon, folder, "--answer", "--calls", "1", "--duration", "0.5")
    with bob, Cli(client_env(daemon), "call", bob_id) as alice:
        check_ended(alice.expect("ended"))
        check_ended(bob.expect("ended"))
        assert alice.finish()[0] == 0 and bob.finish()[0] == 0


def keys(daemon, folder):
    """--dtmf 12#A arrives as events, in order"""
    bob, bob_id = listener(daemon, folder, "--answer", "--calls", "1")
    with bob, Cli(client_env(daemon), "call", bob_id, "--dtmf", "12#A", "--duration", "3") as alice:
        assert [bob.expect("dtmf")["digit"] for _ in range(4)] == list("12#A")
        assert alice.finish()[0] == 0 and bob.finish()[0] == 0
        assert bob.names().count("dtmf") == 4, str(bob)


def muted(daemon, folder):
    """--mute: the peer hears silence"""
    bob, bob_id = listener(daemon, folder, "--answer", "--audio-out", f"{folder}/bob.wav")
    with bob, Cli(client_env(daemon), "call", bob_id, "--mute", "--audio-in", speech(folder, 31, 2), "--duration", "2") as alice:
        assert alice.finish()[0] == 0 and bob.finish()[0] == 0
    sound, rate = audio.read(f"{folder}/bob.wav")
    assert len(sound) > rate, len(sound)
    # The first moments may have left before the CLI heard that it is connected.
    level = np.sqrt(np.mean(sound[rate // 2:] ** 2))
    assert level < 0.001, level


def wav_formats(daemon, folder):
    """WAV files of 8 kHz and of 44.1 kHz stereo are sent"""
    narrow = speech(folder, 41, 2, 8000)
    stereo, sound = f"{folder}/stereo.wav", audio.generate(42, 2, 44100)
    with wave.open(stereo, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((np.stack([sound, sound], axis=1) * 32767).astype("<i2").tobytes())
    bob, bob_id = listener(daemon, folder, "--answer", "--audio-in", stereo, "--audio-out", f"{folder}/bob.wav")
    with bob, Cli(client_env(daemon), "call", bob_id, "--audio-in", narrow, "--audio-out", f"{folder}/alice.wav",
                  "--duration", "3") as alice:
        assert alice.finish()[0] == 0 and bob.finish()[0] == 0, f"{alice}\n{bob}"
    heard(narrow, f"{folder}/bob.wav")
    heard(stereo, f"{folder}/alice.wav")


def bad_input(daemon, folder):
    """a sound file that is missing or none, wrong options: an error, not a call"""
    env = client_env(daemon)
    with open(f"{folder}/x.wav", "w", encoding="utf-8") as file:
        file.write("this is no sound")
    for args, text in ((("--audio-in", f"{folder}/none.wav"), "none.wav"), (("--audio-in", f"{folder}/x.wav"), "x.wav"),
                       (("--ice-transport", "x"), "relay"), (("--duration", "x"), "number"), (("--nothing",), "unknown option")):
        status, _, err = ask(env, "call", ECHO, *args)
        assert status in (1, 2) and text in err, (args, status, err)


def expired(daemon, token):
    """The token as it will be when its time is over: signed with the daemon's own secret."""
    def decode(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    with open(f"{daemon.state}/secrets", encoding="utf-8") as file:
        master = next(line.split("=", 1)[1].strip() for line in file if line.startswith("master="))
    secret = hmac.digest(base64.b64decode(master), b"callflow user token\x01", "sha256")
    header, payload, signature = token.split(".")
    assert hmac.digest(secret, f"{header}.{payload}".encode(), "sha256") == decode(signature)
    claims = json.loads(decode(payload))
    claims |= {"iat": claims["iat"] - 90000, "exp": claims["exp"] - 90000}
    signed = header + "." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return signed + "." + base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha256")).decode().rstrip("=")


def bad_tokens(daemon, folder):
    """a token that is expired, garbage or revoked: a clear error, exit status 1"""
    env = client_env(daemon)
    user = new_user(env)
    token = new_token(env, user)
    # The CLI promises that revocation is in force when it returns.
    assert ask(env, "token", "revoke", user)[0] == 0
    late = expired(daemon, new_token(env, new_user(env)))
    for bad, text in ((token, "revoked"), (late, "expired"), ("garbage", "401"), (token[:-4] + "AAAA", "401")):
        for command in (("call", ECHO), ("listen",)):
            with Cli(env, *command, "--token", bad) as cli:
                status, err = cli.finish()
                assert status == 1 and text in (json.dumps(cli.events) + err).lower(), f"{text}: {cli} {err}"


def bad_service(daemon, folder):
    """a wrong CA, a wrong access key, no daemon: a clear error, exit status 1"""
    env = client_env(daemon)
    wrong_key = env | {"CALLFLOW_CONNECTION_STRING": f"endpoint={daemon.endpoint}/;accesskey=MTIzNDU2Nzg5MDEyMzQ1Ng=="}
    nobody = env | {"CALLFLOW_CONNECTION_STRING": f"endpoint=https://127.0.0.1:1/;accesskey={daemon.key}"}
    no_ca = {name: value for name, value in env.items() if name != "CALLFLOW_CA"}
    missing_ca = env | {"CALLFLOW_CA": f"{folder}/none.pem"}
    cases = (wrong_key, "signature"), (nobody, "connect"), (no_ca, "certificate"), (missing_ca, "none.pem")
    for bad, text in cases:
        for command in (("call", ECHO), ("user", "create")):
            status, out, err = ask(bad, *command, cwd=folder)
            assert status == 1 and text in (out + err).lower(), f"{command} wants {text}: {status} {out} {err}"
    token = new_token(env, new_user(env))
    for bad, text in ((nobody, "connect"), (no_ca, "certificate"), (missing_ca, "none.pem")):
        status, out, err = ask(bad, "call", ECHO, "--token", token, cwd=folder)
        assert status == 1 and text in (out + err).lower(), f"with token wants {text}: {status} {out} {err}"


def many(daemon, folder):
    """20 calls at once to the echo bot"""
    env = client_env(daemon)
    calls = [Cli(env, "call", ECHO, "--duration", "2") for _ in range(20)]
    try:
        for cli in calls:
            cli.expect("connected")
        assert all(cli.finish()[0] == 0 for cli in calls)
        for cli in calls:
            stats = cli.expect("ended")["stats"]
            assert stats["packetsReceived"] >= 80, str(cli)
    finally:
        for cli in calls:
            cli.__exit__()


def no_answer(_, folder):
    """nobody answers within calls.setup_timeout: 487/10004, exit status 1"""
    with Daemon(["calls.setup_timeout=1s"]) as daemon:
        bob, bob_id = listener(daemon, folder, "--calls", "1")
        with bob, Cli(client_env(daemon), "call", bob_id) as alice:
            check_ended(alice.expect("ended"), 487, 10004)
            check_ended(bob.expect("ended"), 487, 10004)
            assert alice.finish()[0] == 1 and bob.finish()[0] == 1


TESTS = [echo, echo_without_settings, echo_text, talk, relayed, two_devices, declined, all_declined, busy, cancelled, unreachable,
         callee_leaves, keys, muted, wav_formats, bad_input, bad_tokens, bad_service, no_answer]


def main():
    with Daemon() as daemon:
        status = run(TESTS + [many], lambda folder: (daemon, folder), at_once=4)
        if status:
            sys.stderr.write(daemon.log_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
