# SPDX-License-Identifier: Apache-2.0
"""The CLI at the side of a daemon: programs whose events a test waits for, and a runner of tests that goes on after a
failure. What is started here has no settings but those given, and ends with the test."""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from daemon import PROGRAM, ROOT

sys.path.insert(0, str(ROOT / "test" / "harness"))
import audio  # noqa: E402

CLI = PROGRAM.parent / "callflow"
WAIT_S = 20


def client_env(daemon):
    return {"PATH": os.environ["PATH"], "CALLFLOW_CONNECTION_STRING": daemon.ready["connectionString"], "CALLFLOW_CA": daemon.ca}


class Cli:
    """One run of the CLI with --json. expect() goes through its events in order."""

    def __init__(self, env, *args, cwd="/"):
        self.args, self.events, self.at, self.over = args, [], 0, False
        self.changed = threading.Condition()
        self.process = subprocess.Popen([str(CLI), *args, "--json"], env=env, cwd=cwd, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def expect(self, name, wait_s=WAIT_S):
        """The next event of that name; those before it are passed over."""
        def there():
            while self.at < len(self.events):
                self.at += 1
                if self.events[self.at - 1]["event"] == name:
                    return True
            return self.over
        with self.changed:
            found = self.changed.wait_for(there, wait_s)
            if found and self.at and self.events[self.at - 1]["event"] == name:
                return self.events[self.at - 1]
        raise AssertionError(f"no event {name}: {self}")

    def names(self):
        return [event["event"] for event in self.events]

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def finish(self, wait_s=WAIT_S):
        """(exit status, what it wrote to stderr) once it has ended by itself."""
        try:
            status = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {wait_s} s: {self}") from None
        with self.changed:
            self.changed.wait_for(lambda: self.over, 5)
        return status, self.process.stderr.read()

    def __str__(self):
        events = "".join(f"\n  {event}" for event in self.events)
        return f"callflow {' '.join(self.args)}{events}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def ask(env, *args, cwd="/"):
    """Runs the CLI to its end. (exit status, stdout, stderr)"""
    done = subprocess.run([str(CLI), *args], env=env, cwd=cwd, capture_output=True, text=True, timeout=WAIT_S,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr


def answer(env, *args):
    status, out, err = ask(env, *args)
    assert status == 0, f"callflow {' '.join(args)}: {status} {err}"
    return json.loads(out)


def new_user(env):
    return answer(env, "user", "create", "--json")["id"]


def new_token(env, user):
    return answer(env, "token", "issue", user, "--json")["token"]


def usage(env, call_id, kind):
    status, out, err = ask(env, "usage", "--json", "--call", call_id, "--kind", kind)
    assert status == 0, f"callflow usage: {status} {err}"
    return [json.loads(line) for line in out.splitlines()]


def wait_until(condition, what, wait_s=WAIT_S):
    """For what no event tells of: asks again until it holds."""
    end = time.monotonic() + wait_s
    while not (result := condition()):
        assert time.monotonic() < end, f"{what}: not within {wait_s} s"
        time.sleep(0.02)
    return result


def speech(folder, seed, seconds, rate=48000):
    path = os.path.join(folder, f"sent-{seed}-{rate}.wav")
    audio.write(path, audio.generate(seed, seconds, rate), rate)
    return path


def heard(sent, got, least=0.5):
    result = audio.check(sent, got)
    assert result["correlation"] >= least, f"{pathlib.Path(got).name}: {result}"
    return result


def run(tests, make_args, at_once=1):
    """Runs each test with make_args(folder of its own), some at once, and says how it went. The exit status."""
    def one(test):
        with tempfile.TemporaryDirectory(prefix="callflow-test-") as folder:
            start = time.monotonic()
            try:
                test(*make_args(folder))
                return None, time.monotonic() - start
            except Exception:  # a failure is told, and the others run
                return traceback.format_exc(limit=-4), time.monotonic() - start

    bad = 0
    print(f"1..{len(tests)}")
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for n, (test, (failure, seconds)) in enumerate(zip(tests, pool.map(one, tests)), 1):
            bad += failure is not None
            print(f"{'not ok' if failure else 'ok'} {n} - {test.__doc__ or test.__name__} ({seconds:.1f} s)")
            if failure:
                print("# " + failure.replace("\n", "\n# "))
            sys.stdout.flush()
    return 1 if bad else 0
