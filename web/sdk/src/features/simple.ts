// SPDX-License-Identifier: Apache-2.0
import type { CallClient } from '../call-client.js';
import type { Call } from '../call.js';
import { Emitter, type PropertyChangedEvent } from '../emitter.js';
import type { RemoteParticipant } from '../remote-participant.js';
import type { CommunicationIdentifierKind } from '../types.js';
import type { Feature } from './feature.js';

export interface DominantSpeakersInfo { speakersList: CommunicationIdentifierKind[]; timestamp: Date }

/** Who speaks, the latest first. */
export class DominantSpeakersFeature extends Emitter<{ dominantSpeakersChanged: PropertyChangedEvent }> implements Feature {
	readonly name = 'DominantSpeakers';
	#info: DominantSpeakersInfo = { speakersList: [], timestamp: new Date() };
	readonly #followed = new WeakSet<RemoteParticipant>();

	/** @internal */
	constructor(call: Call) {
		super();
		this.#info.speakersList = call.remoteParticipants.filter((one) => one.isSpeaking).map((one) => one.identifier);
		call.remoteParticipants.forEach((one) => this.#follow(one));
		call.on('remoteParticipantsUpdated', ({ added, removed }) => {
			added.forEach((one) => this.#follow(one));
			if (removed.some((one) => this.#info.speakersList.includes(one.identifier)))
				this.#set(this.#info.speakersList.filter((speaker) => removed.every((one) => one.identifier !== speaker)));
		});
	}

	#follow(participant: RemoteParticipant): void {
		if (this.#followed.has(participant))
			return;
		this.#followed.add(participant);
		participant.on('isSpeakingChanged', () => {
			if (participant.isSpeaking)
				this.#set([participant.identifier, ...this.#info.speakersList.filter((one) => one !== participant.identifier)]);
		});
	}

	#set(speakersList: CommunicationIdentifierKind[]): void {
		this.#info = { speakersList, timestamp: new Date() };
		this.emit('dominantSpeakersChanged');
	}

	get dominantSpeakers(): DominantSpeakersInfo { return this.#info; }
}

export type CapabilityName = 'turnVideoOn' | 'unmuteMic' | 'shareScreen' | 'removeParticipant' | 'hangUpForEveryOne' |
	'addCommunicationUser' | 'addPhoneNumber' | 'addTeamsUser' | 'manageLobby' | 'raiseHand' | 'useReactions' | 'blurBackground' |
	'spotlightParticipant' | 'removeParticipantsSpotlight' | 'startLiveCaptions' | 'stopLiveCaptions' | 'muteOthers' | 'viewAttendeeNames';
export interface Capability { isPresent: boolean; reason: 'Capable' | 'FeatureNotSupported' | 'NotCapable' }

const CAN: CapabilityName[] = ['turnVideoOn', 'unmuteMic', 'shareScreen', 'hangUpForEveryOne', 'raiseHand'];
const CANNOT: CapabilityName[] = ['removeParticipant', 'addCommunicationUser', 'addPhoneNumber', 'addTeamsUser', 'manageLobby', 'useReactions',
	'blurBackground', 'spotlightParticipant', 'removeParticipantsSpotlight', 'startLiveCaptions', 'stopLiveCaptions', 'muteOthers', 'viewAttendeeNames'];

/** What this participant may do in the call. */
export class CapabilitiesFeature extends Emitter<{ capabilitiesChanged: PropertyChangedEvent }> implements Feature {
	readonly name = 'Capabilities';
	readonly capabilities = Object.fromEntries([
		...CAN.map((name): [string, Capability] => [name, { isPresent: true, reason: 'Capable' }]),
		...CANNOT.map((name): [string, Capability] => [name, { isPresent: false, reason: 'FeatureNotSupported' }]),
	]) as Record<CapabilityName, Capability>;
}

/** How many videos are worth showing at once. */
export class OptimalVideoCountFeature extends Emitter<{ optimalVideoCountChanged: PropertyChangedEvent }> implements Feature {
	readonly name = 'OptimalVideoCount';
	readonly optimalVideoCount = 9;
}

export interface EnvironmentInfo {
	environment: { platform: string; browser: string; browserVersion: string };
	isSupportedPlatform: boolean;
	isSupportedBrowser: boolean;
	isSupportedBrowserVersion: boolean;
	isSupportedEnvironment: boolean;
}

/** Facts for support: the browser, and what of it the library needs. */
export class DebugInfoFeature implements Feature {
	readonly name = 'DebugInfo';

	/** @internal */
	constructor(private readonly client: CallClient) {}

	async getEnvironmentInfo(): Promise<EnvironmentInfo> {
		const agent = navigator.userAgent;
		const [, browser, browserVersion] = /(Firefox|Edg|Chrome|Version)\/([\d.]+)/.exec(agent) ?? [undefined, 'unknown', ''];
		const supported = typeof RTCPeerConnection === 'function' && typeof navigator.mediaDevices?.getUserMedia === 'function';
		return { environment: { platform: navigator.platform || 'unknown', browser: browser === 'Version' ? 'Safari' : browser ?? 'unknown',
			browserVersion: browserVersion ?? '' }, isSupportedPlatform: supported, isSupportedBrowser: supported,
			isSupportedBrowserVersion: supported, isSupportedEnvironment: supported };
	}

	/** Ids of the calls that this client has had, the latest first. */
	getLocalParticipantId(): string | undefined { return this.client.agent?.endpointId; }

	async dumpDebugInfo(): Promise<{ dumpId: string; callIdList: string[] }> {
		return { dumpId: crypto.randomUUID(), callIdList: this.client.agent?.calls.map((call) => call.id) ?? [] };
	}
}
