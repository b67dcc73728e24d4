#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the CLI says to people: help, what is wrong with settings and how to mend it, exit statuses."""
import os
import subprocess
import sys

from call_cli import CLI, client_env, run
from daemon import Daemon


def callflow(env, *args):
    done = subprocess.run([str(CLI), *args], env={"PATH": os.environ["PATH"], **env}, cwd="/", capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout, done.stderr


def groups(_, __):
    """a word that begins several commands lists them; an unknown word is named"""
    status, out, err = callflow({}, "user", "--help")
    assert status == 0 and "user create" in out and "user delete" in out and "token issue" not in out and not err
    status, out, err = callflow({}, "token", "frob")
    assert status == 2 and 'no command "token frob"' in err and "token issue" in err and not out
    for word in ("frob", "us", "call-"):
        status, out, err = callflow({}, word)
        assert status == 2 and f'no command "{word}"' in err and not out, err
    assert "every command" in callflow({}, "trace", "--help")[1]


def settings(_, daemon):
    """wrong settings are answered with what to write"""
    env = client_env(daemon)
    status, _, err = callflow({}, "user", "create")
    assert status == 1 and "CALLFLOW_CONNECTION_STRING" in err
    for junk in ("junk", "endpoint=http://127.0.0.1/;accesskey=AAAA", "endpoint=https://127.0.0.1/"):
        status, _, err = callflow({"CALLFLOW_CONNECTION_STRING": junk}, "user", "create")
        assert status == 1 and "endpoint=https://HOST/;accesskey=KEY" in err, err
    for words in (("user", "create"), ("usage",), ("trace", "c"), ("call", "8:echo123")):
        status, _, err = callflow({**env, "CALLFLOW_CA": ""}, *words)
        assert status == 1 and "CALLFLOW_CA" in err, err
        status, _, err = callflow({**env, "CALLFLOW_CA": "/nowhere"}, *words)
        assert status == 1 and "/nowhere" in err and "CALLFLOW_CA" not in err, err
    status, _, err = callflow(env, "usage", "--csv", "--json")
    assert status == 2 and "not both" in err


def told_once(_, daemon):
    """a call's first path is told once; a call that never began has no statistics"""
    env = client_env(daemon)
    status, out, _ = callflow(env, "call", "8:echo123", "--duration", "0.3")
    paths = [line for line in out.splitlines() if " -> " in line]
    assert status == 0 and paths and all(one != other for one, other in zip(paths, paths[1:])), out
    with subprocess.Popen([str(CLI), "listen", "--answer", "--calls", "1"], env={**env, "PATH": os.environ["PATH"]}, cwd="/",
                          stdout=subprocess.PIPE, text=True) as listener:
        user = listener.stdout.readline().split()[-1]
        assert callflow(env, "call", user, "--duration", "0.5")[0] == 0
        heard = listener.stdout.read()
    paths = [line for line in heard.splitlines() if " -> " in line]
    assert paths and all(one != other for one, other in zip(paths, paths[1:])), heard
    user = callflow(env, "user", "create")[1].strip()
    status, out, _ = callflow(env, "call", user)
    assert status == 1 and "(480/10037)" in out and "packets" not in out, out


def drawn_without_a_word(_, daemon):
    """trace --svg CALL: the call's id is not taken for a kind of drawing"""
    env = client_env(daemon)
    out = callflow(env, "call", "8:echo123", "--duration", "0.3")[1]
    call = out.split("Call ")[1].split(",")[0]
    for words in (("--svg", call), (call, "--svg"), ("--svg", "network", call), ("--svg=both", call)):
        status, out, err = callflow(env, "trace", *words)
        assert status == 0 and "<svg" in out, err
    status, _, err = callflow(env, "trace", call, "--svg=frob")
    assert status == 2 and "network, ladder or both" in err


def refused(_, daemon):
    """what cannot be played or pressed is said before anybody's phone rings"""
    env = client_env(daemon)
    status, out, err = callflow(env, "call", "8:echo123", "--dtmf", "12x")
    assert status == 2 and "12x" in err and not out, (out, err)
    status, out, err = callflow(env, "call", "8:echo123", "--audio-in", "/etc/passwd")
    assert status == 1 and "/etc/passwd: no sound file" in err and "ringing" not in out, (out, err)


def aligned(_, daemon):
    """the table of usage keeps its columns"""
    env = client_env(daemon)
    assert callflow(env, "call", "8:echo123", "--duration", "0.3", "--ice-transport", "relay")[0] == 0
    lines = callflow(env, "usage")[1].splitlines()
    at = lines[0].index("startedOn")
    assert len(lines) > 3 and all(line[at:at + 2] == "20" for line in lines[1:]), "\n".join(lines)


TESTS = [groups, settings, told_once, drawn_without_a_word, refused, aligned]


if __name__ == "__main__":
    with Daemon() as the_daemon:
        sys.exit(run(TESTS, lambda folder: (folder, the_daemon)))
