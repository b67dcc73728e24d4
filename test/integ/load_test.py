#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""callflow load against a real daemon: members that are good, refusals at each limit, shedding, and members that come and go
for a while without leaving anything behind."""
import os
import re
import sys

from call_cli import Cli, client_env, run
from daemon import Daemon


def load(daemon, *args, status=0, wait_s=120):
    """What the command says at its end, and of each member that it reports."""
    cli = Cli(client_env(daemon), "load", *args)
    got, err = cli.finish(wait_s)
    members = [event for event in cli.events if event["event"] == "member"]
    assert got == status, (got, err, members[:3], cli.events[-1:])
    return cli.events[-1] if cli.events[-1]["event"] == "load" else \
        next(event for event in reversed(cli.events) if event["event"] == "load"), members


def one_call(daemon, folder):
    """forty members in one call: each hears the three who talk"""
    told, members = load(daemon, "--members", "40", "--rate", "40", "--duration", "5", "--listen", "6", "--each")
    assert (told["members"], told["joined"], told["faults"]) == (40, 40, 0), told
    assert told["listened"] == told["recognising"] >= 6, told
    assert len(members) == 40
    for one in members:
        assert one["named"] >= 2 and one["packetsReceived"] > 150, one
    print(f"# media after {told['setupP50Ms']} ms, longest {told['setupMaxMs']} ms; {told['lostPercent']} % lost")


def several_calls(daemon, folder):
    """six calls of five, each with pictures: nobody hears another call"""
    told, members = load(daemon, "--calls", "6", "--members", "5", "--talkers", "2", "--video", "1", "--video-kbps", "500", "--rate", "40",
                         "--duration", "5", "--each")
    assert (told["joined"], told["faults"]) == (30, 0), told
    assert len({one["call"] for one in members}) == 6
    # Two talk in each call: a member that were named more would hear another call.
    assert all(one["named"] <= 2 for one in members), members
    assert sum(one["videoPackets"] > 100 for one in members) == 24, members
    assert told["videoLostPercent"] < 1, told
    print(f"# a picture's packet takes {told['delayP50Us']} us")


def refused(_, folder):
    """a call that is full, a node that is full: who is in stays, who is not is told"""
    with Daemon(["media.members_per_call=8", "media.members=12"]) as daemon:
        told, members = load(daemon, "--members", "10", "--duration", "2", status=1)
        assert (told["joined"], told["refused"], told["faults"]) == (8, 2, 0), told
        told, members = load(daemon, "--calls", "2", "--members", "7", "--duration", "2", "--each", status=1)
        assert (told["joined"], told["refused"], told["faults"]) == (12, 2, 0), told
        whys = {one["why"] for one in members if one["joins"] == 0}
        assert len(whys) == 1 and re.search(r"503, Retry-After \d", whys.pop()), whys


def shed(_, folder):
    """a worker that is busy takes nobody new, and those who are in hear well"""
    with Daemon(["workers=1", "media.max_load=2"]) as daemon:
        told, members = load(daemon, "--members", "120", "--talkers", "20", "--rate", "40", "--duration", "4", "--each", "--listen", "0", status=1)
        assert told["joined"] >= 10 and told["refused"] >= 10, told
        assert told["joined"] + told["refused"] == 120 and told["faults"] == 0, told
        # The first ones came in, the last ones did not.
        assert members[0]["joins"] == 1 and members[-1]["joins"] == 0, told
        print(f"# {told['joined']} are in, {told['refused']} were told to come later; longest silence {told['longestSilenceMs']} ms")


def memory(daemon):
    """Resident bytes and open descriptors of the daemon."""
    pid = daemon.process.pid
    with open(f"/proc/{pid}/status") as file:
        kilobytes = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
    return 1024 * kilobytes, len(os.listdir(f"/proc/{pid}/fd"))


def soak(_, folder):
    """members come and go, call after call: memory and descriptors stay as they were"""
    with Daemon() as daemon:
        marks = []
        for _ in range(4):
            told, _ = load(daemon, "--calls", "3", "--members", "10", "--talkers", "2", "--video", "1", "--video-kbps", "300", "--rate", "60", "--churn",
                           "15", "--duration", "6", "--listen", "0", "--max-loss", "5", "--max-silence", "2000")
            assert told["failed"] == 0, told
            marks.append(memory(daemon))
        print(f"# {[(size >> 20, n) for size, n in marks]} MiB and descriptors")
        # What the first round needs may stay for the next ones; then no more is needed.
        assert marks[3][0] < marks[1][0] + (4 << 20), marks
        assert marks[3][1] <= marks[1][1] + 4, marks


def nonsense(daemon, folder):
    """what makes no sense is said, and nothing is started"""
    env = client_env(daemon)
    for args, word in ((("--members", "0"), "no sense"), (("--members", "1.5"), "whole"), (("--group", "x", "--calls", "2"), "no sense"),
                       (("--members", "9999"), "at most")):
        cli = Cli(env, "load", *args)
        status, err = cli.finish(20)
        assert status != 0 and word in err, (args, status, err)
    status, err = Cli({"PATH": env["PATH"], "HOME": folder}, "load", cwd=folder).finish(20)
    assert status != 0 and "connection string" in err, err


TESTS = [one_call, several_calls, refused, shed, soak, nonsense]


def main():
    with Daemon() as daemon:
        status = run(TESTS, lambda folder: (daemon, folder))
        if status:
            sys.stderr.write(daemon.log_text())
    return status


if __name__ == "__main__":
    sys.exit(main())
