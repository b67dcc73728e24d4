#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The story of a real call: as JSON, in words and drawn, by the command line and by HTTP. Drawings are read by a real
XML parser, and names of strangers are text in them, whatever they are."""
import sys
import tempfile
import xml.etree.ElementTree

from api_test import CALLING, Service
from call_cli import Cli, answer, ask, client_env, new_token, new_user, wait_until
from daemon import Daemon

NAME = "</text><script>alert('1')</script>&\u202e"
SVG = "{http://www.w3.org/2000/svg}"
TAME = {f"{SVG}{tag}" for tag in ("svg", "title", "desc", "style", "rect", "path", "text", "circle")}


class World:
    def __init__(self, daemon, folder):
        self.service, self.env, self.folder = Service(daemon), client_env(daemon), folder
        self.user = new_user(self.env)
        self.token = new_token(self.env, self.user)
        env = self.env | {"CALLFLOW_ENDPOINT": daemon.endpoint, "CALLFLOW_TOKEN": self.token}
        with Cli(env, "call", "8:echo123", "--duration", "1", "--display-name", NAME) as cli:
            assert cli.finish()[0] == 0, str(cli)
            self.call = cli.expect("connected")["callId"]
        wait_until(lambda: "released" in str(answer(self.env, "trace", self.call, "--json")), "the relay's last word")

    def tell(self, *args):
        status, out, err = ask(self.env, "trace", self.call, *args, cwd=self.folder)
        assert (status, err) == (0, ""), (status, err)
        return out


def drawing(text):
    """(all that is written in it, its title) of a drawing that has nothing but what we draw with"""
    root = xml.etree.ElementTree.fromstring(text.encode())
    found = {element.tag for element in root.iter()}
    assert root.tag == f"{SVG}svg" and found <= TAME, found
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name]
    return [element.text for element in root.iter(f"{SVG}text")], root.find(f"{SVG}title").text


def in_words(world):
    """in words: who, when, every step, why, quality, the end"""
    out = world.tell()
    for wanted in (f"Call {world.call}", "calls Echo: an offer with", "It rings at Echo", "Echo accepts", "STUN ",
                   "A relay is allocated for", "Check host ", "DTLS: the media keys are agreed", "is connected: media goes",
                   "hears the first audio", "hangs up", "The call ends: ended by a participant (0/0)", "Why this path",
                   "There is no better kind of path", "Addresses of Echo", "Relays", "Quality", "round trip"):
        assert wanted in out, f"{wanted!r} is not in:\n{out}"
    assert "\x1b" not in out and "\u202e" not in out, out
    assert all(len(line) <= 160 for line in out.splitlines()), out


def drawn(world):
    """drawn: two pictures or one, well-formed, with the names as text"""
    network, title = drawing(world.tell("--svg", "network"))
    assert title.startswith("</text><script>alert('1')</script>&") and "straight from device to device, over UDP" in title
    for wanted in ("Signalling controller", "STUN service", "TURN service", "Media: from device to device, UDP", "Echo"):
        assert wanted in network, (wanted, network)
    world.tell("--svg", "ladder", "-o", "ladder.svg")
    with open(f"{world.folder}/ladder.svg", encoding="utf-8") as file:
        ladder, _ = drawing(file.read())
    assert any("DTLS" in text for text in ladder), ladder
    both, _ = drawing(world.tell("--svg"))
    assert set(network) | set(ladder) == set(both)


def asked_wrongly(world):
    """what cannot be is refused, by name"""
    status, _, err = ask(world.env, "trace", world.call, "--svg", "photo")
    assert status == 2 and "network, ladder or both" in err, (status, err)
    status, _, err = ask(world.env, "trace", "no-such-call")
    assert status == 1 and "no such call" in err, (status, err)
    status, _, err = ask(world.env, "trace", world.call, "-o", "/nowhere/at/all")
    assert status == 1 and "cannot be written" in err, (status, err)


def by_http(world):
    """by HTTP: the Accept header chooses; drawings run and load nothing"""
    target = f"{CALLING}/calls/{world.call}/trace"

    def get(accept, query="", token=world.token):
        return world.service.send("GET", target + query, token=token, headers={"Accept": accept})
    assert get("*/*").json["callId"] == world.call
    assert get("text/plain").headers["content-type"] == "text/plain; charset=utf-8"
    picture = get("image/svg+xml", "?picture=network")
    assert picture.status == 200 and picture.headers.get_content_type() == "image/svg+xml"
    assert "default-src 'none'" in picture.headers["content-security-policy"]
    assert get("image/png").status == 406
    assert get("image/svg+xml", "?picture=photo").status == 400
    assert get("text/plain", token=world.service.user()[1]).status == 404
    assert get("text/plain", token=False).status == 401


def main():
    tests, failed = [in_words, drawn, asked_wrongly, by_http], 0
    with Daemon() as daemon, tempfile.TemporaryDirectory() as folder:
        world = World(daemon, folder)
        print(f"1..{len(tests)}")
        for n, test in enumerate(tests, 1):
            try:
                test(world)
                print(f"ok {n} - {test.__doc__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {n} - {test.__doc__}\n# {type(error).__name__}: {error}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
