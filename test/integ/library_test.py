#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""libcallflow.so in a program of two devices: mute, hold and resume, keys, and what the API refuses."""
import contextlib
import sys
import tempfile

from call_cli import client_env, new_token, new_user, run, speech
from daemon import Daemon
from library_binding import Client, Type


@contextlib.contextmanager
def two_in_call(daemon, sounds):
    """Alice has called Bob; both speak for 20 s and hear each other."""
    env = client_env(daemon)
    bob_id = new_user(env)
    with Client(daemon.endpoint, new_token(env, new_user(env)), daemon.ca, "Alice") as alice, \
            Client(daemon.endpoint, new_token(env, bob_id), daemon.ca, "Bob") as bob:
        bob.expect(Type.SIGNED_IN)
        alice.call(bob_id, sounds[0])
        bob.accept(bob.expect(Type.INCOMING)["call"], sounds[1])
        alice.expect(Type.CONNECTED)
        bob.expect(Type.CONNECTED)
        alice.hears(True)
        bob.hears(True)
        yield alice, bob


def end(alice, bob):
    alice.hangup()
    for client in (alice, bob):
        ended = client.expect(Type.ENDED)
        assert (ended["code"], ended["completed"]) == (0, 1), ended


def muted(daemon, sounds):
    """mute: the peer hears silence, the muted one still hears; then both hear again"""
    with two_in_call(daemon, sounds) as (alice, bob):
        alice.mute(1)
        bob.hears(False)
        alice.hears(True)
        alice.mute(0)
        bob.hears(True)
        end(alice, bob)


def held(daemon, sounds):
    """hold: the peer is told, no audio either way; resumed, both hear again"""
    with two_in_call(daemon, sounds) as (alice, bob):
        for _ in range(2):
            alice.hold(1)
            assert bob.expect(Type.HOLD)["on"] == 1
            bob.hears(False)
            alice.hears(False)
            alice.hold(0)
            assert bob.expect(Type.HOLD)["on"] == 0
            bob.hears(True)
            alice.hears(True)
        end(alice, bob)


def held_by_callee(daemon, sounds):
    """the callee can hold as well, and hang up while it holds"""
    with two_in_call(daemon, sounds) as (alice, bob):
        bob.hold(1)
        assert alice.expect(Type.HOLD)["on"] == 1
        alice.hears(False)
        end(bob, alice)


def keys(daemon, sounds):
    """keys both ways in a call that speaks; wrong keys are refused"""
    with two_in_call(daemon, sounds) as (alice, bob):
        assert alice.dtmf("0*") >= 0 and bob.dtmf("9#") >= 0
        assert [bob.expect(Type.DTMF)["digit"] for _ in range(2)] == ["0", "*"]
        assert [alice.expect(Type.DTMF)["digit"] for _ in range(2)] == ["9", "#"]
        assert alice.dtmf("1x") < 0 and alice.dtmf("") < 0
        alice.hears(True)
        end(alice, bob)


def freed_in_call(daemon, sounds):
    """a client that is freed in a call: the peer gets ended at once"""
    with two_in_call(daemon, sounds) as (alice, bob):
        alice.__exit__()
        alice.handle = None
        ended = bob.expect(Type.ENDED, wait_s=5)
        assert (ended["code"], ended["completed"]) == (0, 1), ended


def second_call(daemon, sounds):
    """the same two clients call again after a call has ended"""
    with two_in_call(daemon, sounds) as (alice, bob):
        end(alice, bob)
        bob.call(alice.events[0]["peer"], sounds[0])
        alice.accept(alice.expect(Type.INCOMING)["call"])
        alice.expect(Type.CONNECTED)
        alice.hears(True)
        end(bob, alice)


def nothing_to_do(daemon, _):
    """without a call: hang-up, mute, hold and accept say so"""
    env = client_env(daemon)
    with Client(daemon.endpoint, new_token(env, new_user(env)), daemon.ca) as alice:
        alice.expect(Type.SIGNED_IN)
        for act in (alice.hangup, lambda: alice.mute(1), lambda: alice.hold(1), lambda: alice.accept(b"none"),
                    lambda: alice.reject(b"none", 0), lambda: alice.call("")):
            try:
                act()
            except AssertionError:
                continue
            raise AssertionError("was taken")


TESTS = [muted, held, held_by_callee, keys, freed_in_call, second_call, nothing_to_do]


def main():
    with Daemon() as daemon, tempfile.TemporaryDirectory() as folder:
        sounds = speech(folder, 1, 20), speech(folder, 2, 20)
        status = run(TESTS, lambda _: (daemon, sounds), at_once=3)
        if status:
            sys.stderr.write(daemon.log_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
