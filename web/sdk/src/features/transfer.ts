// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../call.js';
import { Emitter, type PropertyChangedEvent } from '../emitter.js';
import { toEndReason } from '../error.js';
import { fromRawId, toRawId } from '../identifier.js';
import type { AcceptCallOptions, CommunicationIdentifier, CommunicationIdentifierKind } from '../types.js';
import type { Feature } from './feature.js';

export type TransferState = 'None' | 'Transferring' | 'Transferred' | 'Failed';
export interface TransferError { code: number; subCode: number }
export interface TransferRequestedEventArgs {
	targetParticipant: CommunicationIdentifierKind;
	accept(options?: AcceptCallOptions): void;
	reject(): void;
}
export interface TransferAcceptedEventArgs { targetCall: Call }

/** A transfer that this side has asked for. */
export class Transfer extends Emitter<{ stateChanged: PropertyChangedEvent }> {
	#state: TransferState = 'None';
	#error: TransferError | undefined;

	get state(): TransferState { return this.#state; }
	get error(): TransferError | undefined { return this.#error; }

	/** @internal */
	update(state: TransferState, error?: TransferError): void {
		this.#error = error;
		if (state === this.#state)
			return;
		this.#state = state;
		this.emit('stateChanged');
	}
}

const STATES: TransferState[] = ['Transferring', 'Transferred', 'Failed'];
const AT_ONCE_MAX = 8;

/** Sends the other side on to somebody else; the library there places the new call. */
export class TransferFeature extends Emitter<{
	transferRequested: (args: TransferRequestedEventArgs) => void;
	transferAccepted: (args: TransferAcceptedEventArgs) => void;
}> implements Feature {
	readonly name = 'Transfer';
	readonly #asked = new Map<string, Transfer>();

	/** @internal */
	constructor(private readonly call: Call) {
		super();
		call.on('notified', (_, kind, data) => {
			if (kind === 'transferState' && typeof data['id'] === 'string')
				this.#answered(data['id'], data['state']);
		});
	}

	transfer(target: { targetParticipant: CommunicationIdentifier }): Transfer {
		const transfer = new Transfer(), id = crypto.randomUUID();
		if (this.#asked.size >= AT_ONCE_MAX)
			this.#asked.clear();
		this.#asked.set(id, transfer);
		this.call.notify('transfer', { id, to: toRawId(target.targetParticipant) })
			.then(() => transfer.update('Transferring'), (error: unknown) => {
				const { code, subCode } = toEndReason(error);
				transfer.update('Failed', { code, subCode });
			});
		return transfer;
	}

	/** The other side sends us on. Nobody listens: accepted, as a phone would. @internal */
	requested(id: string, to: string): void {
		let decided = false;
		const once = (act: () => void) => () => { if (!decided) { decided = true; act(); } };
		const tell = (state: TransferState): void => void this.call.notify('transferState', { id, state }).catch(() => undefined);
		const args = { targetParticipant: fromRawId(to), reject: once(() => tell('Failed')),
			accept: (options?: AcceptCallOptions) => once(() => this.#follow(to, tell, options))() };
		if (this.call.agent.calls.includes(this.call))
			this.emit('transferRequested', args);
		queueMicrotask(() => args.accept());
	}

	#follow(to: string, tell: (state: TransferState) => void, options: AcceptCallOptions = {}): void {
		const targetCall = this.call.agent.startCall([fromRawId(to)], options);
		tell('Transferring');
		this.emit('transferAccepted', { targetCall });
		targetCall.on('stateChanged', () => {
			if (targetCall.state === 'Connected') {
				tell('Transferred');
				void this.call.hangUp();
			} else if (targetCall.state === 'Disconnected') {
				tell('Failed');
			}
		});
	}

	#answered(id: string, state: unknown): void {
		const transfer = this.#asked.get(id);
		if (transfer && STATES.includes(state as TransferState))
			transfer.update(state as TransferState, state === 'Failed' ? { code: 603, subCode: 0 } : undefined);
	}
}
