// SPDX-License-Identifier: Apache-2.0
import type { Call } from './call.js';
import type { CallPath } from './path-report.js';
import { rank } from './path-watch.js';
import type { Peer } from './peer.js';

const CONNECT_MS = 25_000;
const RESTART_CALLER_MS = 500;
const RESTART_CALLEE_MS = 1500;
const RESTART_AGAIN_MS = 4000;
const LOST_MS = 30_000;
const BETTER_MS = [2000, 10_000, 30_000, 60_000];

/** Keeps a call's media alive: restarts ICE when the path is lost or the network changes, and gives up in the end. */
export class PathKeeper {
	#timer: ReturnType<typeof setTimeout> | undefined;
	#lostTimer: ReturnType<typeof setTimeout> | undefined;
	#wasConnected = false;
	#best = Infinity;
	#betterTimer: ReturnType<typeof setTimeout> | undefined;
	#peer: Peer | undefined;
	readonly #onNetwork = (): void => this.#restart();

	constructor(private readonly call: Call) {
		call.on('peerMade', (peer) => { this.#peer = peer; });
		call.on('stateChanged', () => this.#onState());
		call.on('connectionChanged', (state) => this.#onConnection(state));
		call.pathWatch.on('pathChanged', (path) => this.#onPath(path));
		globalThis.addEventListener?.('online', this.#onNetwork);
		connection()?.addEventListener('change', this.#onNetwork);
	}

	close(): void {
		clearTimeout(this.#betterTimer);
		clearTimeout(this.#timer);
		clearTimeout(this.#lostTimer);
		globalThis.removeEventListener?.('online', this.#onNetwork);
		connection()?.removeEventListener('change', this.#onNetwork);
	}

	/* From the answer on there is so much time for a first path. */
	#onState(): void {
		const answered = this.call.state === 'Connecting' && this.call.id !== '';
		if (answered && !this.#lostTimer)
			this.#giveUpIn(CONNECT_MS);
	}

	#onConnection(state: RTCPeerConnectionState): void {
		if (state === 'connected') {
			this.#wasConnected = true;
			clearTimeout(this.#timer);
			clearTimeout(this.#lostTimer);
			this.#timer = this.#lostTimer = undefined;
		} else if (state === 'disconnected' || state === 'failed') {
			this.#lose();
		}
	}

	/* A browser that has fallen back to a worse path stays there: look for the better one again, when what cut it off may be over. */
	#onPath(path: CallPath): void {
		clearTimeout(this.#betterTimer);
		this.#best = Math.min(this.#best, rank(path));
		if (rank(path) > this.#best && this.call.direction === 'Outgoing')
			this.#lookForBetter(0);
	}

	#lookForBetter(tries: number): void {
		const wait = BETTER_MS[tries];
		if (wait === undefined)
			return;
		this.#betterTimer = setTimeout(() => {
			this.#restart();
			this.#lookForBetter(tries + 1);
		}, wait);
	}

	#lose(): void {
		if (!this.#wasConnected || this.#timer)
			return;
		this.#timer = setTimeout(() => this.#again(),
			this.call.direction === 'Outgoing' ? RESTART_CALLER_MS : RESTART_CALLEE_MS);
		this.#giveUpIn(LOST_MS);
	}

	#again(): void {
		this.#restart();
		this.#timer = setTimeout(() => this.#again(), RESTART_AGAIN_MS);
	}

	#restart(): void {
		this.call.agent.doubt();
		if (this.#wasConnected)
			this.#peer?.restart();
	}

	#giveUpIn(ms: number): void {
		clearTimeout(this.#lostTimer);
		this.#lostTimer = setTimeout(() => void this.call.fail(this.#wasConnected
			? { code: 410, subCode: 301005, message: 'the media path was lost' }
			: { code: 410, subCode: 301004, message: 'no media path: no pair of addresses works' }), ms);
	}
}

function connection(): EventTarget | undefined {
	return (navigator as { connection?: EventTarget }).connection;
}
