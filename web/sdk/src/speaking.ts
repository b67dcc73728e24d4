// SPDX-License-Identifier: Apache-2.0

const LOOK_MS = 200;
const HOLD_MS = 800;
const LOUD = 0.02; /* of 1: quieter is breath and fans */

/** Tells when somebody begins and ends to speak, by the loudness of what comes in; returns how to stop. */
export function listen(receiver: RTCRtpReceiver, onSpeaking: (is: boolean) => void): () => void {
	let last = 0, is = false;
	const timer = setInterval(() => {
		const level = receiver.getSynchronizationSources()[0]?.audioLevel ?? 0, now = Date.now();
		if (level > LOUD)
			last = now;
		if (is !== now - last < HOLD_MS)
			onSpeaking(is = !is);
	}, LOOK_MS);
	return () => clearInterval(timer);
}
