// SPDX-License-Identifier: Apache-2.0
// The call page, used as people use it: with the mouse, by keyboard alone, on a phone. Argument: the daemon's ready line. Speaks TAP.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { check, equal, goTo, openBrowser, runTests } from './browser.mjs';
import { Service } from './service.mjs';

const [, , line, wanted] = process.argv;
const service = new Service(JSON.parse(line));
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function open(browser, size) {
	const page = await browser.newPage();
	page.errors = [];
	/* Interfaces that come and go on this machine are not the page's fault: its requests are repeated. */
	page.on('console', (message) => ['error', 'warning'].includes(message.type()) && !message.text().includes('ERR_NETWORK_CHANGED') && page.errors.push(message.text()));
	page.on('pageerror', (error) => page.errors.push(error.message));
	if (size)
		await page.setViewportSize(size);
	return goTo(page, service.url.href);
}

async function signIn(page, name) {
	await page.fill('#name', name).catch((error) => { throw new Error(`${error.message}\nconsole: ${page.errors.join(' | ')}`); });
	await page.click('#sign-in-form button');
	await page.waitForSelector('#lobby:not([hidden])');
	return page;
}

// Waits for what a function in the page finds; a failure says what it was, and where the page stands.
async function until(page, what, test, arg) {
	await page.waitForFunction(test, arg).catch(async (error) => {
		const stands = await page.evaluate(() => ['call-state', 'path-words', 'warnings'].map((id) => document.getElementById(id)?.textContent).join(' | '));
		throw new Error(`no ${what} (${stands}): ${error.message}`);
	});
}

const inCall = (page) => until(page, 'call', () => /^\d+:\d\d/.test(document.getElementById('call-state').textContent));
const playing = (page) => page.waitForFunction(() => [...document.querySelectorAll('#remote video')].some((v) => v.videoWidth > 0 && v.currentTime > 0.3));

async function videoCall(browser) {
	const alice = await signIn(await open(browser), 'Alice'), bob = await signIn(await open(browser), 'Bob');
	await alice.click('button[aria-label="Video Bob"]');
	await bob.waitForSelector('#incoming[open]');
	equal(await bob.textContent('#incoming-title'), 'Alice is calling', 'who calls');
	await bob.click('#accept-video');
	await Promise.all([alice, bob].flatMap((page) => [inCall(page), playing(page)]));
	await alice.click('#details');
	await alice.waitForFunction(() => document.getElementById('path-words').textContent.startsWith('Straight'));
	await alice.waitForFunction(() => ['picture', 'ladder'].every((id) => document.getElementById(id).naturalWidth > 300));
	await alice.waitForFunction(() => document.querySelectorAll('.plot').length === 4 && [...document.querySelectorAll('.plot strong')][0].textContent.includes('bit/s'));
	await alice.click('#mute');
	await bob.waitForFunction(() => document.getElementById('call-state').textContent.includes('muted'));
	await alice.click('#hold');
	await bob.waitForFunction(() => document.getElementById('call-state').textContent.includes('on hold'));
	await alice.click('#hold');
	await inCall(bob);
	await bob.click('#camera');
	await alice.waitForSelector('#portrait:not([hidden])');
	await bob.click('#hang-up');
	for (const page of [alice, bob]) {
		await page.waitForSelector('#last-call:not([hidden])');
		equal(page.errors, [], 'what the console says');
	}
	return [{ last: await alice.textContent('#last-call-text') }];
}

// Nothing but the keyboard, from signing in to hanging up.
async function keyboard(browser) {
	const bob = await signIn(await open(browser), 'Bob'), page = await open(browser);
	await page.waitForFunction(() => document.activeElement?.id === 'name');
	await page.keyboard.type('Kim');
	await page.keyboard.press('Enter');
	await page.waitForSelector('button[aria-label="Call Bob"]');
	for (let i = 0; i < 30 && await page.evaluate(() => document.activeElement?.ariaLabel !== 'Call Bob'); i++)
		await page.keyboard.press('Tab');
	await page.keyboard.press('Enter');
	await bob.waitForSelector('#incoming[open]');
	equal(await bob.evaluate(() => document.activeElement.id), 'accept', 'what Enter does when it rings');
	await bob.keyboard.press('Enter');
	await inCall(page);
	await page.keyboard.press('m');
	equal(await page.getAttribute('#mute', 'aria-pressed'), 'true', 'muted');
	await page.keyboard.press('d');
	await page.waitForSelector('#panel:not([hidden])');
	await page.keyboard.press('e');
	await page.waitForSelector('#last-call:not([hidden])');
	await bob.waitForSelector('#last-call:not([hidden])');
}

// What an expert in accessibility would find wrong by machine, in each view, light and dark, large and small.
async function accessible(browser) {
	const found = [];
	const judge = async (page, where) => {
		await page.evaluate(axe);
		const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
		found.push(...violations.map((v) => `${where}: ${v.id}, ${v.nodes[0].target}: ${v.nodes[0].failureSummary.replace(/\s+/g, ' ')}`));
		const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
		if (wide > 0)
			found.push(`${where}: ${wide} pixels too wide`);
	};
	for (const [colorScheme, size] of [['light', { width: 1280, height: 800 }], ['dark', { width: 360, height: 740 }]]) {
		const page = await open(browser, size), bob = await signIn(await open(browser), 'Bob');
		await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
		await page.waitForSelector('#sign-in:not([hidden])');
		await judge(page, `${colorScheme} sign-in`);
		await signIn(page, 'A rather long name of somebody who calls, and goes on and on');
		await page.waitForSelector('button[aria-label="Call Bob"]');
		await judge(page, `${colorScheme} lobby`);
		await bob.click('button[aria-label^="Call A rather long"]');
		await page.waitForSelector('#incoming[open]');
		await judge(page, `${colorScheme} incoming`);
		await page.click('#accept');
		await inCall(page);
		await page.click('#details');
		await page.waitForFunction(() => document.getElementById('picture').naturalWidth > 300);
		await judge(page, `${colorScheme} call`);
		await page.click('#hang-up');
		await page.click('#new-group');
		await inCall(page);
		await judge(page, `${colorScheme} group`);
		if (process.env.SHOTS)
			await page.screenshot({ path: `${process.env.SHOTS}/group-${colorScheme}.png` });
		await page.click('#hang-up');
		await page.close();
		await bob.close();
	}
	equal(found, [], 'what is wrong');
}

// A name is a name, whatever it holds; and the page keeps its token no longer than the tab.
async function inert(browser) {
	const name = '<img src=x onerror="window.pwned=1"><script>pwned=2</script>';
	const alice = await signIn(await open(browser), name), bob = await signIn(await open(browser), 'Bob');
	await until(bob, 'name', (n) => [...document.querySelectorAll('.who')].some((who) => who.firstChild.textContent === n), name);
	await alice.click('button[aria-label="Call Bob"]');
	await bob.waitForSelector('#incoming[open]');
	await bob.click('#accept');
	await inCall(bob);
	await bob.click('#details');
	await until(bob, 'picture', () => document.getElementById('picture').naturalWidth > 300);
	equal(await bob.textContent('#call-title'), name, 'the name');
	equal(await bob.evaluate(() => [window.pwned, localStorage.length, document.cookie, document.querySelectorAll('main img[src=x]').length]),
		[null, 0, '', 0], 'what became of it');
	const stranger = await open(browser);
	equal(await stranger.evaluate(() => sessionStorage.length), 0, 'what another tab sees');
	await bob.reload();
	await bob.waitForSelector('#lobby:not([hidden])');
	equal(await bob.textContent('#my-name'), 'Bob', 'who is signed in behind a reload');
}

// Media is there long before the answer to accept() is: the page shows the call all the same.
// A group that one begins, and another enters by its link, signed in already or not.
async function groupCall(browser) {
	const alice = await signIn(await open(browser), 'Alice'), bob = await signIn(await open(browser), 'Bob');
	await alice.click('#new-group');
	await inCall(alice);
	const group = await alice.evaluate(() => document.getElementById('copy-link').dataset.group);
	check(/^[0-9a-f-]{36}$/.test(group), group);
	await bob.fill('#target', group);
	await bob.click('#dial button');
	await inCall(bob);
	const carol = await browser.newPage();
	await goTo(carol, `${service.url.href}#group=${group}`);
	await signIn(carol, 'Carol');
	equal(await carol.inputValue('#target'), group, 'what the link asks for');
	await carol.click('#dial button');
	await inCall(carol);
	const members = (page, text) => until(page, `members ${text}`, (wanted) => [...document.querySelectorAll('#member-list li span:last-child')].map((one) => one.textContent)
		.sort().join(', ') === wanted, text);
	await Promise.all([members(alice, 'Alice (you), Bob, Carol'), members(carol, 'Alice, Bob, Carol (you)')]);
	await bob.click('#mute');
	await members(alice, 'Alice (you), Bob · muted, Carol');
	await bob.click('#camera');
	await alice.waitForFunction(() => [...document.querySelectorAll('#member-list video')].some((video) => video.videoWidth > 0 && video.currentTime > 0.3));
	if (process.env.SHOTS)
		await alice.screenshot({ path: `${process.env.SHOTS}/group.png` });
	await bob.click('#camera');
	await alice.waitForFunction(() => document.querySelectorAll('#member-list video').length === 0);
	await alice.click('#details');
	await until(alice, 'path', () => document.getElementById('path-words').textContent.startsWith('To the media processor'));
	await bob.click('#hang-up');
	await members(alice, 'Alice (you), Carol');
	await alice.click('#hang-up');
	await members(carol, 'Carol (you)');
	for (const page of [alice, bob])
		equal(page.errors, [], 'what the console says');
}

// A third is called into a call between two, with pictures: everybody has a tile, and goes on seeing the others.
async function addedPerson(browser) {
	const [alice, bob, carol] = [await signIn(await open(browser), 'Alice'), await signIn(await open(browser), 'Bob'), await signIn(await open(browser), 'Carol')];
	await alice.click('button[aria-label="Video Bob"]');
	await bob.waitForSelector('#incoming[open]');
	await bob.click('#accept-video');
	await Promise.all([inCall(alice), playing(alice), playing(bob)]);
	await alice.click('#add');
	await alice.click('button[aria-label="Add Carol"]');
	await carol.waitForSelector('#incoming[open]');
	equal(await carol.textContent('#incoming-title'), 'Alice is calling', 'who calls');
	await carol.click('#accept');
	await inCall(carol);
	const tiles = (page) => until(page, 'pictures', () => [...document.querySelectorAll('#member-list video')].filter((one) => one.videoWidth > 0 && one.currentTime > 0.3).length >= 1);
	await Promise.all([alice, bob, carol].map(tiles));
	await until(carol, 'members', () => [...document.querySelectorAll('#member-list li span:last-child')].map((one) => one.textContent).sort().join() === 'Alice,Bob,Carol (you)');
	if (process.env.SHOTS)
		await carol.screenshot({ path: `${process.env.SHOTS}/added.png` });
	await alice.click('#add');
	await alice.fill('#add-target', '8:acs:nobody_at_all');
	await alice.click('#add-form button.primary');
	await until(alice, 'word of who does not come', () => document.getElementById('warnings').textContent.includes('does not come'));
	for (const page of [carol, alice])
		await page.click('#hang-up');
	await bob.waitForSelector('#last-call:not([hidden])');
}

async function slowService(browser) {
	const alice = await signIn(await open(browser), 'Alice'), bob = await signIn(await open(browser), 'Bob');
	await bob.route('**/calls/*:accept', async (route) => {
		const response = await route.fetch();
		await new Promise((resolve) => { setTimeout(resolve, 2000); });
		await route.fulfill({ response });
	});
	await alice.click('button[aria-label="Call Bob"]');
	await bob.waitForSelector('#incoming[open]');
	await bob.click('#accept');
	await Promise.all([inCall(alice), inCall(bob)]);
	await bob.click('#hang-up');
	await alice.waitForSelector('#last-call:not([hidden])');
}

// The microphone is refused: the call goes on, and the page says that nobody hears.
async function refusedMicrophone() {
	const { browser, close } = await openBrowser({ ignoreHTTPSErrors: true, allow: false, flags: ['--deny-permission-prompts'] });
	try {
		const page = await signIn(await open(browser), 'Ann');
		await page.click('button[aria-label="Call Echo bot"]');
		await inCall(page);
		await page.waitForFunction(() => document.getElementById('warnings').textContent.includes('does not let this page use your microphone'));
		await page.click('#hang-up');
		await page.waitForSelector('#last-call:not([hidden])');
	} finally {
		await close();
	}
}

async function nobodyThere(browser) {
	const page = await signIn(await open(browser), 'Ann');
	await page.fill('#target', '8:acs:00000000-0000-4000-8000-000000000000_nobody');
	await page.click('#dial button');
	await page.waitForSelector('#last-call:not([hidden])');
	const text = await page.textContent('#last-call-text');
	check(/\(4\d\d\//.test(text), text);
	return [{ text }];
}

const TESTS = [
	['a video call from sign-in to hang-up, with path, ladder and plots', videoCall],
	['a group that is begun, and entered by its link', groupCall],
	['a third is called into a video call', addedPerson],
	['by keyboard alone', keyboard],
	['no violation that axe finds, nothing too wide: light, dark, large, small', accessible],
	['names are inert, secrets stay in the tab', inert],
	['media is there before the service has answered', slowService],
	['a refused microphone is told, the call goes on', refusedMicrophone],
	['a call to nobody says why it ended', nobodyThere],
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
