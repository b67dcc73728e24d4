// SPDX-License-Identifier: Apache-2.0
import type { CallRequests } from './call-requests.js';
import { Peer } from './peer.js';
import type { RemoteParticipant } from './remote-participant.js';

type Tell = (sdp: string) => Promise<unknown>;

/* Nobody waits for the way to the other one: its description has all candidates, or those of so long. */
const GATHER_MS = 2000;

/** Another connection of the call, made beside the one in use. */
class Move {
	#isConnected = false;
	#isDue = false;
	#awaitsAnswer = false;

	/** connected: what to do when there is media; take: when there is for both. */
	constructor(readonly peer: Peer, readonly toGroup: boolean, private readonly take: () => void, private readonly connected?: () => Promise<void>) {}

	/** Sends what goes out already, and gathers; the offer to the media processor is given to `tell`. */
	async enter(before: Peer, iceServers: RTCIceServer[], tell: Tell): Promise<void> {
		await this.#sendAs(before);
		this.peer.openSlots();
		const offer = await this.peer.createOffer();
		this.#awaitsAnswer = true;
		this.peer.begin(offer, iceServers);
		await tell(offer.sdp ?? '');
	}

	/** The same, to the other one: an offer, or the answer to theirs. */
	async meet(before: Peer, iceServers: RTCIceServer[], tell: Tell, theirs?: string): Promise<void> {
		await this.#sendAs(before);
		this.#awaitsAnswer = theirs === undefined;
		this.peer.begin(theirs === undefined ? await this.peer.createOffer() : await this.peer.createAnswer(theirs), iceServers);
		await tell(await this.peer.gathered(GATHER_MS));
	}

	/** An answer came; whether it was for this. */
	answered(sdp: string): boolean {
		if (!this.#awaitsAnswer)
			return false;
		this.#awaitsAnswer = false;
		void this.peer.takeDescription('answer', sdp);
		return true;
	}

	connection(state: RTCPeerConnectionState): void {
		if (state === 'connected' && !this.#isConnected)
			void this.connected?.().catch(() => undefined);
		this.#isConnected = state === 'connected';
		this.#go();
	}

	/** Everybody is there. */
	due(): void {
		this.#isDue = true;
		this.#go();
	}

	async #sendAs(before: Peer): Promise<void> {
		for (const media of ['audio', 'camera'] as const)
			await this.peer.send(media, before.sent(media));
	}

	#go(): void {
		if (this.#isConnected && this.#isDue)
			this.take();
	}
}

export interface Movable {
	readonly requests: CallRequests;
	newPeer(made?: RTCPeerConnection): Peer;
	prepared(): RTCPeerConnection;
	iceServers(): RTCIceServer[];
	/** The call goes over this from now on; other: who is at the other side, nobody in a group. */
	take(peer: Peer, other: RemoteParticipant | undefined): void;
}

/**
 * Moves a call to another connection, which is taken when both sides are there: to the media processor when it becomes a group call, and to the other
 * one when two are left.
 */
export class Mover {
	#move: Move | undefined;

	constructor(private readonly call: Movable) {}

	get isToGroup(): boolean { return this.#move?.toGroup ?? false; }

	promote(before: Peer): void {
		const move = this.#begin(this.call.newPeer(Peer.prepareForGroup()), true, undefined);
		void move.enter(before, this.call.iceServers(), (sdp) => this.call.requests.promote(sdp)).catch(() => undefined);
	}

	demote(before: Peer, other: RemoteParticipant, offer: string | undefined): void {
		const move = this.#begin(this.call.newPeer(offer === undefined ? this.call.prepared() : undefined), false, other);
		void move.meet(before, this.call.iceServers(), (sdp) => this.call.requests.demote(sdp), offer).catch(() => undefined);
	}

	/** All are there, or it is given up. */
	settle(is: boolean): void {
		if (is)
			this.#move?.due();
		else
			this.stop();
	}

	stop(): void {
		this.#move?.peer.close();
		this.#move = undefined;
	}

	/** Of the peer that is being made; false: it is another's. */
	connection(peer: Peer | undefined, state: RTCPeerConnectionState): boolean {
		if (this.#move?.peer !== peer)
			return false;
		this.#move?.connection(state);
		return peer !== undefined;
	}

	answered(sdp: string): boolean {
		return this.#move?.answered(sdp) ?? false;
	}

	#begin(peer: Peer, toGroup: boolean, other: RemoteParticipant | undefined): Move {
		this.stop();
		const move = this.#move = new Move(peer, toGroup, () => {
			this.#move = undefined;
			this.call.take(peer, other);
		}, toGroup ? undefined : () => this.call.requests.direct());
		return move;
	}
}
