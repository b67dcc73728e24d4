// SPDX-License-Identifier: Apache-2.0
// Chromium, unmodified, against the relay and the echo bot. Argument: the daemon's ready line. Speaks TAP.
import { fileURLToPath } from 'node:url';
import { check, openBrowser, runTests } from './browser.mjs';
import { Service } from './service.mjs';

const ECHO = '8:echo123';
const ready = JSON.parse(process.argv[2]);
const service = new Service(ready);

// The relay's URLs by what they run over: shared is the HTTPS port, own is TURN's own TLS port.
const urls = {
	udp: ready.turn.find((url) => /^turn:.*=udp/.test(url)),
	tcp: ready.turn.find((url) => /^turn:.*=tcp/.test(url)),
	shared: ready.turn.find((url) => url.startsWith(`turns:${service.url.host}?`)),
	own: ready.turn.find((url) => url.startsWith('turns:') && !url.startsWith(`turns:${service.url.host}?`)),
};
const protocols = { udp: 'udp', tcp: 'tcp', shared: 'tls', own: 'tls' };

function checkSecure(ends) {
	for (const end of ends) {
		check(['connected', 'completed'].includes(end.ice), `ICE is ${end.ice}`);
		check(end.dtls === 'connected', `DTLS is ${end.dtls}`);
		check(end.srtp, 'no SRTP cipher');
	}
}

async function relayed(page, way, servers) {
	const ends = await page.evaluate((list) => window.relayed(list), servers);
	checkSecure(ends);
	for (const end of ends) {
		check(end.local === 'relay' && end.remote === 'relay', `the pair is ${end.local} with ${end.remote}`);
		check(end.relayProtocol === protocols[way], `to the relay by ${end.relayProtocol}`);
	}
	return ends;
}

function staticUser(way) {
	return async (page) => relayed(page, way, [{ urls: urls[way], username: 'alice', credential: 'secret' }]);
}

// The ICE servers as the service gives them, of their URLs only those of one way.
function issued(way) {
	return async (page) => {
		const servers = (await service.iceServers()).filter((server) => server.credential)
			.map(({ urls: list, username, credential }) => ({ urls: list.filter((url) => url === urls[way]), username, credential }))
			.filter((server) => server.urls.length);
		check(servers.length, `no URL ${urls[way]} was issued`);
		return relayed(page, way, servers);
	};
}

async function wrongPassword(page) {
	const text = await page.evaluate(async (server) => {
		const pc = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: 'relay' });
		const error = new Promise((resolve) => { pc.onicecandidateerror = (e) => resolve(`${e.errorCode}`); });
		pc.createDataChannel('data');
		await pc.setLocalDescription();
		const code = await error;
		pc.close();
		return code;
	}, { urls: urls.udp, username: 'alice', credential: 'guess' });
	check(text === '401', `the error is ${text}`);
	return [];
}

// The STUN service tells the address outside of the NAT; no credentials.
async function reflexive(page) {
	const types = await page.evaluate((url) => window.gather({ iceServers: [{ urls: url }] }), `stun:${ready.stun}`);
	check(types.includes('srflx'), `the candidates are ${types}`);
	return [];
}

// The call's signalling between the page and the service until the sound is back.
async function call(page, device, iceTransport, config) {
	let callId, waiting = [], ended = false;
	const send = (list, end) => device.candidates(callId, list, end).catch((e) => ended || console.log(`# ${e.message}`));
	page.onCandidate = (candidate) => {
		if (callId === undefined)
			waiting.push(candidate);
		else
			send(candidate ? [candidate] : [], !candidate);
	};
	const sdp = await page.evaluate((c) => window.offer(c), config);
	callId = (await device.call(ECHO, sdp, iceTransport)).callId;
	const early = waiting.filter((c) => c);
	if (waiting.length)
		await send(early, early.length < waiting.length);
	const lost = (async () => {
		let answered = false, held = [];
		for await (const event of device.events()) {
			if (event.type === 'callAccepted') {
				await page.evaluate((s) => window.answer(s), event.data.sdp);
				answered = true;
			} else if (event.type === 'remoteCandidates') {
				held.push(...event.data.candidates);
			} else if (event.type === 'callEnded' || event.type === 'callRejected') {
				if (ended)
					return;
				throw new Error(`${event.type}: ${JSON.stringify(event.data)}`);
			}
			if (answered) {
				await page.evaluate((list) => window.remoteCandidates(list), held);
				held = [];
			}
		}
	})().catch((e) => { if (!ended) throw e; });
	try {
		return await Promise.race([page.evaluate(() => window.heard()),
			lost.then(() => { throw new Error('the events ended'); })]);
	} finally {
		ended = true;
		await device.hangUp(callId).catch(() => 0);
		await page.evaluate(() => window.close());
		lost.catch(() => 0);
	}
}

// A call to the echo bot; way is undefined for the direct path.
function echo(way) {
	return async (page) => {
		const device = await service.device();
		try {
			const config = way ? { iceTransportPolicy: 'relay', iceServers: device.iceServers.filter((s) => s.credential)
				.map((s) => ({ ...s, urls: s.urls.filter((url) => url === urls[way]) })).filter((s) => s.urls.length) }
				: { iceServers: device.iceServers };
			const end = await call(page, device, way ? 'relay' : 'all', config);
			checkSecure([end]);
			if (way)
				check(end.local === 'relay' && end.relayProtocol === protocols[way], `the path is ${end.local} ${end.relayProtocol}`);
			else
				check(end.local !== 'relay', `the path is ${end.local}`);
			return [end];
		} finally {
			device.done();
		}
	};
}

const TESTS = [
	['the STUN service tells the address outside', reflexive],
	['relay over UDP', staticUser('udp')],
	['relay over TCP', staticUser('tcp')],
	['relay over TLS', staticUser('own')],
	['relay over TLS on the HTTPS port', staticUser('shared')],
	['relay over UDP, issued credentials', issued('udp')],
	['relay over TCP, issued credentials', issued('tcp')],
	['relay over TLS on the HTTPS port, issued credentials', issued('shared')],
	['a wrong password is refused', wrongPassword],
	['echo bot, direct', echo()],
	['echo bot, relay over UDP', echo('udp')],
	['echo bot, relay over TCP', echo('tcp')],
	['echo bot, relay over TLS on the HTTPS port', echo('shared')],
];

async function newPage(browser) {
	const page = await browser.newPage();
	await page.route('http://localhost/', (route) => route.fulfill({ contentType: 'text/html', body: '<p>interop' }));
	await page.goto('http://localhost/'); // a secure context, which the microphone wants
	await page.exposeFunction('onCandidate', (candidate) => page.onCandidate?.(candidate));
	await page.addScriptTag({ path: fileURLToPath(new URL('page.js', import.meta.url)) });
	return page;
}

async function main() {
	const { browser, close } = await openBrowser();
	const code = await runTests(TESTS, process.argv[3], async (run) => {
		const page = await newPage(browser);
		try {
			return await run(page);
		} finally {
			await page.close();
		}
	});
	await close();
	return code;
}

process.exitCode = await main();
