// SPDX-License-Identifier: Apache-2.0

const PERIOD_MS = 2500;

/** A soft ring, made here: two tones, again and again. */
export class Ringer {
	#timer: ReturnType<typeof setInterval> | undefined;
	#context: AudioContext | undefined;

	start(): void {
		if (this.#timer)
			return;
		this.#context = new AudioContext();
		this.#ring();
		this.#timer = setInterval(() => this.#ring(), PERIOD_MS);
	}

	stop(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
		void this.#context?.close();
		this.#context = undefined;
	}

	#ring(): void {
		const context = this.#context;
		if (!context)
			return;
		[523, 659, 523, 659].forEach((frequency, i) => {
			const tone = context.createOscillator(), gain = context.createGain(), from = context.currentTime + i * 0.18;
			tone.frequency.value = frequency;
			gain.gain.setValueAtTime(0, from);
			gain.gain.linearRampToValueAtTime(0.12, from + 0.03);
			gain.gain.linearRampToValueAtTime(0, from + 0.17);
			tone.connect(gain).connect(context.destination);
			tone.start(from);
			tone.stop(from + 0.18);
		});
	}
}
