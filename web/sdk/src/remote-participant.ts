// SPDX-License-Identifier: Apache-2.0
import { Emitter, type CollectionUpdatedEvent, type PropertyChangedEvent } from './emitter.js';
import { notSupported } from './error.js';
import { RemoteVideoStream } from './remote-video-stream.js';
import type { CallEndReason, CommunicationIdentifierKind, ParticipantRole, RemoteParticipantState } from './types.js';

export interface RemoteParticipantEvents {
	stateChanged: PropertyChangedEvent;
	displayNameChanged: PropertyChangedEvent;
	isMutedChanged: PropertyChangedEvent;
	isSpeakingChanged: PropertyChangedEvent;
	roleChanged: PropertyChangedEvent;
	videoStreamsUpdated: CollectionUpdatedEvent<RemoteVideoStream>;
}

/** Somebody else in the call. */
export class RemoteParticipant extends Emitter<RemoteParticipantEvents> {
	#state: RemoteParticipantState = 'Idle';
	#displayName: string | undefined;
	#isMuted = false;
	#isSpeaking = false;
	#callEndReason: CallEndReason | undefined;
	#videoStreams: RemoteVideoStream[] = [];
	#mute: (() => Promise<void>) | undefined;
	readonly role: ParticipantRole = 'Unknown';
	readonly endpointDetails: { participantId: string }[] = [];

	constructor(readonly identifier: CommunicationIdentifierKind, displayName?: string) {
		super();
		this.#displayName = displayName;
	}

	get state(): RemoteParticipantState { return this.#state; }
	get displayName(): string | undefined { return this.#displayName; }
	get isMuted(): boolean { return this.#isMuted; }
	get isSpeaking(): boolean { return this.#isSpeaking; }
	get callEndReason(): CallEndReason | undefined { return this.#callEndReason; }
	get videoStreams(): readonly RemoteVideoStream[] { return this.#videoStreams; }

	/** In a group call: asks to be silent. Whoever is asked may speak again when they like. */
	async mute(): Promise<void> {
		if (!this.#mute)
			throw notSupported('Muting the other side of a call between two');
		await this.#mute();
	}

	/** @internal */
	mutedBy(mute: () => Promise<void>): void {
		this.#mute = mute;
	}

	/** @internal */
	updateState(state: RemoteParticipantState, reason?: CallEndReason): void {
		if (reason)
			this.#callEndReason = reason;
		if (state === this.#state)
			return;
		this.#state = state;
		this.emit('stateChanged');
	}

	/** @internal */
	updateDisplayName(displayName: string | undefined): void {
		if (!displayName || displayName === this.#displayName)
			return;
		this.#displayName = displayName;
		this.emit('displayNameChanged');
	}

	/** @internal */
	updateMuted(isMuted: boolean): void {
		if (isMuted === this.#isMuted)
			return;
		this.#isMuted = isMuted;
		this.emit('isMutedChanged');
	}

	/** @internal */
	updateSpeaking(isSpeaking: boolean): void {
		if (isSpeaking === this.#isSpeaking)
			return;
		this.#isSpeaking = isSpeaking;
		this.emit('isSpeakingChanged');
	}

	/** The stream of one kind, made with the first track. @internal */
	updateVideo(type: 'Video' | 'ScreenSharing', track: MediaStreamTrack | undefined, isAvailable: boolean): void {
		let stream = this.#videoStreams.find((one) => one.mediaStreamType === type);
		if (!stream) {
			if (!isAvailable)
				return;
			stream = new RemoteVideoStream(type);
			stream.update(track, isAvailable);
			this.#videoStreams = [...this.#videoStreams, stream];
			this.emit('videoStreamsUpdated', { added: [stream], removed: [] });
			return;
		}
		stream.update(track, isAvailable);
	}
}
