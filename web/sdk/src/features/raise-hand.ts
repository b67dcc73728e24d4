// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../call.js';
import { Emitter } from '../emitter.js';
import { fromRawId } from '../identifier.js';
import type { CommunicationIdentifierKind } from '../types.js';
import type { Feature } from './feature.js';

export interface RaisedHand { identifier: CommunicationIdentifierKind; order: number }
export interface RaisedHandChangedEventArgs { identifier: CommunicationIdentifierKind; isRaised?: boolean }
export type RaisedHandListener = (args: RaisedHandChangedEventArgs) => void;

/** Hands up: who wants to speak, in order. */
export class RaiseHandFeature extends Emitter<{ raisedHandEvent: RaisedHandListener; loweredHandEvent: RaisedHandListener }> implements Feature {
	readonly name = 'RaiseHand';
	#hands: { rawId: string; identifier: CommunicationIdentifierKind }[] = [];

	/** @internal */
	constructor(private readonly call: Call) {
		super();
		call.on('notified', (rawId, kind, data) => {
			if (kind === 'state' && typeof data['handRaised'] === 'boolean')
				this.#set(rawId, data['handRaised']);
		});
	}

	getRaisedHands(): RaisedHand[] {
		return this.#hands.map(({ identifier }, index) => ({ identifier, order: index + 1 }));
	}

	async raiseHand(): Promise<void> { await this.#tell(true); }
	async lowerHand(): Promise<void> { await this.#tell(false); }
	async lowerHands(): Promise<void> { await this.#tell(false); }
	async lowerAllHands(): Promise<void> { await this.#tell(false); }

	async #tell(handRaised: boolean): Promise<void> {
		await this.call.notify('state', { handRaised });
		this.#set(this.call.agent.userId, handRaised);
	}

	#set(rawId: string, isRaised: boolean): void {
		if (this.#hands.some((hand) => hand.rawId === rawId) === isRaised)
			return;
		const identifier = fromRawId(rawId);
		this.#hands = isRaised ? [...this.#hands, { rawId, identifier }] : this.#hands.filter((hand) => hand.rawId !== rawId);
		this.emit(isRaised ? 'raisedHandEvent' : 'loweredHandEvent', { identifier, isRaised });
	}
}
