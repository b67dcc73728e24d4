# SPDX-License-Identifier: Apache-2.0
"""Calls by a server behind a cloud's 1:1 NAT, which has other addresses than the world knows and does not turn packets
round: what it tells of itself must be the public side, and two of its relays must reach each other all the same."""
import calls
import cases
from lab import CLOUD, SERVER, Lab

CASES = ("public-public", "port-restricted-port-restricted", "symmetric-symmetric", "port-restricted-udp-blocked",
         "udp-blocked-only-443-only-relay", "full-restricted-only-relay")


class CloudDesk(calls.Desk):
    addresses = tuple(f"{public}/{own}" for public, own in zip(SERVER, CLOUD))
    console = "core"

    def make_lab(self):
        return Lab(cloud=True)

    def stop(self):
        result = super().stop()
        result.pair = f"cloud-{result.pair}"
        return result

    def make_result(self, case):
        return calls.Result(f"cloud-{case.name}", str(case.path))


def choose(only, telling):
    return cases.choose(only or CASES, telling)


def run(chosen, build, jobs, as_json, keep):
    return calls.run(chosen, build, jobs, as_json, keep, CloudDesk)
