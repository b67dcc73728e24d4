// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../call.js';
import { Emitter } from '../emitter.js';
import { reportOf, type CallPath } from '../path-report.js';
import type { Schemas } from '../service.js';
import type { Feature } from './feature.js';

export interface CallPathEvents { pathChanged: (path: CallPath | undefined) => void }

/** Callflow's own: which way the call's media takes, why, and the whole story of the call. */
export class CallPathFeature extends Emitter<CallPathEvents> implements Feature {
	readonly name = 'CallPath';

	/** @internal */
	constructor(private readonly call: Call) {
		super();
		call.pathWatch.on('pathChanged', (path) => this.emit('pathChanged', path));
	}

	/** The path in use; undefined until there is one. */
	get path(): CallPath | undefined { return this.call.pathWatch.path; }

	/** The story of the call so far, by all who had a part in it. */
	async trace(): Promise<Schemas['CallTrace']> {
		const { agent, id } = this.call;
		return agent.service.request('get', '/calling/2026-11-01/calls/{callId}/trace', undefined, { params: { callId: id } });
	}

	/** The network with the path that was taken, or the ladder of who said what: SVG text. */
	async drawing(picture: 'network' | 'ladder' | 'both' = 'network'): Promise<string> {
		const { agent, id } = this.call;
		const response = await agent.service.send('get', '/calling/2026-11-01/calls/{callId}/trace', undefined,
			{ params: { callId: id }, accept: 'image/svg+xml', query: `?picture=${picture}` });
		return response.text();
	}

	/** What this device sees: candidates, pairs with their checks, the path and why. */
	async report(): Promise<Schemas['CallReport'] | undefined> {
		const stats = await this.call.peer?.stats();
		return stats && reportOf('path', stats, {}, this.call.isGroup);
	}
}
