// SPDX-License-Identifier: Apache-2.0
import { Emitter, type CollectionUpdatedEvent, type PropertyChangedEvent } from './emitter.js';
import { CallingCommunicationError, notSupported } from './error.js';
import { featureOf, type Feature, type FeatureFactory } from './features/feature.js';
import type { AudioDeviceInfo, DeviceAccess, VideoDeviceInfo } from './types.js';

export interface DeviceManagerEvents {
	videoDevicesUpdated: CollectionUpdatedEvent<VideoDeviceInfo>;
	audioDevicesUpdated: CollectionUpdatedEvent<AudioDeviceInfo>;
	selectedMicrophoneChanged: PropertyChangedEvent;
	selectedSpeakerChanged: PropertyChangedEvent;
}

interface Devices { cameras: VideoDeviceInfo[]; microphones: AudioDeviceInfo[]; speakers: AudioDeviceInfo[] }

/** Cameras, microphones and speakers of this device, and which of them calls use. */
export class DeviceManager extends Emitter<DeviceManagerEvents> {
	#devices: Devices = { cameras: [], microphones: [], speakers: [] };
	#microphone: AudioDeviceInfo | undefined;
	#speaker: AudioDeviceInfo | undefined;
	readonly #features = new Map<unknown, Feature>();
	readonly #onChange = (): void => void this.#refresh();

	constructor() {
		super();
		navigator.mediaDevices?.addEventListener('devicechange', this.#onChange);
	}

	get selectedMicrophone(): AudioDeviceInfo | undefined { return this.#microphone; }
	get selectedSpeaker(): AudioDeviceInfo | undefined { return this.#speaker; }
	get isSpeakerSelectionAvailable(): boolean {
		return typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;
	}

	async getCameras(): Promise<VideoDeviceInfo[]> { return (await this.#refresh()).cameras; }
	async getMicrophones(): Promise<AudioDeviceInfo[]> { return (await this.#refresh()).microphones; }
	async getSpeakers(): Promise<AudioDeviceInfo[]> {
		if (!this.isSpeakerSelectionAvailable)
			throw notSupported('Choosing a speaker in this browser');
		return (await this.#refresh()).speakers;
	}

	async selectMicrophone(device: AudioDeviceInfo): Promise<void> {
		if (device.deviceType === 'Speaker')
			throw new CallingCommunicationError(400, 41003, 'A speaker is no microphone.');
		this.#setMicrophone(device);
	}

	async selectSpeaker(device: AudioDeviceInfo): Promise<void> {
		if (!this.isSpeakerSelectionAvailable)
			throw notSupported('Choosing a speaker in this browser');
		if (device.deviceType !== 'Speaker')
			throw new CallingCommunicationError(400, 41003, 'A microphone is no speaker.');
		this.#setSpeaker(device);
	}

	/** Asks the user for what is wanted; what was allowed. */
	async askDevicePermission(wanted: { audio: boolean; video: boolean }): Promise<DeviceAccess> {
		const audio = wanted.audio && await allowed({ audio: true });
		const video = wanted.video && await allowed({ video: true });
		await this.#refresh();
		return { audio, video };
	}

	feature<T extends Feature>(factory: FeatureFactory<T, DeviceManager>): T {
		return featureOf(this.#features, this, factory);
	}

	/** @internal */
	dispose(): void {
		navigator.mediaDevices?.removeEventListener('devicechange', this.#onChange);
		this.removeAllListeners();
	}

	#setMicrophone(device: AudioDeviceInfo | undefined): void {
		if (this.#microphone?.id === device?.id)
			return;
		this.#microphone = device;
		this.emit('selectedMicrophoneChanged');
	}

	#setSpeaker(device: AudioDeviceInfo | undefined): void {
		if (this.#speaker?.id === device?.id)
			return;
		this.#speaker = device;
		this.emit('selectedSpeakerChanged');
	}

	async #refresh(): Promise<Devices> {
		const before = this.#devices, now = this.#devices = await list();
		const audio = difference([...before.microphones, ...before.speakers], [...now.microphones, ...now.speakers]);
		const video = difference(before.cameras, now.cameras);
		if (video.added.length + video.removed.length > 0)
			this.emit('videoDevicesUpdated', video);
		if (audio.added.length + audio.removed.length > 0)
			this.emit('audioDevicesUpdated', audio);
		/* One that was unplugged gives way to the system's choice. */
		this.#setMicrophone(stays(this.#microphone, now.microphones));
		this.#setSpeaker(stays(this.#speaker, now.speakers));
		return now;
	}
}

function stays(selected: AudioDeviceInfo | undefined, list: AudioDeviceInfo[]): AudioDeviceInfo | undefined {
	return list.find((device) => device.id === selected?.id) ?? list.find((device) => device.isSystemDefault) ?? list[0];
}

function difference<T extends { id: string; name: string }>(before: T[], now: T[]): { added: T[]; removed: T[] } {
	const without = (list: T[], other: T[]): T[] => list.filter((one) => !other.some((two) => two.id === one.id && two.name === one.name));
	return { added: without(now, before), removed: without(before, now) };
}

async function list(): Promise<Devices> {
	const found = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
	const audio = (kind: MediaDeviceKind, deviceType: AudioDeviceInfo['deviceType'], label: string): AudioDeviceInfo[] =>
		found.filter((device) => device.kind === kind).map((device, index) => ({ deviceType, id: device.deviceId,
			name: device.label || `${label} ${index + 1}`, isSystemDefault: device.deviceId === 'default' || (index === 0 && !device.deviceId) }));
	return {
		cameras: found.filter((device) => device.kind === 'videoinput').map((device, index) =>
			({ id: device.deviceId, name: device.label || `Camera ${index + 1}`, deviceType: 'UsbCamera' })),
		microphones: audio('audioinput', 'Microphone', 'Microphone'),
		speakers: audio('audiooutput', 'Speaker', 'Speaker'),
	};
}

async function allowed(constraints: MediaStreamConstraints): Promise<boolean> {
	try {
		const stream = await navigator.mediaDevices.getUserMedia(constraints);
		for (const track of stream.getTracks())
			track.stop();
		return true;
	} catch {
		return false;
	}
}
