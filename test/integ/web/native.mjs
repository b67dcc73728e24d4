// SPDX-License-Identifier: Apache-2.0
// The native client beside a browser, and a judge of sound: programs of this repository.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const AUDIO = path.join(ROOT, 'test/harness/audio.py');
const CLI = path.join(process.env.CALLFLOW_BUILD ?? path.join(ROOT, 'build'), 'callflow');

function audio(...args) {
	const { status, stdout, stderr } = spawnSync('/usr/bin/python3', [AUDIO, ...args], { encoding: 'utf8', timeout: 60000 });
	if (status !== 0)
		throw new Error(`audio.py ${args.join(' ')}: ${stdout} ${stderr}`);
	return stdout && JSON.parse(stdout);
}

export function speech(file, seed, seconds) {
	audio('gen', file, '--seed', seed, '--seconds', seconds);
	return file;
}

// Throws unless what was sent is in what was heard. Browsers suppress noise, which changes it; sounds that differ have 0.1 at most.
export function heard(sent, got) {
	return audio('check', sent, got, '--min', '0.3');
}

// Throws unless a tone is most of what was heard in a file of 16 bits and one channel, behind its first second (Goertzel).
export function tone(file, hz) {
	const data = fs.readFileSync(file), rate = data.readUInt32LE(24);
	const samples = new Int16Array(data.buffer, data.byteOffset + 44 + 2 * rate, (data.length - 44) / 2 - rate | 0);
	let inTone = 0, all = 0;
	for (let at = 0; at + 4800 <= samples.length; at += 4800) {
		const k = 2 * Math.cos(2 * Math.PI * hz / rate);
		let one = 0, two = 0, energy = 0;
		for (const sample of samples.subarray(at, at + 4800)) {
			[one, two] = [sample + k * one - two, one];
			energy += sample * sample;
		}
		inTone += (one * one + two * two - k * one * two) * 2 / 4800;
		all += energy;
	}
	if (!(all > samples.length * 100 && inTone > all / 2))
		throw new Error(`${file}: of ${all} ${inTone} is a tone of ${hz} Hz`);
	return { tone: hz, share: inTone / all };
}

// Of PCM samples (Int16, one channel) a WAV file.
export function wav(samples, rate) {
	const data = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength), head = Buffer.alloc(44);
	head.write('RIFF');
	head.writeUInt32LE(36 + data.length, 4);
	head.write('WAVEfmt ', 8);
	head.writeUInt32LE(16, 16);
	head.writeUInt16LE(1, 20);
	head.writeUInt16LE(1, 22);
	head.writeUInt32LE(rate, 24);
	head.writeUInt32LE(rate * 2, 28);
	head.writeUInt16LE(2, 32);
	head.writeUInt16LE(16, 34);
	head.write('data', 36);
	head.writeUInt32LE(data.length, 40);
	return Buffer.concat([head, data]);
}

// One run of the CLI; its events come by expect(), in order.
export class Cli {
	constructor(ready, token, ...args) {
		this.events = [];
		this.at = 0;
		this.waiting = () => undefined;
		this.process = spawn(CLI, [...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'],
			env: { PATH: process.env.PATH, CALLFLOW_CONNECTION_STRING: ready.connectionString, CALLFLOW_CA: ready.ca, CALLFLOW_TOKEN: token } });
		this.over = new Promise((resolve) => this.process.on('exit', resolve));
		let text = '';
		this.process.stdout.on('data', (part) => {
			text += part;
			for (let end; (end = text.indexOf('\n')) >= 0; text = text.slice(end + 1))
				this.events.push(JSON.parse(text.slice(0, end)));
			this.waiting();
		});
	}

	async expect(name, ms = 20000) {
		const end = Date.now() + ms;
		for (;;) {
			while (this.at < this.events.length)
				if (this.events[this.at++].event === name)
					return this.events[this.at - 1];
			const left = end - Date.now();
			if (left <= 0)
				throw new Error(`no event ${name}: ${JSON.stringify(this.events)}`);
			await Promise.race([new Promise((resolve) => { this.waiting = resolve; }), new Promise((resolve) => { setTimeout(resolve, left); })]);
		}
	}

	async stop() {
		this.process.kill('SIGINT');
		await this.over;
	}
}

// A daemon of the test's own, which it may kill and start again: on the same ports, with what it had stored, at another time.
export class Daemon {
	constructor(address, folder) {
		this.folder = fs.mkdtempSync(path.join(folder, 'daemon-'));
		this.settings = [`listen.https=${address}:0`, `listen.stun=[${address}:0]`, `listen.turn_tls=[${address}:0]`];
		this.address = address;
	}

	// offset: "+61m" (faketime(1)); its clock alone is wrong.
	async start(offset) {
		const command = [path.join(path.dirname(CLI), 'callflowd'), '--dev', '--json', '--state', this.folder, '--public-address', this.address,
			...this.settings.flatMap((setting) => ['--set', setting])];
		const log = fs.openSync(path.join(this.folder, 'log'), 'a');
		const [program, ...args] = offset ? ['faketime', '--exclude-monotonic', '-f', offset, ...command] : command;
		this.process = spawn(program, args, { stdio: ['ignore', 'pipe', log], detached: true });
		this.over = new Promise((resolve) => { this.process.on('exit', resolve); });
		const line = await new Promise((resolve, reject) => {
			let text = '';
			this.process.stdout.on('data', (part) => {
				text += part;
				if (text.includes('\n'))
					resolve(text.slice(0, text.indexOf('\n')));
			});
			this.over.then((code) => reject(new Error(`callflowd has ended: ${code}`)));
		});
		this.ready = JSON.parse(line);
		this.settings = [`listen.https=${this.ready.endpoint.slice(8)}`, `listen.stun=[${this.ready.stun}]`, this.settings[2]];
		return this.ready;
	}

	async kill() {
		process.kill(-this.process.pid, 'SIGKILL');
		await this.over;
	}
}
