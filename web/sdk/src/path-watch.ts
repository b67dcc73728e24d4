// SPDX-License-Identifier: Apache-2.0
import type { Call } from './call.js';
import { Emitter } from './emitter.js';
import { pathOf, reportOf, type CallPath } from './path-report.js';
import type { Schemas } from './service.js';

const LOOK_MS = 1000;
/* Checks may overtake the candidate they come from: until it is told, its address seems to be one that nobody knew. */
const UNTOLD_MS = 200;
const UNTOLD_LOOKS = 4;

/** Looks at the call's path once a second, and reports it to the service: first, and when it is another one. */
export class PathWatch extends Emitter<{ pathChanged: (path: CallPath) => void }> {
	#path: CallPath | undefined;
	#timer: ReturnType<typeof setInterval> | undefined;
	#begun = Date.now();
	#looks = 0;

	constructor(private readonly call: Call) {
		super();
		call.on('connectionChanged', (state) => {
			if (state === 'connected')
				this.#start();
			else if (state === 'disconnected')
				void this.#report('disconnected');
		});
	}

	get path(): CallPath | undefined { return this.#path; }

	close(): void {
		clearInterval(this.#timer);
		this.removeAllListeners();
	}

	#start(): void {
		void this.#look();
		this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
	}

	async #look(): Promise<void> {
		const stats = await this.call.peer?.stats().catch(() => undefined);
		const path = stats && pathOf(stats, this.call.isGroup), before = this.#path;
		if (!path || this.call.state === 'Disconnected')
			return;
		if (!before && path.remote.type === 'prflx' && this.#looks++ < UNTOLD_LOOKS) {
			setTimeout(() => void this.#look(), UNTOLD_MS);
			return;
		}
		this.#path = path;
		if (before && same(before, path))
			return;
		this.emit('pathChanged', path);
		/* A browser does not say why it moved: to a better path by choice, to a worse one for want of an answer. */
		await (before ? this.#report('path', { cause: rank(path) < rank(before) ? 'better' : 'silence' }) : this.#report('connected'));
	}

	async #report(kind: string, more: Partial<Schemas['CallReport']> = {}): Promise<void> {
		const { id, peer } = this.call;
		const stats = await peer?.stats().catch(() => undefined);
		if (!stats || !id)
			return;
		const report = reportOf(kind, stats, { atUs: (Date.now() - this.#begun) * 1000, ...more }, this.call.isGroup);
		await this.call.requests.report(report);
	}
}

function same(one: CallPath, two: CallPath): boolean {
	return one.kind === two.kind && one.transport === two.transport && one.local.address === two.local.address &&
		one.local.port === two.local.port && one.remote.address === two.remote.address && one.remote.port === two.remote.port;
}

/** The less, the more direct. @internal */
export function rank(path: CallPath): number {
	return path.relays * 4 + (path.kind === 'direct' || path.kind === 'media-processor' ? 0 : 1) + (path.transport === 'udp' ? 0 : 2);
}
