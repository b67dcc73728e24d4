// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../call.js';
import { Emitter } from '../emitter.js';
import type { CallingCommunicationError } from '../error.js';
import { inbound, kinds, type Stats } from '../stats.js';
import type { Feature } from './feature.js';

export enum DiagnosticQuality { Good = 1, Poor = 2, Bad = 3 }

export type NetworkDiagnosticType = 'noNetwork' | 'networkRelaysNotReachable' | 'networkReconnect' | 'networkReceiveQuality' |
	'networkSendQuality';
export type MediaDiagnosticType = 'speakingWhileMicrophoneIsMuted' | 'noSpeakerDevicesEnumerated' | 'noMicrophoneDevicesEnumerated' |
	'cameraFreeze' | 'cameraStartFailed' | 'cameraStartTimedOut' | 'capturerStartFailed' | 'microphoneNotFunctioning' |
	'microphoneMuteUnexpectedly' | 'screenshareRecordingDisabled' | 'microphonePermissionDenied' | 'cameraPermissionDenied' |
	'cameraStoppedUnexpectedly' | 'capturerStoppedUnexpectedly' | 'speakerMuted' | 'speakerVolumeZero';

export interface DiagnosticChanged<T> {
	diagnostic: T;
	value: boolean | DiagnosticQuality;
	valueType: 'DiagnosticFlag' | 'DiagnosticQuality';
}
export type LatestDiagnostics<T extends string> = { [K in T]?: { value: boolean | DiagnosticQuality; valueType: DiagnosticChanged<T>['valueType'] } };

/** Diagnostics of one kind: the latest of each, and an event when one changes. */
export class Diagnostics<T extends string> extends Emitter<{ diagnosticChanged: (args: DiagnosticChanged<T>) => void }> {
	#latest: LatestDiagnostics<T> = {};

	getLatest(): LatestDiagnostics<T> { return { ...this.#latest }; }

	/** @internal */
	set(diagnostic: T, value: boolean | DiagnosticQuality): void {
		const valueType = typeof value === 'boolean' ? 'DiagnosticFlag' : 'DiagnosticQuality';
		const before = this.#latest[diagnostic]?.value;
		/* That all is well is no news as long as nothing was wrong. */
		if (before === value || (before === undefined && (value === false || value === DiagnosticQuality.Good)))
			return;
		this.#latest = { ...this.#latest, [diagnostic]: { value, valueType } };
		this.emit('diagnosticChanged', { diagnostic, value, valueType });
	}
}

const LOOK_MS = 2000;
const BAD_LOSS = 0.1, POOR_LOSS = 0.03;
const BAD_RTT_S = 1, POOR_RTT_S = 0.5;

/** What a person in the call should know: devices that fail, a network that does not carry. */
export class UserFacingDiagnosticsFeature implements Feature {
	readonly name = 'UserFacingDiagnostics';
	readonly network = new Diagnostics<NetworkDiagnosticType>();
	readonly media = new Diagnostics<MediaDiagnosticType>();
	readonly #timer: ReturnType<typeof setInterval>;
	readonly #onLine = (): void => this.network.set('noNetwork', !navigator.onLine);
	#before = { received: 0, lost: 0, frozen: 0 };

	/** @internal */
	constructor(private readonly call: Call) {
		call.on('captureFailed', (what, error) => this.#onCapture(what, error));
		call.on('connectionChanged', (state) => this.#onConnection(state));
		for (const [what, error] of call.captureFailures)
			this.#onCapture(what, error);
		call.on('localAudioStreamsUpdated', ({ added }) => { if (added.length) this.#microphoneWorks(); });
		call.on('localVideoStreamsUpdated', ({ added }) => { if (added.length) this.#cameraWorks(); });
		globalThis.addEventListener?.('online', this.#onLine);
		globalThis.addEventListener?.('offline', this.#onLine);
		this.#timer = setInterval(() => void this.#look(), LOOK_MS);
		void this.#lookAtDevices();
	}

	/** @internal */
	dispose(): void {
		clearInterval(this.#timer);
		globalThis.removeEventListener?.('online', this.#onLine);
		globalThis.removeEventListener?.('offline', this.#onLine);
	}

	#microphoneWorks(): void {
		for (const diagnostic of ['microphonePermissionDenied', 'microphoneNotFunctioning', 'noMicrophoneDevicesEnumerated'] as const)
			this.media.set(diagnostic, false);
	}

	#cameraWorks(): void {
		for (const diagnostic of ['cameraPermissionDenied', 'cameraStartFailed', 'cameraStoppedUnexpectedly'] as const)
			this.media.set(diagnostic, false);
	}

	#onCapture(what: 'microphone' | 'camera' | 'screen', error: CallingCommunicationError | undefined): void {
		this.media.set(captureDiagnostic(what, error), true);
	}

	#onConnection(state: RTCPeerConnectionState): void {
		if (state === 'connected')
			this.network.set('networkReconnect', DiagnosticQuality.Good);
		else if (state === 'disconnected' || state === 'failed')
			this.network.set('networkReconnect', state === 'failed' ? DiagnosticQuality.Bad : DiagnosticQuality.Poor);
	}

	async #lookAtDevices(): Promise<void> {
		const { deviceManager } = this.call.agent;
		this.media.set('noMicrophoneDevicesEnumerated', (await deviceManager.getMicrophones()).length === 0);
		if (deviceManager.isSpeakerSelectionAvailable)
			this.media.set('noSpeakerDevicesEnumerated', (await deviceManager.getSpeakers()).length === 0);
	}

	async #look(): Promise<void> {
		const stats = await this.call.peer?.stats();
		if (!stats)
			return;
		this.network.set('networkReceiveQuality', this.#receiveQuality(stats));
		this.network.set('networkSendQuality', sendQuality(stats));
		this.network.set('networkRelaysNotReachable', this.call.peer?.relaysFailed(stats) ?? false);
	}

	#receiveQuality(stats: Stats[]): DiagnosticQuality {
		const all = inbound(stats);
		const received = sum(all, 'packetsReceived'), lost = sum(all, 'packetsLost');
		const before = this.#before;
		this.#before = { received, lost, frozen: 0 };
		const came = received - before.received, missing = Math.max(0, lost - before.lost);
		return came + missing < 20 ? DiagnosticQuality.Good : quality(missing / (came + missing), 0);
	}
}

function captureDiagnostic(what: 'microphone' | 'camera' | 'screen', error: CallingCommunicationError | undefined): MediaDiagnosticType {
	if (what === 'screen')
		return error ? 'capturerStartFailed' : 'capturerStoppedUnexpectedly';
	if (what === 'camera')
		return !error ? 'cameraStoppedUnexpectedly' : error.code === 403 ? 'cameraPermissionDenied' : 'cameraStartFailed';
	if (!error)
		return 'microphoneNotFunctioning';
	return error.code === 403 ? 'microphonePermissionDenied' : error.code === 404 ? 'noMicrophoneDevicesEnumerated' : 'microphoneNotFunctioning';
}

function sum(stats: Stats[], field: string): number {
	return stats.reduce((all, one) => all + (typeof one[field] === 'number' ? one[field] : 0), 0);
}

function quality(loss: number, rttS: number): DiagnosticQuality {
	if (loss > BAD_LOSS || rttS > BAD_RTT_S)
		return DiagnosticQuality.Bad;
	return loss > POOR_LOSS || rttS > POOR_RTT_S ? DiagnosticQuality.Poor : DiagnosticQuality.Good;
}

function sendQuality(stats: Stats[]): DiagnosticQuality {
	const remote = kinds(stats, 'remote-inbound-rtp');
	const worst = (field: string): number => Math.max(0, ...remote.map((one) => typeof one[field] === 'number' ? one[field] : 0));
	return quality(worst('fractionLost'), worst('roundTripTime'));
}
