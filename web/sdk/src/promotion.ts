// SPDX-License-Identifier: Apache-2.0
import type { Peer } from './peer.js';

/** A call between two becomes a group call: the way to the media processor, made beside the one in use, and taken when both sides are there. */
export class Promotion {
	#isConnected = false;
	#isDue = false;

	constructor(readonly peer: Peer, private readonly take: () => void) {}

	/** Sends what goes out already, and gathers; the offer is given to `tell`. */
	async begin(before: Peer, iceServers: RTCIceServer[], tell: (offer: string) => Promise<unknown>): Promise<void> {
		for (const media of ['audio', 'camera'] as const)
			await this.peer.send(media, before.sent(media));
		this.peer.openSlots();
		const offer = await this.peer.createOffer();
		this.peer.begin(offer, iceServers);
		await tell(offer.sdp ?? '');
	}

	answered(sdp: string): void {
		void this.peer.takeDescription('answer', sdp);
	}

	connection(state: RTCPeerConnectionState): void {
		this.#isConnected = state === 'connected';
		this.#go();
	}

	/** Everybody is there. */
	due(): void {
		this.#isDue = true;
		this.#go();
	}

	#go(): void {
		if (this.#isConnected && this.#isDue)
			this.take();
	}
}
