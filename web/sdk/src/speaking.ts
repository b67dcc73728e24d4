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

/* Browsers remember sources for ten seconds: one that is older than the last packet by so much is not heard any more. */
const HEARD_MS = 400;

/** Tells whose voices are in a mix (CSRC, RFC 3550 section 7.1), each time that they change; returns how to stop. */
export function listenToMix(receiver: RTCRtpReceiver, onSpeaking: (sources: ReadonlySet<number>) => void): () => void {
	let before = '';
	const timer = setInterval(() => {
		const last = receiver.getSynchronizationSources()[0]?.timestamp ?? 0;
		const now = receiver.getContributingSources().filter((one) => one.timestamp > last - HEARD_MS).map((one) => one.source);
		const key = now.sort().join();
		if (key !== before)
			onSpeaking(new Set(now));
		before = key;
	}, LOOK_MS);
	return () => clearInterval(timer);
}
