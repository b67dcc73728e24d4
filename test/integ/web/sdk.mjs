// SPDX-License-Identifier: Apache-2.0
// The web SDK between browsers, through a real daemon. Arguments: the daemon's ready line, the SDK's bundle. Speaks TAP.
import { fileURLToPath } from 'node:url';
import { check, equal, openBrowser, runTests } from './browser.mjs';
import { Service } from './service.mjs';

const [, , line, bundle, wanted] = process.argv;
const ready = JSON.parse(line);
const service = new Service(ready);
const ECHO = '8:echo123';

async function newUser() {
	const user = await service.signed('POST', '/identities?api-version=2023-10-01',
		{ createTokenWithScopes: ['voip'], expiresInMinutes: 60 });
	return { id: user.identity.id, token: user.accessToken.token };
}

// A page at the daemon's origin with the SDK in it.
async function newPage(browser) {
	const page = await browser.newPage();
	const url = new URL('/sdk-test', service.url);
	await page.route(url.href, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>test</title>' }));
	await page.route('**/sdk.js', (route) => route.fulfill({ contentType: 'text/javascript', path: bundle }));
	page.on('console', (message) => message.type() === 'error' && console.log(`# console: ${message.text()}`));
	await page.goto(url.href);
	await page.addScriptTag({ path: fileURLToPath(new URL('sdk-page.js', import.meta.url)) });
	await page.evaluate(async () => { window.sdk = await import('/sdk.js'); });
	return page;
}

async function people(browser, names = ['Alice', 'Bob']) {
	return Promise.all(names.map(async (displayName) => {
		const { id, token } = await newUser();
		const page = await newPage(browser);
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

const TESTS = [
	['a video call: pictures and sound both ways, states in order', videoCall],
	['the echo bot', echoBot],
];

const { browser, close } = await openBrowser({ ignoreHTTPSErrors: true });
process.exitCode = await runTests(TESTS, wanted, async (test) => {
	try {
		return await test(browser);
	} finally {
		await Promise.all(browser.pages().slice(1).map((page) => page.close()));
	}
});
await close();
