// SPDX-License-Identifier: Apache-2.0
import type { CollectionUpdatedEvent, PropertyChangedEvent } from './emitter.js';
import type { CallingCommunicationError } from './error.js';
import type { LocalAudioStream } from './local-audio-stream.js';
import type { LocalVideoStream } from './local-video-stream.js';
import type { Peer } from './peer.js';
import type { RemoteParticipant } from './remote-participant.js';
import type { CommunicationIdentifierKind } from './types.js';

export interface CallEvents {
	stateChanged: PropertyChangedEvent;
	idChanged: PropertyChangedEvent;
	isMutedChanged: PropertyChangedEvent;
	isIncomingAudioMutedChanged: PropertyChangedEvent;
	isScreenSharingOnChanged: PropertyChangedEvent;
	isLocalVideoStartedChanged: PropertyChangedEvent;
	remoteParticipantsUpdated: CollectionUpdatedEvent<RemoteParticipant>;
	localVideoStreamsUpdated: CollectionUpdatedEvent<LocalVideoStream>;
	localAudioStreamsUpdated: CollectionUpdatedEvent<LocalAudioStream>;
	totalParticipantCountChanged: PropertyChangedEvent;
	roleChanged: PropertyChangedEvent;
	mutedByOthers: PropertyChangedEvent;
	/** @internal A device could not be opened, or ended by itself. */
	captureFailed: (what: 'microphone' | 'camera' | 'screen', error: CallingCommunicationError | undefined) => void;
	/** @internal */
	peerMade: (peer: Peer) => void;
	/** @internal The other side tells us something. */
	notified: (rawId: string, kind: string, data: Record<string, unknown>) => void;
	/** @internal What the browser says of the connection. */
	connectionChanged: (state: RTCPeerConnectionState) => void;
}

/** Who is called, or who calls; or which group is joined, or begun with whom. @internal */
export interface CallTarget { remote?: CommunicationIdentifierKind | undefined; name?: string | undefined; groupId?: string; invited?: CommunicationIdentifierKind[] }
