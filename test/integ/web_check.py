#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The web workspace: types that follow the API's description, strict TypeScript, API docs, and a package that a fresh project can use."""
import gzip
import os
import pathlib
import shutil
import subprocess
import sys

from call_cli import run
from daemon import ROOT, need

WEB = ROOT / "web"
BIN = WEB / "node_modules" / ".bin"
BUNDLE_MAX = 60000
MAIN = """import { AzureCommunicationTokenCredential } from '@azure/communication-common';
import { CallClient, Features, LocalVideoStream, VideoStreamRenderer, type Call } from '@callflow/calling';

async function start(token: string, callee: string): Promise<Call> {
	const client = new CallClient({ endpoint: 'https://127.0.0.1:8443' });
	const agent = await client.createCallAgent(new AzureCommunicationTokenCredential(token), { displayName: 'Ann' });
	const [camera] = await (await client.getDeviceManager()).getCameras();
	const call = agent.startCall([{ communicationUserId: callee }], { videoOptions: { localVideoStreams: camera ? [new LocalVideoStream(camera)] : [] } });
	call.on('stateChanged', () => console.log(call.state, call.callEndReason?.code));
	call.feature(Features.CallPath).on('pathChanged', (path) => console.log(path?.kind));
	call.remoteParticipants[0]?.on('videoStreamsUpdated', async ({ added }) => {
		for (const stream of added)
			document.body.append((await new VideoStreamRenderer(stream).createView()).target);
	});
	return call;
}

Object.assign(globalThis, { start });
"""
CONFIG = '{"compilerOptions": {"strict": true, "target": "ES2022", "module": "ES2022", "moduleResolution": "Bundler", "noEmit": true, ' \
         '"lib": ["ES2022", "DOM", "DOM.Iterable"], "skipLibCheck": true, "types": []}, "include": ["main.ts"]}'


def tool(*command, cwd=WEB):
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout


def types_are_current(_):
    """the types of the REST client are those of docs/api/openapi.yaml (else: npm run types, in web)"""
    want = "// SPDX-License-Identifier: Apache-2.0\n" + tool("openapi-typescript", "../docs/api/openapi.yaml")
    assert (WEB / "sdk" / "src" / "schema.ts").read_text(encoding="utf-8").strip() == want.strip()


def strict(_):
    """SDK and page pass the compiler, strict, and nothing in them is of type any"""
    for project in ("sdk", "page"):
        tool("tsc", "--noEmit", "-p", project)
    for path in [*(WEB / "sdk" / "src").rglob("*.ts"), *(WEB / "page" / "src").rglob("*.ts")]:
        text = path.read_text(encoding="utf-8")
        assert path.name == "schema.ts" or ": any" not in text and "as any" not in text and "@ts-" not in text, path


def docs(folder):
    """API docs are made without a warning, and name the classes"""
    tool("typedoc", "--options", "sdk/typedoc.config.mjs", "--out", folder)
    for name in ("CallClient", "CallAgent", "Call", "IncomingCall", "DeviceManager", "LocalVideoStream", "VideoStreamRenderer"):
        assert (pathlib.Path(folder) / "classes" / f"{name}.html").exists(), name


def parsers(folder):
    """events from the network: cut, checked, passed over"""
    entry, bundle = pathlib.Path(folder) / "parsers.ts", pathlib.Path(folder) / "parsers.mjs"
    entry.write_text("".join(f"export {{ {name} }} from '{WEB}/sdk/src/{file}.js';\n"
                             for name, file in (("EventParser", "event-stream"), ("parseEvent", "events"))))
    tool("esbuild", str(entry), "--bundle", "--format=esm", f"--outfile={bundle}")
    done = subprocess.run(["node", "--test", str(ROOT / "test" / "integ" / "web" / "parse.mjs")], env={**os.environ, "PARSERS": str(bundle)},
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "# pass 5" in done.stdout, done.stdout


def package(folder):
    """npm pack makes a package with which a fresh Vite project builds, types and all, below 60 KB"""
    copy, project = pathlib.Path(folder) / "web", pathlib.Path(folder) / "project"
    shutil.copytree(WEB, copy, symlinks=True, ignore=shutil.ignore_patterns("node_modules", "dist", "docs"))
    shutil.copy(ROOT / "LICENSE", folder)
    (copy / "node_modules").symlink_to(WEB / "node_modules")
    tarball = copy / "sdk" / tool("npm", "pack", "--silent", cwd=copy / "sdk").strip().splitlines()[-1]
    listed = subprocess.run(["tar", "-tzf", tarball], capture_output=True, text=True, check=True).stdout
    for name in ("dist/index.js", "dist/index.d.ts", "README.md", "LICENSE"):
        assert f"package/{name}\n" in listed, listed
    assert "schema.ts" not in listed and "node_modules" not in listed, listed
    fresh(project, tarball)
    size = sum(len(gzip.compress(path.read_bytes())) for path in (project / "dist" / "assets").glob("*.js"))
    print(f"# a page with the SDK and the credential: {size} bytes compressed")
    minified = tool("esbuild", str(copy / "sdk" / "dist" / "index.js"), "--minify", cwd=folder)
    print(f"# the SDK alone: {len(gzip.compress(minified.encode()))} bytes compressed")
    assert len(gzip.compress(minified.encode())) < BUNDLE_MAX


def fresh(project, tarball):
    """What a developer does: an empty folder, the package beside others from the lock file's versions, a page."""
    modules = project / "node_modules"
    (modules / "@callflow" / "calling").mkdir(parents=True)
    subprocess.run(["tar", "-xzf", tarball, "--strip-components=1", "-C", modules / "@callflow" / "calling"], check=True)
    for path in (WEB / "node_modules").iterdir():
        if path.name not in ("@callflow", ".bin"):
            (modules / path.name).symlink_to(path)
    (project / "package.json").write_text('{"name": "fresh", "private": true, "type": "module"}\n')
    (project / "index.html").write_text('<!doctype html><script type="module" src="/main.ts"></script>\n')
    (project / "main.ts").write_text(MAIN)
    (project / "tsconfig.json").write_text(CONFIG)
    tool("tsc", "-p", ".", cwd=project)
    tool("vite", "build", "--logLevel", "warn", cwd=project)


def main():
    need(shutil.which("node") and shutil.which("npm"), "there is no node")
    need(BIN.exists(), "npm ci was not run in web")
    return run([types_are_current, strict, docs, parsers, package], lambda folder: (folder,))


if __name__ == "__main__":
    sys.exit(main())
