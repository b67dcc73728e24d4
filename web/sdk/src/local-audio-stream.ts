// SPDX-License-Identifier: Apache-2.0
import { Emitter } from './emitter.js';
import { captureError } from './local-video-stream.js';
import type { AudioDeviceInfo } from './types.js';

export interface LocalAudioStreamEvents {
	/** @internal */
	trackChanged: (track: MediaStreamTrack | undefined) => void;
}

/** Sound of this device: a microphone, or any MediaStream or track of the application. */
export class LocalAudioStream extends Emitter<LocalAudioStreamEvents> {
	#source: AudioDeviceInfo;
	#stream: MediaStream | undefined;
	#given: boolean;

	constructor(source: AudioDeviceInfo | MediaStream | MediaStreamTrack) {
		super();
		const stream = toStream(source);
		this.#stream = stream;
		this.#given = stream !== undefined;
		this.#source = stream ? deviceOf(stream) : source as AudioDeviceInfo;
	}

	get source(): AudioDeviceInfo { return this.#source; }

	async switchSource(source: AudioDeviceInfo | MediaStream | MediaStreamTrack): Promise<void> {
		const given = toStream(source), was = this.#stream;
		if (!given && !was) {
			this.#source = source as AudioDeviceInfo;
			return;
		}
		const stream = given ?? await openMicrophone(source as AudioDeviceInfo);
		if (!this.#given)
			stop(was);
		this.#stream = stream;
		this.#source = given ? deviceOf(given) : source as AudioDeviceInfo;
		this.#given = given !== undefined;
		this.emit('trackChanged', stream.getAudioTracks()[0]);
	}

	/** The stream that is sent; opens the microphone where nobody has yet. */
	async getMediaStream(): Promise<MediaStream> {
		return this.#stream ?? (this.#stream = await openMicrophone(this.#source));
	}

	/** @internal */
	release(): void {
		if (this.#given)
			return;
		stop(this.#stream);
		this.#stream = undefined;
	}
}

function toStream(source: AudioDeviceInfo | MediaStream | MediaStreamTrack): MediaStream | undefined {
	if (source instanceof MediaStream)
		return source;
	return source instanceof MediaStreamTrack ? new MediaStream([source]) : undefined;
}

function stop(stream: MediaStream | undefined): void {
	for (const track of stream?.getTracks() ?? [])
		track.stop();
}

function deviceOf(stream: MediaStream): AudioDeviceInfo {
	const track = stream.getAudioTracks()[0];
	return { name: track?.label ?? '', id: track?.id ?? stream.id, isSystemDefault: false, deviceType: 'Microphone' };
}

async function openMicrophone(source: AudioDeviceInfo): Promise<MediaStream> {
	try {
		return await navigator.mediaDevices.getUserMedia({ audio: {
			...(source.id ? { deviceId: { exact: source.id } } : {}),
			echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
	} catch (error) {
		throw captureError('microphone', error);
	}
}
