// SPDX-License-Identifier: Apache-2.0
import type { RemoteVideoStream } from './remote-video-stream.js';

const LOOK_MS = 500;
/* Sizes that are told apart: a window that is drawn larger does not tell of each pixel. */
const STEPS = [90, 180, 270, 360, 540, 720, 1080, 2160];
/* What nobody shows comes small: it is known to be there, and soon seen. */
const UNSEEN = 90;
const VIEWS_MAX = 64;

export interface View { source: number; height: number }

/** Tells, each time that it changes, in which sizes the streams of others are shown in the page; returns how to stop. */
export function watchViews(streams: () => Iterable<[source: number, stream: RemoteVideoStream]>, tell: (views: View[], others: number) => Promise<void>): () => void {
	let before = '';
	const timer = setInterval(() => {
		const views: View[] = [];
		for (const [source, stream] of streams()) {
			const shown = document.hidden ? 0 : stream.shownHeight;
			if (shown > 0 && views.length < VIEWS_MAX)
				views.push({ source, height: STEPS.find((step) => step >= shown) ?? shown });
		}
		const now = JSON.stringify(views);
		if (now === before)
			return;
		before = now;
		tell(views, UNSEEN).catch(() => { before = ''; });
	}, LOOK_MS);
	return () => clearInterval(timer);
}
