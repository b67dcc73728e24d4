// SPDX-License-Identifier: Apache-2.0
// What the tests with browsers share: a browser with made-up devices, and tests told as TAP.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

const FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--disable-sync',
	'--use-fake-device-for-media-stream', '--autoplay-policy=no-user-gesture-required'];

export const TONE_HZ = 440; // what Firefox's made-up microphone says

export function check(good, what) {
	if (!good)
		throw new Error(what);
}

export function equal(seen, wanted, what) {
	check(JSON.stringify(seen) === JSON.stringify(wanted), `${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(wanted)}`);
}

// Chromium; `flags` on top of those that all tests need, `allow`: devices are given without a question.
export async function openBrowser({ flags = [], allow = true, ...options } = {}) {
	const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'cf-chromium-'));
	const browser = await chromium.launchPersistentContext(profile, { executablePath: process.env.CHROMIUM, headless: true,
		args: [...FLAGS, ...(allow ? ['--use-fake-ui-for-media-stream'] : []), ...flags], chromiumSandbox: false, ...options });
	return { browser, async close() {
		await browser.close();
		fs.rmSync(profile, { recursive: true, force: true });
	} };
}

// Firefox as Debian has it, with made-up devices; its pages have what the tests use of Chromium's.
export async function openFirefox() {
	const browser = await puppeteer.launch({ browser: 'firefox', executablePath: process.env.FIREFOX, headless: true, acceptInsecureCerts: true,
		extraPrefsFirefox: { 'media.navigator.audio.fake_frequency': TONE_HZ, 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true, 'media.autoplay.default': 0,
			'media.autoplay.block-webaudio': false, 'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false,
			'media.gmp-manager.updateEnabled': false, 'app.update.enabled': false, 'browser.safebrowsing.update.enabled': false } });
	return { browser: { newPage: () => browser.newPage(), pages: () => [] }, close: () => browser.close() };
}

// Opens a page; a network that has just been made may still change under the browser, which then loses the page or a part of it.
export async function goTo(page, url) {
	let changed;
	page.on('requestfailed', (request) => { changed ||= request.failure()?.errorText.includes('ERR_NETWORK_CHANGED'); });
	for (let tries = 1; ; tries++) {
		changed = false;
		const error = await page.goto(url).catch((e) => e);
		if (!changed && !(error instanceof Error))
			return page;
		if (!changed && !error.message.includes('ERR_NETWORK_CHANGED') || tries === 5)
			throw error instanceof Error ? error : new Error('the network goes on changing');
		await new Promise((resolve) => { setTimeout(resolve, 500); });
	}
}

// Runs [name, function] each, those whose name has `wanted` in it; what a function gives is shown. The exit code.
export async function runTests(tests, wanted, run) {
	const chosen = tests.filter(([name]) => !wanted || name.includes(wanted));
	let failed = 0;
	console.log(`1..${chosen.length}`);
	for (const [index, [name, test]] of chosen.entries()) {
		const begun = Date.now();
		const result = await run(test).catch((e) => e);
		const bad = result instanceof Error;
		failed += bad;
		console.log(`${bad ? 'not ok' : 'ok'} ${index + 1} - ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
		for (const line of bad ? result.message.split('\n') : (result ?? []).map((end) => JSON.stringify(end)))
			console.log(`# ${line}`);
	}
	return failed ? 1 : 0;
}
