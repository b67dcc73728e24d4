#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Browsers: from the call button to the first picture through real NATs, the size of the SDK, and how soon the page is ready."""
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import part

sys.dont_write_bytecode = True
sys.path.insert(0, str(part.ROOT / "netlab"))
os.environ.setdefault("CALLFLOW_BUILD", str(part.BUILD))
import browsers  # noqa: E402
import calls  # noqa: E402
import cases  # noqa: E402
import lab  # noqa: E402
from setup import CHROMIUM, ROWS  # noqa: E402

SIZE_BAR = 60000
PAGE = """
import { goTo, openBrowser } from 'WEB/browser.mjs';
const { browser, close } = await openBrowser({ ignoreHTTPSErrors: true });
const page = await browser.newPage(), found = [];
for (let i = 0; i < 6; i++) {
	await goTo(page, process.argv[2]);
	await page.waitForSelector('#sign-in:not([hidden])');
	found.push(await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())))));
}
console.log(JSON.stringify(found));
await close();
"""


class Desk(browsers.Desk):
    def rounds(self, case, n):
        """The caller's figures of n calls behind the first, which warms both browsers up."""
        folder = os.path.join(self.folder, case.name)
        os.makedirs(folder)
        a, b, away = cases.build(self.lab, case)
        try:
            (_, token_a), (user_b, token_b) = self.user(), self.user()
            words = ["--rounds", str(n + 1)]
            callee = browsers.browser(self, b, "chromium", token_b, ["listen", *words], folder)
            if not callee.wait("ready", 30):
                raise RuntimeError(f"{case.name}: b did not sign in: {callee.last_words()}")
            caller = browsers.browser(self, a, "chromium", token_a, ["call", "--target", user_b, *words], folder)
            caller.wait("ended", 30 + 5 * n)
            callee.child.terminate()
            for program in (caller, callee):
                program.finish(calls.END_S)
            return [event for event in caller.events if event.get("event") == "round"][1:]
        finally:
            away()

    def page(self):
        """Milliseconds from the beginning of a load to the first frame that a person can use: cold, then from the cache."""
        script = os.path.join(self.folder, "page.mjs")
        with open(script, "w", encoding="utf-8") as file:
            file.write(PAGE.replace("WEB", browsers.WEB))
        env = {**os.environ, "CHROMIUM": shutil.which("chromium"), "HOME": self.folder}
        done = subprocess.run(self.lab.command("srv", ["node", script, f"https://{lab.SERVER[0]}:443/"]), env=env, capture_output=True,
                              text=True, timeout=60, check=True)
        return json.loads(done.stdout)


def size(folder):
    path = os.path.join(folder, "small.js")
    subprocess.run(["esbuild", str(part.ROOT / "web" / "sdk" / "src" / "index.ts"), "--bundle", "--minify", "--format=esm", "--target=es2020",
                    "--log-level=warning", f"--outfile={path}"], check=True)
    with open(path, "rb") as file:
        return len(gzip.compress(file.read()))


def first_pictures(desk, args):
    for what, name, connected, frame in ROWS:
        if connected is None or args.only not in what:
            continue
        part.progress(what)
        found = desk.rounds(cases.choose([name], False)[0], 2 if args.quick else 7)
        if not found:
            raise RuntimeError(f"{name}: no call")
        for title, field, theirs in (("connected", "connectedMs", connected), ("first picture", "firstFrameMs", frame)):
            part.row("web", f"call button to {title}: {what}", "ms", statistics.median(one[field] for one in found), CHROMIUM, theirs, bar=1,
                     note="theirs: from createOffer, without a service" if title == "connected" else "")


def main():
    args = part.options(__doc__)
    if browsers.missing():
        part.row("web", f"left out: there is no {browsers.missing()}", "", None)
        return 0
    if os.geteuid():
        sys.exit("web: needs root: it makes network namespaces")
    lab.guard()
    folder = tempfile.mkdtemp(prefix="callflow-bench-")
    desk = Desk(str(part.BUILD), folder)
    try:
        part.row("web", "the SDK, minified and compressed", "bytes", size(folder), bar=SIZE_BAR)
        desk.serve(True)
        cold, *warm = desk.page()
        part.row("web", "page load to ready, first visit", "ms", cold)
        part.row("web", "page load to ready, from the cache", "ms", statistics.median(warm))
        first_pictures(desk, args)
        desk.stop()
    finally:
        desk.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
