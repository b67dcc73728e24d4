// SPDX-License-Identifier: Apache-2.0
import type { Call } from './call.js';
import type { CallAgent } from './call-agent.js';
import { Emitter } from './emitter.js';
import { invalidState } from './error.js';
import { fromRawId } from './identifier.js';
import type { Candidate } from './peer.js';
import type { Schemas } from './service.js';
import type { AcceptCallOptions, CallEndReason, CallerInfo, CustomContext } from './types.js';

export interface IncomingCallEvents {
	callEnded: (args: { callEndReason: CallEndReason }) => void;
}

const EARLY_MAX = 256;

/** Somebody calls: accept() or reject(). */
export class IncomingCall extends Emitter<IncomingCallEvents> {
	readonly kind = 'IncomingCall';
	readonly callerInfo: CallerInfo;
	readonly info = { threadId: undefined };
	readonly customContext: CustomContext | undefined;
	#state: 'ringing' | 'answered' | 'ended' = 'ringing';
	#callEndReason: CallEndReason | undefined;
	#early: Candidate[] = [];

	/** @internal */
	constructor(private readonly agent: CallAgent, private readonly event: Schemas['EventIncomingCall']) {
		super();
		this.callerInfo = { displayName: event.from.displayName, identifier: fromRawId(event.from.rawId) };
		this.customContext = parseContext(event.customContext);
	}

	get id(): string { return this.event.callId; }
	get callEndReason(): CallEndReason | undefined { return this.#callEndReason; }

	async accept(options: AcceptCallOptions = {}): Promise<Call> {
		this.#leaveRinging('answered');
		return this.agent.answered(this, this.event, this.#early, options);
	}

	async reject(): Promise<void> {
		this.#leaveRinging('ended');
		await this.agent.rejected(this);
		this.end({ code: 603, subCode: 0, message: 'declined' });
	}

	/** @internal */
	takeCandidates(candidates: Candidate[]): void {
		this.#early.push(...candidates.slice(0, EARLY_MAX - this.#early.length));
	}

	/** @internal */
	end(reason: CallEndReason): void {
		this.#state = 'ended';
		this.#callEndReason = reason;
		this.emit('callEnded', { callEndReason: reason });
	}

	#leaveRinging(state: 'answered' | 'ended'): void {
		if (this.#state !== 'ringing')
			throw invalidState('The call was answered, or has ended.');
		this.#state = state;
	}
}

function parseContext(text: string | undefined): CustomContext | undefined {
	try {
		const value: unknown = text ? JSON.parse(text) : undefined;
		return typeof value === 'object' && value !== null ? value as CustomContext : undefined;
	} catch {
		return undefined;
	}
}
