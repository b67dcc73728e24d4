# SPDX-License-Identifier: Apache-2.0
"""A callflowd of one's own for a test: in a folder and on ports of its own, gone at the end."""
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CALLFLOW_BUILD", ROOT / "build")) / "callflowd"
PORTS = ["listen.https=127.0.0.1:0", "listen.stun=127.0.0.1:0", "listen.turn_tls=127.0.0.1:0"]


def need(condition, reason):
    """Skips the whole test program, in TAP, unless the condition holds."""
    if not condition:
        print(f"1..0 # skip {reason}")
        sys.exit(0)


def new_certificate(certificate, key):
    """Writes a certificate for 127.0.0.1, its own authority, and its key into the two files. Its text."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    with open(certificate, encoding="utf-8") as file:
        return file.read()


class Daemon:
    def __init__(self, settings=(), config=None):
        need(PROGRAM.exists(), f"{PROGRAM} is not built")
        self.state = tempfile.mkdtemp(prefix="callflow-test-")
        self.settings = [*PORTS, *settings]
        self.config = config
        self.process = None
        self.start()

    def start(self):
        command = [str(PROGRAM), "--dev", "--json", "--state", self.state]
        if self.config:
            command += ["--config", self.config]
        for setting in self.settings:
            command += ["--set", setting]
        self.log = open(os.path.join(self.state, "log"), "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log)
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise RuntimeError("callflowd did not get ready")
        self.ready = json.loads(line)
        self.endpoint = self.ready["endpoint"]
        self.ca = self.ready["ca"]
        self.key = self.ready["connectionString"].split("accesskey=")[1]
        # A second start has to come back on the same ports, as in production.
        self.settings[0] = "listen.https=" + self.endpoint.removeprefix("https://")
        self.settings[1] = "listen.stun=" + self.ready["stun"]
        self.settings[2] = "listen.turn_tls=" + self.ready["turn"][-1].removeprefix("turns:").split("?")[0]

    def kill(self):
        """As a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self):
        """Ends it in order; gives the exit status, or None if it had to be killed."""
        if self.process and self.process.poll() is None:
            for _ in range(2):  # the second ends what drains
                self.process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None
        if not self.log.closed:
            self.log.close()
        return self.process.returncode

    def log_text(self):
        with open(os.path.join(self.state, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)
