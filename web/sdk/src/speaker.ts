// SPDX-License-Identifier: Apache-2.0
import type { AudioDeviceInfo } from './types.js';

/** Plays the other side's sound. */
export class Speaker {
	readonly #element = new Audio();
	#track: MediaStreamTrack | undefined;
	readonly #retry = (): void => this.#play();

	constructor() {
		this.#element.autoplay = true;
	}

	get isMuted(): boolean { return this.#element.muted; }
	set isMuted(isMuted: boolean) { this.#element.muted = isMuted; }

	use(device: AudioDeviceInfo | undefined): void {
		if (device?.id && 'setSinkId' in this.#element)
			void this.#element.setSinkId(device.id).catch(() => undefined);
	}

	play(track: MediaStreamTrack | undefined): void {
		if (track === this.#track)
			return;
		this.#track = track;
		this.#element.srcObject = track ? new MediaStream([track]) : null;
		this.#play();
	}

	close(): void {
		document.removeEventListener('click', this.#retry);
		this.#element.pause();
		this.#element.srcObject = null;
		this.#track = undefined;
	}

	/* A browser may want a gesture of the user before it plays: then with the next one. */
	#play(): void {
		if (this.#track)
			this.#element.play().catch(() => document.addEventListener('click', this.#retry, { once: true }));
	}
}
