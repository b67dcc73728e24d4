#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""callflowd as an operator sees it: its options and errors, signals, and a crash in the middle of a call."""
import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from call_cli import Cli, answer, ask, client_env, new_token, new_user, run, speech, usage, wait_until
from daemon import PORTS, PROGRAM, Daemon, new_certificate
from library_binding import Client, Type

ECHO = "8:echo123"


def callflowd(folder, *args, config=None):
    """Runs a daemon that is meant to end at once. (exit status, stdout, stderr)"""
    if config is not None:
        with open(f"{folder}/callflowd.yaml", "w", encoding="utf-8") as file:
            file.write(config)
        args = ("--config", f"{folder}/callflowd.yaml", *args)
    done = subprocess.run([str(PROGRAM), *args], cwd=folder, capture_output=True, text=True, timeout=10,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr


def dev(folder, *settings):
    return ["--dev", "--json", "--state", folder, *(word for setting in settings for word in ("--set", setting))]


@contextlib.contextmanager
def in_call(daemon, sounds):
    """Alice has called Bob; both speak for 20 s and hear each other."""
    env = client_env(daemon)
    bob_id = new_user(env)
    with Client(daemon.endpoint, new_token(env, new_user(env)), daemon.ca) as alice, \
            Client(daemon.endpoint, new_token(env, bob_id), daemon.ca) as bob:
        bob.expect(Type.SIGNED_IN)
        alice.call(bob_id, sounds[0])
        bob.accept(bob.expect(Type.INCOMING)["call"], sounds[1])
        alice.expect(Type.CONNECTED)
        bob.expect(Type.CONNECTED)
        both_hear(alice, bob)
        yield alice, bob


def both_hear(alice, bob, frames=25):
    alice.hears(True, frames)
    bob.hears(True, frames)


def end(alice, bob):
    alice.hangup()
    for client in (alice, bob):
        ended = client.expect(Type.ENDED)
        assert (ended["code"], ended["completed"]) == (0, 1), ended


def helps(folder, _):
    """--help, --version, --help-config"""
    status, out, err = callflowd(folder, "--help")
    assert status == 0 and "--dev" in out and "--help-config" in out and not err
    status, out, _ = callflowd(folder, "--version")
    assert status == 0 and out.startswith("callflowd ") and out.split()[1][0].isdigit(), out
    status, out, _ = callflowd(folder, "--help-config")
    assert status == 0 and "setup_timeout" in out and "allow_peers" in out, out
    status, out, err = callflowd(folder)
    assert status == 2 and "--dev" in err and not out
    status, _, err = callflowd(folder, "--nothing")
    assert status == 2 and "--nothing" in err


def bad_configuration(folder, _):
    """an unknown key names its line and the nearest key; wrong values name key and value"""
    status, _, err = callflowd(folder, config="roles: [signal]\nrelay:\n  quota_per_usr: 3\n")
    assert status == 2 and "3" in err and "quota_per_usr" in err and "quota_per_user" in err.replace("quota_per_usr", "", 1), err
    for setting, *words in (("relay.enabld=true", "relay.enabled"), ("workers=many", "workers", "whole number"), ("workers", "="),
                            ("listen.https=nowhere", "listen.https"), ("calls.setup_timeout=1ms", "calls.setup_timeout"),
                            ("roles=[cook]", "roles", "cook")):
        status, out, err = callflowd(folder, *dev(folder, *PORTS, setting))
        assert status == 2 and not out and all(word in err for word in words), (setting, status, err)
    for setting, *words in (("resource.name=UPPER", "resource.name"), ("store=pg:there", "sqlite:FILE"), ("media.ports=50000-50001", "overlap"),
                            ("tls.key=k.pem", "tls.certificate")):
        status, out, err = callflowd(folder, *dev(folder, *PORTS, setting))
        assert status == 2 and not out and all(word in err for word in words), (setting, status, err)
    status, _, err = callflowd(folder, "--config", f"{folder}/none.yaml")
    assert status == 2 and "none.yaml" in err, err
    status, _, err = callflowd(folder, config="workers: 1\nroles: [signal\n")
    assert status == 2 and "callflowd.yaml:" in err, err


def shares(kind):
    """A socket of another program that would share its port, as a second daemon would."""
    other = socket.socket(socket.AF_INET, kind)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    other.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        other.listen()
    return other


def checked(folder, _):
    """--check looks at text, certificate and keys, and leaves nothing behind"""
    state = os.path.join(folder, "state")
    with Daemon() as daemon:
        good = f"tls: {{certificate: {daemon.state}/server.pem, key: {daemon.state}/server.key}}\nstate_dir: {state}\n"
        status, out, err = callflowd(folder, "--check", config=good)
        assert status == 0 and "good" in out and not err, (out, err)
        for text, *words in ((good.replace("server.key", "ca.key"), "certificate:", "ca.key"), (good.replace("server.pem", "none.pem"), "none.pem"),
                             (good + "resource: {access_key: short}\n", "resource.access_key"), (good + "frob: 1\n", "frob")):
            status, out, err = callflowd(folder, "--check", config=text)
            assert status in (1, 2) and not out and all(word in err for word in words), (text, status, err)
    assert not os.path.exists(state)


def port_in_use(folder, _):
    """a port that is in use: the error names the address, exit status 1"""
    for make, *keys in ((lambda: socket.create_server(("127.0.0.1", 0)), "listen.https", "listen.turn_tls", "listen.stun"),
                        (lambda: shares(socket.SOCK_STREAM), "listen.https", "listen.turn_tls", "listen.stun"),
                        (lambda: shares(socket.SOCK_DGRAM), "listen.turn_tls", "listen.stun")):
        with make() as other:
            refused(folder, other.getsockname()[1], keys)


def refused(folder, port, keys):
    for key in keys:
        settings = [row for row in PORTS if not row.startswith(key)]
        status, out, err = callflowd(folder, *dev(folder, *settings, f"{key}=127.0.0.1:{port}"))
        assert status == 1 and not out and f"127.0.0.1:{port}" in err and "in use" in err.lower(), (key, status, err)


def state_in_use(folder, _):
    """a folder of state that cannot be written: an error that names it"""
    path = f"{folder}/file"
    with open(path, "w", encoding="utf-8"):
        pass
    status, out, err = callflowd(folder, *dev(f"{path}/state", *PORTS))
    assert status == 1 and not out and path in err, (status, err)


def file_limit(_, __):
    """A soft limit of the shell does not bind: the hard one is what counts"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    try:
        with Daemon() as daemon:
            limit = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
            assert limit == (hard, hard), limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def idle_end(_, __):
    """SIGTERM without a call: ends with 0 at once, also with a device signed in"""
    with Daemon() as daemon:
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(5) == 0
    with Daemon() as daemon, Cli(client_env(daemon), "listen") as listener:
        listener.expect("ready")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(5) == 0
        listener.interrupt()
        assert listener.finish(10)[0] == 1  # it had no call


def draining(_, sounds):
    """SIGTERM in a call: no new calls, the call goes on, the daemon ends with 0 when the call does"""
    with Daemon() as daemon:
        env = client_env(daemon)
        token = new_token(env, new_user(env))
        with in_call(daemon, sounds) as (alice, bob):
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining" in daemon.log_text(), "draining")
            with Cli(env, "call", ECHO, "--token", token) as refused:
                assert refused.finish()[0] == 1, str(refused)
                assert "connected" not in refused.names() and refused.events[-1]["reason"], str(refused)
            both_hear(alice, bob)
            assert daemon.process.poll() is None
            end(alice, bob)
            assert daemon.process.wait(5) == 0


def draining_cut(_, sounds):
    """a second SIGTERM ends at once; the media of a direct call go on, relay use is not lost"""
    with Daemon() as daemon:
        with in_call(daemon, sounds) as (alice, bob):
            daemon.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining" in daemon.log_text(), "draining")
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(5) == 0
            both_hear(alice, bob, 100)
            daemon.start()
            call = alice.call_id()
            rows = usage(client_env(daemon), call, "relay")
            assert rows and all(row["ended"] for row in rows), rows
            end(alice, bob)


def reload(_, sounds):
    """SIGHUP: the call goes on, new ones are taken"""
    with Daemon() as daemon:
        with in_call(daemon, sounds) as (alice, bob):
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "certificate loaded anew" in daemon.log_text(), "reload")
            both_hear(alice, bob)
            with Cli(client_env(daemon), "call", ECHO, "--duration", "0.3") as cli:
                assert cli.finish()[0] == 0, str(cli)
            end(alice, bob)


def renewed(folder, _):
    """SIGHUP serves a new certificate; one that is none leaves the old one in use"""
    files = [f"{folder}/tls.pem", f"{folder}/tls.key"]

    def renew():
        return new_certificate(*files)

    first = renew()
    with Daemon([f"tls.certificate={files[0]}", f"tls.key={files[1]}"]) as daemon:
        host, port = daemon.endpoint.removeprefix("https://").split(":")

        def served():
            return ssl.get_server_certificate((host, int(port)), timeout=10)
        assert served() == first
        second = renew()
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: served() == second, "the new certificate")
        with open(files[0], "w", encoding="utf-8") as file:
            file.write("no certificate")
        before = len(daemon.log_text())
        daemon.process.send_signal(signal.SIGHUP)
        assert "tls.pem" in wait_until(lambda: daemon.log_text()[before:], "a line of log")
        assert served() == second


def reconfigured(folder, _):
    """SIGHUP reads the configuration anew: what can change does, what cannot is named, nonsense changes nothing"""
    path = os.path.join(folder, "reconfigured.yaml")

    def write(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    write("relay: {enabled: true}\n")
    with Daemon(config=path) as daemon:
        def relayed():
            with Cli(client_env(daemon), "call", ECHO, "--ice-transport", "relay", "--duration", "0.3") as cli:
                return cli.finish()[0] == 0

        def hup(words):
            before = len(daemon.log_text())
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: words in daemon.log_text()[before:], words)

        assert relayed()
        write("relay: {enabled: false, realm: other}\n")
        hup("relay.realm has changed: that takes a restart")
        hup("configuration and certificate loaded anew")
        assert not relayed()
        write("relay: {enabled: maybe}\n")
        hup("the configuration in force stays")
        assert not relayed()
        write("relay: {enabled: true}\n")
        hup("configuration and certificate loaded anew")
        assert relayed()


def crash(_, sounds):
    """kill -9 in a call: media go on, devices come back to the restarted daemon, the call can be hung up"""
    with Daemon() as daemon:
        env = client_env(daemon)
        user = new_user(env)
        with in_call(daemon, sounds) as (alice, bob):
            call = alice.call_id()
            daemon.kill()
            both_hear(alice, bob, 50)
            daemon.start()
            end(alice, bob)
            # Behind the end comes nothing but that the service is back.
            assert all(e["call"] is None for c in (alice, bob) for e in c.events[c.at:]), (alice.events, bob.events)
        # Users and tokens are there, the usage of the call too, and the devices were signed out in order.
        with Cli(env, "call", ECHO, "--token", new_token(env, user), "--duration", "0.3") as cli:
            assert cli.finish()[0] == 0, str(cli)
        legs = wait_until(lambda: usage(env, call, "leg"), "usage")
        assert len(legs) == 2 and all(row["ended"] and row["code"] == 0 for row in legs), legs
        kinds = [entry["kind"] for entry in answer(env, "trace", call, "--json")["entries"]]
        assert kinds[0] == "started" and kinds.count("ended") == 1 and "report" in kinds, kinds


def old_token(_, __):
    """a token from before a crash is good after it, a revoked one is not; keys and CA are the same"""
    with Daemon() as daemon:
        env = client_env(daemon)
        user, other = new_user(env), new_user(env)
        token, revoked = new_token(env, user), new_token(env, other)
        assert ask(env, "token", "revoke", other)[0] == 0
        ready = daemon.ready
        daemon.kill()
        daemon.start()
        assert {**daemon.ready, "pid": 0} == {**ready, "pid": 0}, (daemon.ready, ready)
        with Cli(env, "call", ECHO, "--token", token, "--duration", "0.3") as cli:
            assert cli.finish()[0] == 0, str(cli)
        with Cli(env, "call", ECHO, "--token", revoked, "--duration", "0.3") as cli:
            assert cli.finish()[0] == 1 and "401" in str(cli), str(cli)


def gone(_, sounds):
    """hanging up while the daemon is away: the caller's call ends at once, the callee's with its media"""
    with Daemon() as daemon:
        with in_call(daemon, sounds) as (alice, bob):
            daemon.kill()
            alice.hangup()
            alice.expect(Type.ENDED, wait_s=5)
            # DTLS says goodbye where the service cannot.
            ended = bob.expect(Type.ENDED, wait_s=10)
            assert (ended["code"], ended["subcode"]) == (0, 0), ended


def client_env_file(_, __):
    """var/client.env is for its owner alone, and goes with the daemon"""
    with Daemon() as daemon:
        path = os.path.join(daemon.state, "client.env")
        assert os.stat(path).st_mode & 0o077 == 0
        assert daemon.stop() == 0
        assert not os.path.exists(path)


TESTS = [gone, helps, bad_configuration, checked, port_in_use, state_in_use, file_limit, idle_end, draining, draining_cut, reload, renewed, reconfigured, crash,
         old_token, client_env_file]


def main():
    with tempfile.TemporaryDirectory(prefix="callflow-test-") as folder:
        sounds = speech(folder, 1, 20), speech(folder, 2, 20)
        return run(TESTS, lambda own: (own, sounds), at_once=4)


if __name__ == "__main__":
    sys.exit(main())
