// SPDX-License-Identifier: Apache-2.0

const LOOK_MS = 200;
/* Nothing has come for so long: nobody is shown there. A screen that does not change comes once a second. */
const SILENT_MS = 3000;

/** Whose pictures are in which of a group call's streams, by their sources (CSRC, RFC 7667 section 3.7): told each time that it changes; returns how to stop. */
export function watchSlots(slots: () => readonly RTCRtpTransceiver[], onShown: (shown: ReadonlyMap<number, MediaStreamTrack>) => void): () => void {
	let before = '';
	const timer = setInterval(() => {
		const shown = new Map<number, MediaStreamTrack>(), now = performance.timeOrigin + performance.now();
		for (const { receiver } of slots()) {
			const [latest] = receiver.getContributingSources().sort((one, two) => two.timestamp - one.timestamp);
			if (latest && now - latest.timestamp < SILENT_MS)
				shown.set(latest.source, receiver.track);
		}
		const key = [...shown].map(([source, track]) => `${source} ${track.id}`).sort().join();
		if (key !== before)
			onShown(shown);
		before = key;
	}, LOOK_MS);
	return () => clearInterval(timer);
}
