// SPDX-License-Identifier: Apache-2.0
import { Emitter, type PropertyChangedEvent } from './emitter.js';
import type { MediaStreamType, StreamSize } from './types.js';

export interface RemoteVideoStreamEvents {
	isAvailableChanged: PropertyChangedEvent;
	isReceivingChanged: PropertyChangedEvent;
	sizeChanged: PropertyChangedEvent;
}

/** Camera or screen of another participant. */
export class RemoteVideoStream extends Emitter<RemoteVideoStreamEvents> {
	static #last = 0;
	readonly id = ++RemoteVideoStream.#last;
	readonly tsid = this.id;
	#isAvailable = false;
	#isReceiving = false;
	#size: StreamSize = { width: 0, height: 0 };
	#track: MediaStreamTrack | undefined;
	readonly #stream = new MediaStream();
	readonly #shownBy = new Set<HTMLVideoElement>();

	constructor(readonly mediaStreamType: MediaStreamType) {
		super();
	}

	/** Whether the other side sends it now. */
	get isAvailable(): boolean { return this.#isAvailable; }
	/** Whether pictures arrive. */
	get isReceiving(): boolean { return this.#isReceiving; }
	get size(): StreamSize { return { ...this.#size }; }

	async getMediaStream(): Promise<MediaStream> { return this.#stream; }

	/** In how many rows of pixels of the screen it is shown; 0: nowhere. @internal */
	get shownHeight(): number {
		return Math.max(0, ...[...this.#shownBy].map((one) => one.isConnected ? Math.ceil(one.clientHeight * devicePixelRatio) : 0));
	}

	/** This shows it from now on; returns how to end that. @internal */
	showIn(video: HTMLVideoElement): () => void {
		this.#shownBy.add(video);
		return () => this.#shownBy.delete(video);
	}

	/** @internal */
	update(track: MediaStreamTrack | undefined, isAvailable: boolean): void {
		if (track !== this.#track) {
			for (const old of this.#stream.getTracks())
				this.#stream.removeTrack(old);
			if (track)
				this.#stream.addTrack(track);
			this.#track = track;
		}
		if (!isAvailable)
			this.updateReceiving(false);
		if (isAvailable === this.#isAvailable)
			return;
		this.#isAvailable = isAvailable;
		this.emit('isAvailableChanged');
	}

	/** @internal */
	updateReceiving(isReceiving: boolean): void {
		if (isReceiving === this.#isReceiving)
			return;
		this.#isReceiving = isReceiving;
		this.emit('isReceivingChanged');
	}

	/** @internal */
	updateSize(width: number, height: number): void {
		if (width === this.#size.width && height === this.#size.height)
			return;
		this.#size = { width, height };
		this.emit('sizeChanged');
	}
}
