// SPDX-License-Identifier: Apache-2.0
// The web SDK between browsers, through a real daemon. Arguments: the daemon's ready line, the SDK's bundle. Speaks TAP.
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { check, equal, goTo, openBrowser, openFirefox, TONE_HZ, runTests } from './browser.mjs';
import { Cli, Daemon, heard, speech, tone, wav } from './native.mjs';
import { Service } from './service.mjs';

const [, , line, bundle, wanted] = process.argv;
const ready = JSON.parse(line);
const service = new Service(ready);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cf-sdk-'));
const spoken = speech(path.join(folder, 'spoken.wav'), 5, 30); // what all browsers say
const ECHO = '8:echo123';

async function newUser(of = service) {
	const user = await of.signed('POST', '/identities?api-version=2023-10-01',
		{ createTokenWithScopes: ['voip'], expiresInMinutes: 60 });
	return { id: user.identity.id, token: user.accessToken.token };
}

// The application's own server: an origin of its own, which a browser trusts with devices because it is local.
function serve() {
	const pages = { '/': ['text/html', '<!doctype html><title>test</title>'], '/favicon.ico': ['image/x-icon', ''], '/sdk.js': ['text/javascript', fs.readFileSync(bundle)] };
	const server = http.createServer((request, response) => {
		const [type, body] = pages[request.url] ?? [];
		response.writeHead(body === undefined ? 404 : 200, { 'content-type': type ?? 'text/plain' }).end(body);
	});
	return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server)); });
}

const PAGE = fs.readFileSync(new URL('sdk-page.js', import.meta.url), 'utf8');

async function newPage(browser, of = service) {
	const page = await browser.newPage();
	page.on('console', (message) => message.type() === 'error' && !message.text().startsWith('Failed to load') && console.log(`# console: ${message.text()}`));
	await goTo(page, `http://localhost:${server.address().port}/`);
	await page.addScriptTag({ content: PAGE });
	await page.evaluate(async (endpoint) => {
		window.sdk = await import('/sdk.js');
		window.endpoint = endpoint;
	}, of.url.origin);
	return page;
}

// Users, each with a page of its own; browser: one for all, or one for each.
async function people(browser, names = ['Alice', 'Bob'], of = service) {
	return Promise.all(names.map(async (displayName, i) => {
		const { id, token } = await newUser(of);
		const page = await newPage(Array.isArray(browser) ? browser[i] : browser, of);
		await page.evaluate(([t, name]) => window.signIn(t, { displayName: name }), [token, displayName]);
		return { id, page, token, run: (...args) => page.evaluate(...args) };
	}));
}

const both = (one, two, ...args) => Promise.all([one.run(...args), two.run(...args)]);

async function connect(alice, bob, video) {
	await alice.run(([id, v]) => window.start(id, { video: v }), [bob.id, video]);
	await bob.run((v) => window.accept({ video: v }), video);
	await both(alice, bob, () => window.state('Connected'));
}

async function videoCall(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, true);
	const media = await both(alice, bob, () => window.flows({ frames: 20, packets: 50 }));
	for (const { energy } of media)
		check(energy > 0, 'silence');
	for (const size of await both(alice, bob, () => window.shows()))
		check(size.width >= 320, `the picture is ${size.width} wide`);
	equal(await bob.run(() => window.call.callerInfo.displayName), 'Alice', 'who called');
	equal(await alice.run(() => window.call.remoteParticipants[0].displayName), 'Bob', 'who answered');
	await alice.run(() => window.call.hangUp());
	await both(alice, bob, () => window.state('Disconnected'));
	equal(await alice.run(() => window.log), ['Connecting', 'Ringing', 'Connecting', 'Connected', 'Disconnecting', 'Disconnected 0'],
		'the states of the caller');
	equal((await bob.run(() => window.log)).slice(-2), ['Connected', 'Disconnected 0'], 'the last states of the callee');
	return media;
}

async function echoBot(browser) {
	const [alice] = await people(browser, ['Alice']);
	await alice.run((id) => window.start(id), ECHO);
	await alice.run(() => window.state('Connected'));
	const media = await alice.run(() => window.flows());
	check(media.energy > 0, 'silence');
	await alice.run(() => window.call.hangUp());
	await alice.run(() => window.state('Disconnected'));
	return [media];
}

// Sound and pictures stop and come again; each side sees what the other one does.
async function controls(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, false);
	const other = (test, what) => bob.run(([code, name]) => window.until(name, () => eval(code)(window.call.remoteParticipants[0])), [test.toString(), what]);
	await alice.run(() => window.call.mute());
	await other((p) => p.isMuted, 'muted');
	await alice.run(() => window.call.unmute());
	await other((p) => !p.isMuted, 'unmuted');
	await other((p) => p.isSpeaking, 'speaking');
	await alice.run(() => window.call.hold());
	equal(await alice.run(() => window.call.state), 'LocalHold', 'the state of who holds');
	await bob.run(() => window.state('RemoteHold'));
	await other((p) => p.state === 'Hold', 'on hold');
	await alice.run(() => window.call.resume());
	await both(alice, bob, () => window.state('Connected'));
	await both(alice, bob, () => window.flows());
	await alice.run(async () => window.call.startVideo(window.picture = await window.camera()));
	await other((p) => p.videoStreams.some((s) => s.isAvailable && s.mediaStreamType === 'Video'), 'video');
	await bob.run(() => window.flows({ frames: 10, packets: 0 }));
	await alice.run(() => window.call.startScreenSharing(window.screenOf()));
	await other((p) => p.videoStreams.some((s) => s.isAvailable && s.mediaStreamType === 'ScreenSharing'), 'the screen');
	equal(await alice.run(() => [window.call.isScreenSharingOn, window.call.isLocalVideoStarted, window.call.localVideoStreams.length]), [true, true, 2],
		'what is sent');
	await alice.run(() => window.call.stopScreenSharing());
	await alice.run(() => window.call.stopVideo(window.picture));
	await other((p) => p.videoStreams.every((s) => !s.isAvailable), 'no video');
	await bob.run(() => window.call.hangUp());
	await both(alice, bob, () => window.state('Disconnected'));
}

// Both sides change something at the same moment, again and again.
async function glare(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, false);
	await both(alice, bob, async () => window.call.startVideo(window.picture = await window.camera()));
	await both(alice, bob, () => window.until('video', () => window.call.remoteParticipants[0].videoStreams.some((s) => s.isAvailable)));
	await both(alice, bob, () => window.flows({ frames: 10, packets: 30 }));
	await both(alice, bob, () => window.call.stopVideo(window.picture));
	await both(alice, bob, () => window.until('no video', () => window.call.remoteParticipants[0].videoStreams.every((s) => !s.isAvailable)));
	await both(alice, bob, () => window.flows());
}

async function rejected(browser) {
	const [alice, bob] = await people(browser);
	await alice.run((id) => window.start(id), bob.id);
	await bob.run(async () => (await window.until('a call', () => window.incoming)).reject());
	await alice.run(() => window.state('Disconnected'));
	equal(await alice.run(() => window.call.callEndReason.code), 603, 'why');
	equal(await alice.run(() => window.agent.calls.length), 0, 'calls left');
}

async function cancelled(browser) {
	const [alice, bob] = await people(browser);
	await alice.run((id) => window.start(id), bob.id);
	await bob.run(async () => {
		const incoming = await window.until('a call', () => window.incoming);
		incoming.on('callEnded', ({ callEndReason }) => { window.ended = callEndReason; });
	});
	await alice.run(() => window.call.hangUp());
	const reason = await bob.run(() => window.until('the end', () => window.ended));
	equal(await alice.run(() => window.call.state), 'Disconnected', 'the caller');
	check(await bob.run(() => window.incoming.accept().then(() => false, (e) => e.name === 'CallingCommunicationError')), 'accepted a call that had ended');
	return [reason];
}

async function twoDevices(browser) {
	const [alice, bob] = await people(browser);
	const page = await newPage(browser), tablet = { page, run: (...args) => page.evaluate(...args) };
	await tablet.run((t) => window.signIn(t, { displayName: 'Bob, tablet' }), bob.token);
	await alice.run((id) => window.start(id), bob.id);
	await tablet.run(async () => {
		const incoming = await window.until('a call', () => window.incoming);
		incoming.on('callEnded', ({ callEndReason }) => { window.ended = callEndReason; });
	});
	await bob.run(() => window.accept());
	await both(alice, bob, () => window.state('Connected'));
	return [await tablet.run(() => window.until('that it rings no more', () => window.ended))];
}

async function pageCloses(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, false);
	await bob.page.goto('about:blank');
	await alice.run(() => window.state('Disconnected'));
	return [await alice.run(() => window.call.callEndReason)];
}

async function transfer(browser) {
	const [alice, bob, carol] = await people(browser, ['Alice', 'Bob', 'Carol']);
	await connect(alice, bob, false);
	await bob.run(() => {
		window.call.feature(window.sdk.Features.Transfer).on('transferAccepted', ({ targetCall }) => { window.target = targetCall; });
	});
	await alice.run((id) => { window.transfer = window.call.feature(window.sdk.Features.Transfer).transfer({ targetParticipant: { communicationUserId: id } }); }, carol.id);
	await carol.run(() => window.accept());
	await carol.run(() => window.state('Connected'));
	await alice.run(() => window.until('transferred', () => window.transfer.state === 'Transferred'));
	await alice.run(() => window.state('Disconnected'));
	equal(await carol.run(() => window.call.callerInfo.displayName), 'Bob', 'who was sent on');
	await bob.run(() => window.until('the new call', () => window.target.state === 'Connected'));
}

async function raiseHand(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, false);
	await bob.run(() => window.call.feature(window.sdk.Features.RaiseHand));
	await alice.run(() => window.call.feature(window.sdk.Features.RaiseHand).raiseHand());
	const hands = await bob.run(() => window.until('a hand', () => {
		const list = window.call.feature(window.sdk.Features.RaiseHand).getRaisedHands();
		return list.length === 1 && list;
	}));
	equal(hands[0].identifier.communicationUserId, alice.id, 'whose hand');
	await alice.run(() => window.call.feature(window.sdk.Features.RaiseHand).lowerHand());
	await bob.run(() => window.until('no hand', () => window.call.feature(window.sdk.Features.RaiseHand).getRaisedHands().length === 0));
}

// The path as this side sees it, and in the trace that both have told.
async function pathTaken(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, true);
	const seen = await alice.run(() => window.until('a path', () => window.call.feature(window.sdk.Features.CallPath).path));
	equal(seen.kind, 'direct', 'the path');
	const drawing = await alice.run(() => window.call.feature(window.sdk.Features.CallPath).drawing());
	check(drawing.startsWith('<svg') || drawing.startsWith('<?xml'), drawing.slice(0, 80));
	const trace = await alice.run(() => window.until('both reports', async () => {
		const { entries } = await window.call.feature(window.sdk.Features.CallPath).trace();
		return new Set(entries.filter((e) => e.kind === 'report').map((e) => e.endpointId)).size === 2 && entries;
	}));
	const sample = await alice.run(() => new Promise((resolve) => {
		window.call.feature(window.sdk.Features.MediaStats).createCollector({ aggregationInterval: 2, dataPointsPerAggregation: 2 })
			.on('summaryReported', ({ samples }) => resolve(samples[1]));
	}));
	check(sample.video.receive.some((v) => v.frameRate > 5) && sample.audio.send.length === 1, JSON.stringify(sample.video));
	return [seen, { trace: trace.length }];
}

// Through the application's own TURN servers alone.
async function relayOnly(browser) {
	const servers = (await service.iceServers()).filter((s) => s.credential).map(({ urls, username, credential }) => ({ urls, username, credential }));
	const [alice, bob] = await Promise.all(['Alice', 'Bob'].map(async (displayName, i) => {
		const { id, token } = await newUser();
		const page = await newPage(browser), run = (...args) => page.evaluate(...args);
		await run(([t, name, client]) => window.signIn(t, { displayName: name }, client),
			[token, displayName, i ? {} : { networkConfiguration: { turn: { iceServers: servers } } }]);
		return { id, page, run };
	}));
	await connect(alice, bob, false);
	await both(alice, bob, () => window.flows());
	const seen = await alice.run(() => window.until('a path', () => window.call.feature(window.sdk.Features.CallPath).path));
	equal(seen.kind, 'relayed', 'the path');
	return [seen];
}

// A token that the service refuses is asked for anew, once; a service that refuses all of them says so.
async function tokens(browser) {
	const { token } = await newUser(), page = await newPage(browser);
	const asked = await page.evaluate(async (good) => {
		let times = 0;
		await window.signIn({ getToken: async () => ({ token: times++ === 0 ? 'a.b.c' : good, expiresOnTimestamp: 0 }), dispose() {} });
		return times;
	}, token);
	check(asked >= 2, `asked ${asked} times`);
	const error = await page.evaluate(() => {
		const client = new window.sdk.CallClient({ endpoint: window.endpoint });
		return client.createCallAgent({ getToken: async () => ({ token: 'a.b.c', expiresOnTimestamp: 0 }), dispose() {} })
			.then(() => null, (e) => [e.name, e.code]);
	});
	equal(error, ['CallingCommunicationError', 401], 'a wrong token');
}

// What other people's names and data hold is text, and events that make no sense are passed over.
async function inert(browser) {
	const name = '<img src=x onerror="window.pwned=1">';
	const [alice, bob] = await people(browser, [name, 'Bob']);
	await connect(alice, bob, false);
	equal(await bob.run(() => window.call.callerInfo.displayName), name, 'the name as it is');
	await alice.run(() => window.call.notify('state', { muted: 'yes', handRaised: { toString: 1 }, __proto__: null }));
	await alice.run(() => window.call.notify('transfer', { id: 7, to: '<script>' }));
	await alice.run(() => window.call.notify('constructor', {}));
	await both(alice, bob, () => window.flows());
	equal(await bob.run(() => [window.pwned, window.call.remoteParticipants[0].isMuted]), [null, false], 'what was executed');
}

// A connected call between a browser and the native client, placed by one of them: the browser's user and the CLI.
async function withCli(browser, placedBy, media, test) {
	const [alice] = await people(browser, ['Alice']), native = await newUser();
	const cli = placedBy === 'browser' ? new Cli(ready, native.token, 'listen', '--answer', '--calls', '1', ...media)
		: new Cli(ready, native.token, 'call', alice.id, ...media);
	try {
		if (placedBy === 'browser') {
			await cli.expect('ready');
			await alice.run((id) => window.start(id, { video: true }), native.id);
		} else {
			await alice.run(() => window.accept({ video: true }));
		}
		await alice.run(() => window.state('Connected'));
		return await test(alice, cli);
	} finally {
		await cli.stop();
	}
}

// Each side hears what the other one said.
function withNative(placedBy, says = 'speech') {
	const file = path.join(folder, 'sent.wav'), got = path.join(folder, 'got.wav');
	return (browser) => withCli(browser, placedBy, ['--audio-in', speech(file, 7, 12), '--audio-out', got, '--duration', '8'], async (alice, cli) => {
		const { samples, rate } = await alice.run(() => window.record(6));
		fs.writeFileSync(path.join(folder, 'browser.wav'), wav(Int16Array.from(samples), rate));
		await alice.run(() => window.state('Disconnected'));
		await cli.over;
		return [heard(file, path.join(folder, 'browser.wav')), says === 'speech' ? heard(spoken, got) : tone(got, TONE_HZ)];
	});
}

// The same with pictures: the browser reads the numbers in the moving picture, the native client decodes what the camera gives.
function videoWithNative(placedBy, codec) {
	const file = path.join(folder, 'seen.y4m');
	return (browser) => withCli(browser, placedBy, ['--video-in', 'pattern', '--video-codec', codec, '--video-out', file, '--duration', '9'], async (alice, cli) => {
		const { seen, ...size } = await alice.run(() => window.numbers(6));
		await alice.run(() => window.state('Disconnected'));
		const { stats } = await cli.expect('ended'), { video } = stats;
		const rising = seen.slice(5).filter((n, i, all) => i > 0 && n > all[i - 1] && n - all[i - 1] < 60).length;
		check(rising > 20, `numbers seen: ${seen}`);
		equal([video.codecSent, video.codecReceived], [codec, codec], 'the codecs');
		check(video.framesShown > 60 && video.fpsReceived > 10, JSON.stringify(video));
		check(fs.statSync(file).size > 60 * video.widthReceived * video.heightReceived, `the file of what was seen: ${fs.statSync(file).size} bytes, ${JSON.stringify(video)}`);
		fs.rmSync(file);
		return [{ ...size, rising, shown: video.framesShown, fps: video.fpsReceived, freezes: video.freezes, target: video.targetBps }];
	});
}

// Descriptions and candidates that make no sense end the call, or are passed over; they harm nobody.
// Two browsers, one of them muted, and the native client.
async function inGroup(browser) {
	const [alice, bob] = await people(browser), native = await newUser(), group = crypto.randomUUID();
	const says = speech(path.join(folder, 'group.wav'), 7, 14), got = path.join(folder, 'group-got.wav');
	await alice.run((id) => window.join(id), group);
	await bob.run((id) => window.join(id, { audioOptions: { muted: true } }), group);
	await both(alice, bob, () => window.state('Connected'));
	const cli = new Cli(ready, native.token, 'join', group, '--audio-in', says, '--audio-out', got, '--duration', '20');
	try {
		await cli.expect('connected');
		await both(alice, bob, () => window.until('two others', () => window.members().length === 2));
		equal(await alice.run((id) => window.members().find((one) => one.id === id), bob.id),
			{ id: bob.id, name: 'Bob', isMuted: true, state: 'Connected' }, 'Bob, as Alice sees him');
		equal(await bob.run((id) => window.members().find((one) => one.id === id)?.isMuted, alice.id), false, 'Alice is not muted');
		equal(await alice.run(() => window.call.info.groupId), group, 'the group');
		equal(await alice.run(() => window.until('a path', () => window.call.feature(window.sdk.Features.CallPath).path)).then((one) => one.kind), 'media-processor', 'the path');
		await alice.run((id) => window.until('that the native client speaks', () =>
			window.call.remoteParticipants.some((one) => one.isSpeaking && one.identifier.communicationUserId === id)), native.id);
		await bob.run((id) => window.until('who speaks', () =>
			window.call.feature(window.sdk.Features.DominantSpeakers).dominantSpeakers.speakersList.some((one) => one.communicationUserId === id)), alice.id);
		equal(await alice.run((id) => window.call.remoteParticipants.find((one) => one.identifier.communicationUserId === id).isSpeaking, bob.id), false, 'who is muted speaks');
		const { rate, samples } = await alice.run(() => window.record(7)), file = path.join(folder, 'group-alice.wav');
		fs.writeFileSync(file, wav(Int16Array.from(samples), rate));
		await alice.run(() => window.call.hangUp());
		await bob.run(() => window.until('one other', () => window.members().length === 1));
		await bob.run(() => window.call.hangUp({ forEveryone: true }));
		equal((await cli.expect('ended')).code, 0, 'the end');
		return [heard(says, file), heard(spoken, got)];
	} finally {
		await cli.stop();
	}
}

// Pictures in a group: each sees the others, a camera that is switched off goes, a screen comes beside it.
async function groupVideo(browser) {
	const all = await people(browser), [alice, bob] = all;
	const native = await newUser(), group = crypto.randomUUID(), got = path.join(folder, 'group-video.y4m');
	const each = (...args) => Promise.all(all.map((one) => one.run(...args)));
	await each(async (id) => window.join(id, { videoOptions: { localVideoStreams: [window.picture = await window.camera()] } }), group);
	await each(() => window.state('Connected'));
	const cli = new Cli(ready, native.token, 'join', group, '--video-in', 'pattern', '--video-size', '320x176@30', '--video-out', got, '--duration', '22');
	try {
		await cli.expect('connected');
		for (const one of all)
			for (const id of [...all.map((other) => other.id), native.id].filter((other) => other !== one.id))
				await one.run((other) => window.watches(other), id);
		const sizes = await alice.run(() => window.sizesSent());
		check(sizes.length > 1, `several sizes go out: ${JSON.stringify(sizes)}`);
		const [low, high] = await alice.run((id) => window.rowsShown(id), bob.id);
		await bob.run(() => window.call.stopVideo(window.picture));
		await alice.run((id) => window.until('that Bob is not seen', () => !window.seen().includes(`${id} Video`)), bob.id);
		await bob.run(() => window.call.startScreenSharing(window.screenOf()));
		equal(await alice.run((id) => window.watches(id, 'ScreenSharing'), bob.id), { width: 640, height: 360 }, 'the screen');
		await bob.run(() => window.call.stopScreenSharing());
		await alice.run((id) => window.until('that the screen is gone', () => !window.seen().includes(`${id} ScreenSharing`)), bob.id);
		await bob.run(async () => window.call.startVideo(window.picture));
		await alice.run((id) => window.watches(id), bob.id);
		const { stats } = await cli.expect('ended');
		check(stats.video.framesShown > 60, JSON.stringify(stats.video));
		await each(() => window.call.hangUp());
		return [{ shown: stats.video.framesShown, fps: stats.video.fpsReceived, freezes: stats.video.freezes, sizes, low, high }];
	} finally {
		await cli.stop();
	}
}

// A call between two into which a third is called: it goes over the media processor from then on, and the two keep each other's objects.
async function calledIn(browser) {
	const [alice, bob] = await people(browser), native = await newUser(), other = await newUser();
	const says = speech(path.join(folder, 'called-in.wav'), 8, 14), got = path.join(folder, 'called-in-got.wav');
	const cli = new Cli(ready, native.token, 'listen', '--answer', '--audio-in', says, '--audio-out', got, '--duration', '14');
	try {
		await cli.expect('ready');
		await connect(alice, bob, false);
		const callId = await alice.run(() => window.call.id);
		for (const one of [alice, bob])
			await one.run(() => { window.before = window.call.remoteParticipants[0]; });
		await alice.run((id) => { window.added = window.call.addParticipant({ communicationUserId: id }); }, native.id);
		equal((await cli.expect('connected')).path.kind, 'media-processor', 'the path of who was called');
		await both(alice, bob, () => window.until('two others', () => window.members().filter((one) => one.state === 'Connected').length === 2));
		await both(alice, bob, () => window.until('the path', () => window.call.feature(window.sdk.Features.CallPath).path?.kind === 'media-processor'));
		for (const one of [alice, bob])
			equal(await one.run(() => [window.call.remoteParticipants.includes(window.before), window.call.state, window.call.isGroup]),
				[true, 'Connected', true], 'the other one, as before');
		equal(await alice.run(() => [window.call.id, window.call.remoteParticipants.includes(window.added), window.added.state]),
			[callId, true, 'Connected'], 'the call, and who was added');
		const { rate, samples } = await alice.run(() => window.record(6)), file = path.join(folder, 'called-in-alice.wav');
		fs.writeFileSync(file, wav(Int16Array.from(samples), rate));
		await bob.run(() => { window.muted = 0; window.call.on('mutedByOthers', () => { window.muted++; }); });
		await alice.run(() => window.call.muteAllRemoteParticipants());
		await bob.run(() => window.until('to be muted', () => window.call.isMuted && window.muted === 1));
		await alice.run(() => window.until('that Bob is muted', () => window.before.isMuted));
		await bob.run(() => window.call.unmute());
		await alice.run(() => window.until('that Bob is not', () => !window.before.isMuted));
		await alice.run(() => window.before.mute());
		await bob.run(() => window.until('to be muted again', () => window.muted === 2));
		await alice.run((id) => { window.added = window.call.addParticipant({ communicationUserId: id }); }, other.id);
		await alice.run(() => window.until('that nobody is there', () => window.added.state === 'Disconnected'));
		equal(await alice.run(() => window.added.callEndReason.code), 480, 'why nobody came');
		await bob.run((id) => window.call.removeParticipant({ communicationUserId: id }), native.id);
		equal((await cli.expect('ended')).subcode, 5300, 'the end of who was removed');
		await alice.run(() => window.until('one other', () => window.members().length === 1));
		/* And between the two again. */
		await bob.run(() => window.call.unmute());
		await both(alice, bob, () => window.until('the path', () => window.call.feature(window.sdk.Features.CallPath).path?.kind === 'direct'));
		for (const one of [alice, bob])
			equal(await one.run(() => [window.call.remoteParticipants.length, window.call.remoteParticipants.includes(window.before), window.call.state, window.call.isGroup]),
				[1, true, 'Connected', false], 'the two, as before');
		const again = await alice.run(() => window.record(5)), last = path.join(folder, 'called-in-last.wav');
		fs.writeFileSync(last, wav(Int16Array.from(again.samples), again.rate));
		await alice.run(() => window.call.hangUp());
		await bob.run(() => window.state('Disconnected'));
		return [heard(says, file), heard(spoken, got), heard(spoken, last)];
	} finally {
		await cli.stop();
	}
}

// Several are called at once: who comes is in, who says no is told.
async function severalAtOnce(browser) {
	const [alice, bob, carol] = await people(browser, ['Alice', 'Bob', 'Carol']);
	await alice.run(([one, two]) => {
		window.call = window.agent.startCall([{ communicationUserId: one }, { communicationUserId: two }]);
	}, [bob.id, carol.id]);
	await alice.run(() => window.until('both rung', () => window.members().filter((one) => one.state === 'Ringing').length === 2));
	equal(await alice.run(() => window.call.info.groupId === window.call.id), true, 'a group of its own');
	await carol.run(async () => { await (await window.until('a call', () => window.incoming)).reject(); });
	await alice.run((id) => window.until('that Carol does not come', () => window.members().every((one) => one.id !== id)), carol.id);
	await bob.run(async () => { window.call = await (await window.until('a call', () => window.incoming)).accept(); });
	await both(alice, bob, () => window.state('Connected'));
	await both(alice, bob, () => window.until('the other one', () => window.members().length === 1 && window.members()[0].state === 'Connected'));
	equal(await bob.run(() => window.call.callerInfo.displayName), 'Alice', 'who called');
	await alice.run(() => window.call.hangUp());
	await bob.run(() => window.state('Disconnected'));
	equal(await bob.run(() => window.call.callEndReason.code), 0, 'the end');
}

async function hostile(browser) {
	const [alice] = await people(browser, ['Alice']), device = await service.device();
	try {
		const bad = ['v=0', `v=0\r\n${'a=x\r\n'.repeat(9000)}`, 'v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n'];
		for (const sdp of bad) {
			const { callId } = await device.call(alice.id, sdp, 'all');
			await device.candidates(callId, [{ candidate: 'candidate:1 1 udp 1 <b>x</b> 1 typ host' }, { candidate: '' }], true);
			const code = await alice.run(async () => {
				const incoming = await window.until('a call', () => window.incoming);
				window.incoming = undefined;
				return incoming.accept().then(() => 'accepted', () => window.agent.calls.length);
			});
			equal(code, 0, 'calls left behind a senseless offer');
		}
		await alice.run((id) => window.start(id), device.userId);
		for await (const event of device.events())
			if (event.type === 'incomingCall') {
				await device.post(`calls/${event.data.callId}:accept`, { endpointId: device.id, sdp: 'v=0 nonsense' });
				break;
			}
		await alice.run(() => window.state('Disconnected'));
		equal(await alice.run(() => window.call.callEndReason.code), 488, 'why');
	} finally {
		device.done();
	}
	const bob = await people(browser, ['Bob']);
	await connect(alice, bob[0], false);
	await both(alice, bob[0], () => window.flows());
}

// Another browser in place of one side.
function withFirefox(test, ...roles) {
	return async (chromium) => {
		const { browser: firefox, close } = await openFirefox();
		try {
			return await test(roles.map((role) => role === 'firefox' ? firefox : chromium));
		} finally {
			await close();
		}
	};
}

// A daemon that dies in mid-call is back with the call; media never stops, and what is said then goes on.
async function restarted(browser) {
	await withDaemon(async (daemon, own) => {
		const [alice, bob] = await people(browser, undefined, own);
		await connect(alice, bob, false);
		await alice.run(() => {
			window.states = [];
			window.agent.on('connectionStateChanged', ({ newValue }) => window.states.push(newValue));
		});
		await daemon.kill();
		await both(alice, bob, () => window.flows());
		await alice.run(() => window.until('that the service is missed', () => window.agent.connectionState === 'Disconnected'));
		equal(await alice.run(() => window.call.state), 'Connected', 'the call meanwhile');
		await daemon.start();
		await both(alice, bob, () => window.until('the service', () => window.agent.connectionState === 'Connected'));
		await alice.run(() => window.call.mute());
		await bob.run(() => window.until('muted', () => window.call.remoteParticipants[0].isMuted));
		await alice.run(async () => window.call.startVideo(await window.camera()));
		await bob.run(() => window.flows({ frames: 10, packets: 0 }));
		await bob.run(() => window.call.hangUp());
		await both(alice, bob, () => window.state('Disconnected'));
		equal(await alice.run(() => window.call.callEndReason.code), 0, 'why it ended');
	});
}

// An hour later, by the service's clock, all tokens are over: the credential is asked for a new one, the call goes on.
async function groupRestarted(browser) {
	return withDaemon(async (daemon, of) => {
		const [alice, bob] = await people(browser, ['Alice', 'Bob'], of), group = crypto.randomUUID();
		await both(alice, bob, (id) => window.join(id), group);
		await both(alice, bob, () => window.state('Connected'));
		const before = await alice.run(() => window.call.id);
		await daemon.kill();
		await daemon.start();
		await both(alice, bob, (id) => window.until('another call', () => window.call.id && window.call.id !== id && window.call.state === 'Connected'), before);
		equal(await alice.run(() => window.call.id), await bob.run(() => window.call.id), 'the call');
		await both(alice, bob, () => window.until('the other', () => window.members().length === 1));
		await both(alice, bob, () => window.flows({ packets: 50 }));
	});
}

async function expired(browser) {
	await withDaemon(async (daemon, own) => {
		const [alice, bob] = await people(browser, undefined, own);
		await connect(alice, bob, false);
		await daemon.kill();
		const later = new Service(await daemon.start('+61m'), 61 * 60000);
		for (const person of [alice, bob]) {
			const { token } = await later.signed('POST', `/identities/${encodeURIComponent(person.id)}/:issueAccessToken?api-version=2023-10-01`,
				{ scopes: ['voip'], expiresInMinutes: 60 });
			await person.run((t) => { window.token = t; }, token);
		}
		await alice.run(() => window.until('the service', () => window.agent.connectionState === 'Connected'));
		await alice.run(() => window.call.mute());
		await bob.run(() => window.until('muted', () => window.call.remoteParticipants[0].isMuted));
		await both(alice, bob, () => window.flows());
		await bob.run(() => window.call.hangUp());
		await both(alice, bob, () => window.state('Disconnected'));
	});
}

// A service whose clock is a day off is as good as any other: only tokens have a time, and it is the service's own.
async function skewed(browser) {
	await withDaemon(async (daemon, own) => {
		const [alice, bob] = await people(browser, undefined, own);
		await connect(alice, bob, false);
		await both(alice, bob, () => window.flows());
		await alice.run(() => window.call.hangUp());
		await bob.run(() => window.state('Disconnected'));
	}, '-25h', -25 * 3600000);
}

async function withDaemon(test, offset, skewMs = 0) {
	const daemon = new Daemon(service.url.hostname, folder);
	try {
		await test(daemon, new Service(await daemon.start(offset), skewMs));
	} finally {
		await daemon.kill();
	}
}

// A camera is pulled out: the call goes on without it, and says so.
async function unplugged(browser) {
	const [alice, bob] = await people(browser);
	await connect(alice, bob, true);
	await bob.run(() => window.flows({ frames: 10 }));
	await alice.run(() => {
		window.diagnostics = window.call.feature(window.sdk.Features.UserFacingDiagnostics).media;
		const track = window.call.peer.sent('camera');
		track.stop();
		track.dispatchEvent(new Event('ended'));
	});
	equal(await alice.run(() => window.diagnostics.getLatest().cameraStoppedUnexpectedly?.value), true, 'the diagnostic');
	await bob.run(() => window.until('no video', () => window.call.remoteParticipants[0].videoStreams.every((s) => !s.isAvailable)));
	await both(alice, bob, () => window.flows());
	await alice.run(async () => window.call.startVideo(await window.camera()));
	await bob.run(() => window.flows({ frames: 10 }));
	equal(await alice.run(() => window.diagnostics.getLatest().cameraStoppedUnexpectedly?.value), false, 'the diagnostic behind a new camera');
}

const TESTS = [
	['a video call: pictures and sound both ways, states in order', videoCall],
	['the echo bot', echoBot],
	['the browser calls the native client: each hears the other', withNative('browser')],
	['the native client calls the browser: each hears the other', withNative('native')],
	['a group of two browsers and the native client: who is there, and each hears the others', inGroup],
	['the daemon is killed and comes back: the members of a group come back by themselves', groupRestarted],
	['pictures in a group of two browsers and the native client: each sees the others, and a screen', groupVideo],
	['a third is called into a call between two: it goes over the media processor, and each hears the others', calledIn],
	['several are called at once', severalAtOnce],
	['the browser calls the native client, with VP8 video: each sees the other', videoWithNative('browser', 'VP8')],
	['the native client calls the browser, with H.264 video: each sees the other', videoWithNative('native', 'H264')],
	['mute, hold, resume, video, screen', controls],
	['both start and stop video at the same moment', glare],
	['rejected: 603', rejected],
	['cancelled while it rings', cancelled],
	['two devices ring, one answers', twoDevices],
	['the page is closed: the other side sees the end', pageCloses],
	['transfer to a third person', transfer],
	['hands up', raiseHand],
	['the path, its drawing, the trace, figures', pathTaken],
	['own TURN servers: the relay alone', relayOnly],
	['tokens that are refused', tokens],
	['names and data of others are inert', inert],
	['descriptions and candidates that make no sense', hostile],
	['the daemon is killed and comes back: the call goes on', restarted],
	['tokens expire during a call', expired],
	['the service has another idea of the time', skewed],
	['the camera is unplugged', unplugged],
	['Firefox calls Chromium, with video', withFirefox(videoCall, 'firefox', 'chromium')],
	['Chromium calls Firefox, with video', withFirefox(videoCall, 'chromium', 'firefox')],
	['Firefox and Chromium: mute, hold, video, screen', withFirefox(controls, 'firefox', 'chromium')],
	['Firefox calls the native client: each hears the other', withFirefox(withNative('browser', 'tone'), 'firefox')],
	['Firefox and the native client, with video: each sees the other', withFirefox(videoWithNative('browser', 'VP8'), 'firefox')],
];

const server = await serve();
const { browser, close } = await openBrowser({ ignoreHTTPSErrors: true, flags: [`--use-file-for-fake-audio-capture=${spoken}`] });
process.exitCode = await runTests(TESTS, wanted, async (test) => {
	try {
		return await test(browser);
	} finally {
		await Promise.all(browser.pages().slice(1).map((page) => page.close()));
	}
});
await close();
server.close();
fs.rmSync(folder, { recursive: true, force: true });
