// SPDX-License-Identifier: Apache-2.0
// One end of a call in a browser, used as the CLI is: prints an event a line, as JSON. Video both ways.
//
//   caller.mjs listen|call [--target ID] [--browser chromium|firefox] [--sdk FILE] [--audio-in WAV] [--audio-out WAV] [--duration S] [--no-video]
//            [--rounds N]    that many calls after one another, each hung up with the first picture: for measuring
//
// CALLFLOW_ENDPOINT and CALLFLOW_TOKEN as with the CLI.
import fs from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { goTo, openBrowser, openFirefox } from './browser.mjs';
import { wav } from './native.mjs';

const { values: options, positionals: [role] } = parseArgs({ allowPositionals: true, options: { target: { type: 'string' },
	browser: { type: 'string', default: 'chromium' }, sdk: { type: 'string' }, 'audio-in': { type: 'string' }, 'audio-out': { type: 'string' },
	duration: { type: 'string', default: '4' }, rounds: { type: 'string', default: '0' }, 'no-video': { type: 'boolean' } } });
const TOKEN = process.env.CALLFLOW_TOKEN, ENDPOINT = process.env.CALLFLOW_ENDPOINT;

const tell = (event) => fs.writeSync(1, `${JSON.stringify(event)}\n`);

function serve() {
	const pages = { '/caller': ['text/html', '<!doctype html><title>caller</title>'], '/sdk.js': ['text/javascript', fs.readFileSync(options.sdk)] };
	const server = http.createServer((request, response) => {
		const [type, body] = pages[request.url] ?? ['text/plain', ''];
		response.writeHead(200, { 'content-type': type }).end(body);
	});
	return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server)); });
}

// In the page: from here on everything is told by events, up to the end of one call.
async function run({ role, target, token, endpoint, duration, rounds, video, record }) {
	const { CallClient, Features, LocalAudioStream, LocalVideoStream, VideoStreamRenderer } = await import('/sdk.js');
	const client = new CallClient({ endpoint });
	const agent = await client.createCallAgent({ getToken: async () => ({ token, expiresOnTimestamp: 0 }), dispose() { } }, { displayName: role });
	const devices = await client.getDeviceManager();
	const source = rounds ? await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } }) : (await devices.getCameras())[0];
	const camera = video ? new LocalVideoStream(source) : undefined;
	// As behind a preview: that devices take their time to open is not the call's.
	await camera?.acquire();
	const microphone = new LocalAudioStream(await navigator.mediaDevices.getUserMedia({ audio: true }));
	const callOptions = { audioOptions: { localAudioStreams: [microphone] }, videoOptions: camera ? { localVideoStreams: [camera] } : undefined };
	const once = (test) => new Promise((resolve) => { const look = () => test() ? resolve() : setTimeout(look, 10); look(); });
	const shape = (path) => path && { kind: path.kind, transport: path.transport, relays: path.relays, why: path.why, local: path.local, remote: path.remote };
	let begun = 0, recorder, parts = [];

	// The other side's video, as soon as it is there.
	const videoOf = (call) => new Promise((resolve) => {
		const [other] = call.remoteParticipants, follow = (stream) => {
			if (stream.isAvailable)
				resolve(stream);
			stream.on('isAvailableChanged', () => resolve(stream));
		};
		other.videoStreams.forEach(follow);
		other.on('videoStreamsUpdated', ({ added }) => added.forEach(follow));
	});

	// The first picture of the other side on the screen.
	async function firstFrame(call) {
		const view = await new VideoStreamRenderer(await videoOf(call)).createView();
		document.body.append(view.target);
		await new Promise((resolve) => view.target.querySelector('video').requestVideoFrameCallback(resolve));
		const at = performance.now();
		return { at, view };
	}

	async function measure() {
		for (let round = 0; round < rounds; round++) {
			const start = performance.now(), call = agent.startCall([{ id: target }], callOptions), frame = firstFrame(call);
			const steps = {};
			call.on('stateChanged', () => { steps[call.state === 'Connecting' ? 'answeredMs' : `${call.state.toLowerCase()}Ms`] = performance.now() - start; });
			const { at, view } = await frame;
			await once(() => steps.connectedMs);
			window.tell({ event: 'round', ...steps, firstFrameMs: at - start });
			view.dispose();
			await call.hangUp();
			await new Promise((resolve) => { setTimeout(resolve, 500); });
		}
		window.tell({ event: 'ended', code: 0 });
	}

	async function watch(call) {
		const since = () => performance.now() - begun, path = call.feature(Features.CallPath);
		path.on('pathChanged', (now) => window.tell({ event: 'path', path: shape(now) }));
		const frame = firstFrame(call).then(({ at }) => at - begun);
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
		if (rounds) {
			const { view } = await firstFrame(await incomingCall.accept(callOptions));
			view.dispose();
			return;
		}
		begun = performance.now();
		await watch(await incomingCall.accept(callOptions));
	});
	if (role === 'listen') {
		window.tell({ event: 'ready' });
		return;
	}
	if (rounds) {
		await measure();
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
// For measuring a page of the service's own origin, as the call page is: others have to ask before each request (CORS).
const origin = options.rounds !== '0' ? new URL(ENDPOINT).origin : `http://localhost:${server.address().port}`;
if (options.rounds !== '0') {
	await page.route(`${origin}/caller`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>caller</title>' }));
	await page.route(`${origin}/sdk.js`, (route) => route.fulfill({ contentType: 'text/javascript', path: options.sdk }));
}
await goTo(page, `${origin}/caller`);
page.evaluate(run, { role, target: options.target, token: TOKEN, endpoint: ENDPOINT, duration: Number(options.duration), rounds: Number(options.rounds), video: !options['no-video'],
	record: Boolean(options['audio-out']) }).catch((error) => { tell({ event: 'ended', code: 500, reason: error.message }); over(1); });
process.exitCode = await ended;
server.close();
await Promise.race([close(), new Promise((resolve) => { setTimeout(resolve, 3000); })]);
process.exit();
