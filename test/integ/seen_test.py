#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator sees: /metrics by the rules of its format, health, logs without secrets, the dashboard, the unit."""
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from call_cli import Cli, client_env, new_token, new_user, run, speech, wait_until
from daemon import ROOT, Daemon
from daemon_test import end, in_call
from operate_test import Stream, lab, refused
from signed import get, signed

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match and match[1] not in found, f"labels: {text}"
        found[match[1]] = match[2]
        at = match.end()
    return found


def check_histogram(family, samples):
    series = {}
    for name, labels, value in samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        series.setdefault(key, []).append((name, labels.get("le"), value))
    for rows in series.values():
        buckets = [(float(le), value) for name, le, value in rows if name == family + "_bucket"]
        assert [b[0] for b in buckets] == sorted({b[0] for b in buckets}) and buckets[-1][0] == float("inf"), buckets
        assert [b[1] for b in buckets] == sorted(b[1] for b in buckets), buckets
        rest = {name: value for name, _, value in rows if not name.endswith("_bucket")}
        assert set(rest) == {family + "_sum", family + "_count"} and rest[family + "_count"] == buckets[-1][1], rest


def parse(text):
    """{(name, labels): value} of an exposition in format 0.0.4; strict, and with Prometheus' habits of naming."""
    families, values, family = {}, {}, None
    assert text.endswith("\n") and "\n\n" not in text
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in families and len(line.split()) > 3, f"twice, or no help: {line}"
            families[family] = [None, []]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == family and families[family][0] is None and kind in ("counter", "gauge", "histogram"), line
            assert NAME.fullmatch(name) and (kind != "counter") == (not name.endswith("_total")), f"not named by the convention: {line}"
            assert not re.search(r"_(ms|us|millis|kb)(_|$)", name), f"base units only: {line}"
            families[family][0] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            labels = labels_of(labels or "")
            kind, samples = families[family]
            wanted = [family + end_ for end_ in ("_bucket", "_sum", "_count")] if kind == "histogram" else [family]
            assert name in wanted, f"{name} below {family}"
            samples.append((name, labels, float(value)))
            key = (name, tuple(sorted(labels.items())))
            assert key not in values, f"twice: {line}"
            values[key] = float(value)
    for family, (kind, samples) in families.items():
        assert kind, family
        if kind == "histogram":
            check_histogram(family, samples)
    return values


def scrape(daemon):
    answer = signed(daemon, "GET", "/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers
    return parse(answer.text)


def total(values, name, **labels):
    return sum(value for (n, found), value in values.items() if n == name and labels.items() <= dict(found).items())


def counted(folder, sounds):
    """/metrics is well-formed, and counts what happened: packets relayed, calls, endings, paths, requests"""
    with lab(folder) as daemon:
        stream = Stream(daemon)
        stream.flows()
        there = stream.stop()
        assert refused(daemon, "nobody") == 401
        with in_call(daemon, sounds) as (alice, bob):
            now = scrape(daemon)
            assert total(now, "callflow_calls", state="connected") == 1 and total(now, "callflow_endpoints") >= 2
            assert total(now, "callflow_event_streams") >= 2
            wait_until(lambda: total(scrape(daemon), "callflow_paths_total", kind="direct") == 2, "both reports")
            end(alice, bob)
        now = wait_until(lambda: (lambda v: v if total(v, "callflow_call_legs_ended_total", code="0") == 2 else None)(scrape(daemon)), "endings")
        for side, direction in (("client", "in"), ("client", "out"), ("peer", "in"), ("peer", "out")):
            ways = {"transport": "udp", "side": side, "direction": direction}
            assert total(now, "callflow_relay_packets_total", **ways) >= there, (ways, there)
            assert total(now, "callflow_relay_bytes_total", **ways) >= there * 160
        assert total(now, "callflow_relay_allocations", transport="udp") >= 1
        assert total(now, "callflow_relay_challenges_total") >= 2
        assert total(now, "callflow_call_setup_seconds_count") >= 1
        assert total(now, "callflow_http_requests_total", route="/calling/2026-11-01/calls", status="201") == 1
        assert total(now, "callflow_store_commit_seconds_count") > 0 and total(now, "process_resident_memory_bytes") > 1e6
        assert {dict(labels)["worker"] for name, labels in now if name == "callflow_worker_lag_seconds"} == {"0", "1"}
        later = scrape(daemon)
        assert total(later, "callflow_http_requests_total", route="/metrics") > total(now, "callflow_http_requests_total", route="/metrics")
        stream.release()


def loopback_port(_, __):
    """listen.metrics serves metrics and health without key or TLS, and nothing else"""
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    number = port.getsockname()[1]
    port.close()
    with Daemon([f"listen.metrics=127.0.0.1:{number}"]) as daemon:
        def ask(path):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{number}{path}", timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, ""
        status, text = ask("/metrics")
        assert status == 200 and parse(text)
        assert ask("/healthz")[0] == 200 and ask("/readyz")[0] == 200
        assert ask("/openapi.yaml")[0] == 404 and ask("/calling/2026-11-01/usage")[0] == 404
        assert get(daemon, "/metrics").status == 401


def dashboard(_, __):
    """every metric of the dashboard is one that /metrics has"""
    board = json.loads((ROOT / "packaging" / "grafana" / "callflow.json").read_text())
    with Daemon() as daemon:
        text = signed(daemon, "GET", "/metrics").text
        signed(daemon, "GET", "/metrics")
        text = signed(daemon, "GET", "/metrics").text
    families = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    used = {name for panel in board["panels"] for target in panel["targets"]
            for name in re.findall(r"\b(?:callflow|process)_[a-z0-9_]+", target["expr"])}
    missing = {name for name in used if name not in families and re.sub(r"_(bucket|sum|count)$", "", name) not in families}
    assert used and not missing, sorted(missing)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def logs(_, sounds):
    """at level debug, as JSON: one object a line, and no token, credential, password, key or ICE secret in any"""
    with Daemon(["log.level=debug", "log.json=true", "relay.users={static: statically-secret}"]) as daemon:
        env = client_env(daemon)
        secrets = {daemon.key, "statically-secret"}
        token = new_token(env, new_user(env))
        secrets.add(token)
        with open(f"{daemon.state}/secrets", encoding="utf-8") as file:
            secrets |= {line.split("=", 1)[1].strip() for line in file if "=" in line and not line.startswith(("#", "resource"))}
        with Cli(env, "call", "8:echo123", "--token", token, "--ice-transport", "relay", "--duration", "0.5") as cli:
            assert cli.finish()[0] == 0, str(cli)
            call = next(event["callId"] for event in cli.events if event.get("callId"))
        answer = signed(daemon, "POST", "/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview", b"{}")
        secrets |= {server["credential"] for server in json.loads(answer.text)["iceServers"] if server.get("credential")}
        trace = signed(daemon, "GET", f"/calling/2026-11-01/calls/{call}/trace").text
        with in_call(daemon, sounds) as (alice, bob):
            end(alice, bob)
        daemon.stop()
        text = daemon.log_text()
        for line in text.splitlines():
            row = json.loads(line)
            assert {"time", "level", "room", "message"} <= set(row), line
        steps = [row["message"] for row in map(json.loads, text.splitlines()) if row.get("callId") == call and row["level"] == "info"]
        assert [step.split(":")[0] for step in steps] == ["started", "connected", "ended"], steps
        assert "8:echo123" in steps[0] and "relayed over udp" in steps[1] and "(0/0)" in steps[2], steps
        for where, what in (("log", text), ("trace", trace)):
            found = [secret[:8] for secret in secrets if len(secret) > 7 and secret in what]
            assert not found, f"{where}: a secret that begins with {found}"
        assert not re.search(r"ice-pwd|a=crypto|BEGIN [A-Z ]*PRIVATE KEY|accesskey=", text, re.I)


def unit(_, __):
    """the systemd unit is well-formed and its sandbox is tight"""
    path = ROOT / "packaging" / "systemd" / "callflowd.service"
    text = path.read_text()
    for words in ("ExecReload=", "StateDirectory=callflow", "DynamicUser=yes", "TimeoutStopSec=", "ProtectSystem=strict",
                  "NoNewPrivileges=yes", "SystemCallFilter=", "RestrictAddressFamilies="):
        assert words in text, words
    if not shutil.which("systemd-analyze"):
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = f"{folder}/callflowd.service"
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text.replace("/usr/bin/callflowd", "/bin/true"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "callflowd.service" not in done.stderr, done.stderr
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", copy], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-600:] + done.stderr


TESTS = [counted, loopback_port, dashboard, logs, unit]


def main():
    with tempfile.TemporaryDirectory(prefix="callflow-test-") as folder:
        sounds = speech(folder, 1, 20), speech(folder, 2, 20)
        return run(TESTS, lambda own: (own, sounds), at_once=2)


if __name__ == "__main__":
    sys.exit(main())
