// SPDX-License-Identifier: Apache-2.0
// One end of a call in a browser, used as the CLI is: prints an event a line, as JSON. Video both ways.
//
//   caller.mjs listen|call [--target ID] [--browser chromium|firefox] [--sdk FILE] [--audio-in WAV] [--audio-out WAV] [--duration S] [--no-video]
//
// CALLFLOW_ENDPOINT and CALLFLOW_TOKEN as with the CLI.
import fs from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { goTo, openBrowser, openFirefox } from './browser.mjs';
import { wav } from './native.mjs';

const { values: options, positionals: [role] } = parseArgs({ allowPositionals: true, options: { target: { type: 'string' },
	browser: { type: 'string', default: 'chromium' }, sdk: { type: 'string' }, 'audio-in': { type: 'string' }, 'audio-out': { type: 'string' },
	duration: { type: 'string', default: '4' }, 'no-video': { type: 'boolean' } } });
const TOKEN = process.env.CALLFLOW_TOKEN, ENDPOINT = process.env.CALLFLOW_ENDPOINT;

const tell = (event) => fs.writeSync(1, `${JSON.stringify(event)}\n`);

function serve() {
	const pages = { '/': ['text/html', '<!doctype html><title>caller</title>'], '/sdk.js': ['text/javascript', fs.readFileSync(options.sdk)] };
	const server = http.createServer((request, response) => {
		const [type, body] = pages[request.url] ?? ['text/plain', ''];
		response.writeHead(200, { 'content-type': type }).end(body);
	});
	return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server)); });
}

// In the page: from here on everything is told by events, up to the end of one call.
async function run({ role, target, token, endpoint, duration, video, record }) {
	const { CallClient, Features, LocalAudioStream, LocalVideoStream, VideoStreamRenderer } = await import('/sdk.js');
	const client = new CallClient({ endpoint });
	const agent = await client.createCallAgent({ getToken: async () => ({ token, expiresOnTimestamp: 0 }), dispose() { } }, { displayName: role });
	const devices = await client.getDeviceManager();
	const camera = video ? new LocalVideoStream((await devices.getCameras())[0]) : undefined;
	// As behind a preview: that devices take their time to open is not the call's.
	await camera?.acquire();
	const microphone = new LocalAudioStream(await navigator.mediaDevices.getUserMedia({ audio: true }));
	const callOptions = { audioOptions: { localAudioStreams: [microphone] }, videoOptions: camera ? { localVideoStreams: [camera] } : undefined };
	const once = (test) => new Promise((resolve) => { const look = () => test() ? resolve() : setTimeout(look, 2); look(); });
	const shape = (path) => path && { kind: path.kind, transport: path.transport, relays: path.relays, why: path.why, local: path.local, remote: path.remote };
	let begun = 0, recorder, parts = [];

	async function watch(call) {
		const since = () => performance.now() - begun, path = call.feature(Features.CallPath);
		path.on('pathChanged', (now) => window.tell({ event: 'path', path: shape(now) }));
		const frame = once(() => call.remoteParticipants[0]?.videoStreams.some((s) => s.isAvailable)).then(async () => {
			const view = await new VideoStreamRenderer(call.remoteParticipants[0].videoStreams[0]).createView();
			document.body.append(view.target);
			await new Promise((resolve) => view.target.querySelector('video').requestVideoFrameCallback(resolve));
			return since();
		});
		call.on('stateChanged', () => window.tell({ event: 'state', state: call.state, ms: since() }));
		call.on('stateChanged', () => { if (call.state === 'Disconnected') end(call); });
		await once(() => ['Connected', 'Disconnected'].includes(call.state));
		if (call.state === 'Disconnected')
			return;
		const setupMs = since();
		if (record) {
			recorder = new MediaRecorder(new MediaStream([call.peer.transceiver('audio').receiver.track]));
			recorder.ondataavailable = ({ data }) => parts.push(data);
			recorder.start();
		}
		if (role === 'call')
			setTimeout(() => call.hangUp(), duration * 1000);
		await once(() => path.path);
		window.tell({ event: 'connected', setupMs, path: shape(path.path) });
		if (video)
			window.tell({ event: 'first-frame', firstFrameMs: await frame });
		window.counted = () => call.peer.stats();
	}

	async function sound() {
		if (!recorder)
			return undefined;
		await new Promise((resolve) => { recorder.onstop = resolve; recorder.state === 'inactive' ? resolve() : recorder.stop(); });
		const heard = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(await new Blob(parts).arrayBuffer());
		return [...heard.getChannelData(0)].map((value) => Math.round(Math.max(-1, Math.min(1, value)) * 32767));
	}

	async function end(call) {
		const { code, subCode, message } = call.callEndReason;
		await window.tell({ event: 'ended', code, subcode: subCode, reason: message, sound: await sound().catch(() => undefined) });
	}

	agent.on('incomingCall', async ({ incomingCall }) => {
		begun = performance.now();
		await watch(await incomingCall.accept(callOptions));
	});
	if (role === 'listen') {
		window.tell({ event: 'ready' });
		return;
	}
	begun = performance.now();
	await watch(agent.startCall([{ id: target }], callOptions));
}

const server = await serve();
const { browser, close } = options.browser === 'firefox' ? await openFirefox()
	: await openBrowser({ ignoreHTTPSErrors: true, flags: options['audio-in'] ? [`--use-file-for-fake-audio-capture=${options['audio-in']}`] : [] });
let over;
const ended = new Promise((resolve) => { over = resolve; });
process.on('SIGTERM', () => over(0));
process.on('SIGINT', () => over(0));
const page = await browser.newPage();
page.on('console', (message) => ['error', 'warning'].includes(message.type()) && console.error(message.text()));
await page.exposeFunction('tell', (event) => {
	const { sound, ...rest } = event;
	if (sound && options['audio-out'])
		fs.writeFileSync(options['audio-out'], wav(Int16Array.from(sound), 48000));
	tell(rest);
	if (event.event === 'ended')
		over(event.code === 0 ? 0 : 1);
});
await goTo(page, `http://localhost:${server.address().port}/`);
page.evaluate(run, { role, target: options.target, token: TOKEN, endpoint: ENDPOINT, duration: Number(options.duration), video: !options['no-video'],
	record: Boolean(options['audio-out']) }).catch((error) => { tell({ event: 'ended', code: 500, reason: error.message }); over(1); });
process.exitCode = await ended;
server.close();
await Promise.race([close(), new Promise((resolve) => { setTimeout(resolve, 3000); })]);
process.exit();
