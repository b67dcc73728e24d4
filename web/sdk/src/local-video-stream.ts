// SPDX-License-Identifier: Apache-2.0
import { Emitter } from './emitter.js';
import { CallingCommunicationError } from './error.js';
import { featureOf, type Feature, type FeatureFactory } from './features/feature.js';
import type { MediaStreamType, VideoDeviceInfo } from './types.js';

export interface LocalVideoStreamEvents {
	/** @internal The track is another one now; undefined: it stopped. */
	trackChanged: (track: MediaStreamTrack | undefined) => void;
}

/** Video of this device: a camera, a screen, or any MediaStream of the application. */
export class LocalVideoStream extends Emitter<LocalVideoStreamEvents> {
	#source: VideoDeviceInfo;
	#stream: MediaStream | undefined;
	#given: boolean;
	#users = 0;
	#type: MediaStreamType;
	readonly #features = new Map<unknown, Feature>();

	constructor(source: VideoDeviceInfo | MediaStream, type: MediaStreamType = 'Video') {
		super();
		this.#type = type;
		this.#given = source instanceof MediaStream;
		this.#stream = source instanceof MediaStream ? source : undefined;
		this.#source = source instanceof MediaStream ? deviceOf(source) : source;
	}

	get source(): VideoDeviceInfo { return this.#source; }
	get mediaStreamType(): MediaStreamType { return this.#type; }

	/** Uses another camera, or another stream, also in the middle of a call. */
	async switchSource(source: VideoDeviceInfo | MediaStream): Promise<void> {
		if (source instanceof MediaStream) {
			this.setMediaStream(source);
			return;
		}
		const opened = this.#users > 0 ? await openCamera(source) : undefined;
		this.#replace(opened, source, false);
	}

	/** The stream that is sent or shown; opens the camera where nobody has yet. */
	async getMediaStream(): Promise<MediaStream> {
		return this.#stream ?? (this.#stream = await openCamera(this.#source));
	}

	setMediaStream(stream: MediaStream): void {
		this.#replace(stream, deviceOf(stream), true);
	}

	feature<T extends Feature>(factory: FeatureFactory<T, LocalVideoStream>): T {
		return featureOf(this.#features, this, factory);
	}

	/** Somebody sends or shows it: the camera is open until the last one has released it. @internal */
	async acquire(): Promise<MediaStream> {
		this.#users++;
		try {
			return await this.getMediaStream();
		} catch (error) {
			this.#users--;
			throw error;
		}
	}

	/** @internal */
	release(): void {
		if (--this.#users > 0 || this.#given)
			return;
		stop(this.#stream);
		this.#stream = undefined;
	}

	#replace(stream: MediaStream | undefined, source: VideoDeviceInfo, given: boolean): void {
		if (!this.#given)
			stop(this.#stream);
		this.#stream = stream;
		this.#source = source;
		this.#given = given;
		this.emit('trackChanged', stream?.getVideoTracks()[0]);
	}
}

function stop(stream: MediaStream | undefined): void {
	for (const track of stream?.getTracks() ?? [])
		track.stop();
}

function deviceOf(stream: MediaStream): VideoDeviceInfo {
	const track = stream.getVideoTracks()[0];
	return { name: track?.label ?? '', id: track?.id ?? stream.id, deviceType: 'Virtual' };
}

async function openCamera(source: VideoDeviceInfo): Promise<MediaStream> {
	try {
		return await navigator.mediaDevices.getUserMedia({ video: {
			...(source.id ? { deviceId: { exact: source.id } } : {}), width: { ideal: 1280 }, height: { ideal: 720 } } });
	} catch (error) {
		throw captureError('camera', error);
	}
}

/** What getUserMedia and getDisplayMedia throw, in the terms of this library. @internal */
export function captureError(what: string, error: unknown): CallingCommunicationError {
	const name = error instanceof Error ? error.name : '';
	if (name === 'NotAllowedError')
		return new CallingCommunicationError(403, 41048, `The ${what} is not allowed to be used.`, name);
	if (name === 'NotFoundError' || name === 'OverconstrainedError')
		return new CallingCommunicationError(404, 43013, `There is no such ${what}.`, name);
	return new CallingCommunicationError(500, 43001, `The ${what} cannot be opened: ${error instanceof Error ? error.message : String(error)}`, name);
}

/** What the user wants to show. @internal */
export async function chooseScreen(): Promise<MediaStream> {
	try {
		return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: false });
	} catch (error) {
		throw captureError('screen', error);
	}
}
