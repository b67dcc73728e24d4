// SPDX-License-Identifier: Apache-2.0
import { Features, type Call, type CallPath, type MediaStatsCollector, type MediaStatsReportSample, type MediaStreamStats } from '../../sdk/src/index.js';
import { at } from './dom.js';
import { Plot } from './plot.js';

const KINDS: Record<CallPath['kind'], string> = { direct: 'Straight between both devices', reflexive: 'Straight, through the NATs', relayed: 'Over the relay',
	'media-processor': 'To the media processor, where all members of the group meet' };
const DRAW_MS = 4000;

/** The panel that shows which way the call takes, why, and how well it does. */
export class Details {
	readonly #path;
	readonly #collector: MediaStatsCollector;
	readonly #plots = {
		rate: new Plot('Bit rate', (value) => value >= 1e6 ? `${(value / 1e6).toFixed(1)} Mbit/s` : `${Math.round(value / 1000)} kbit/s`, 64000),
		loss: new Plot('Packets lost', (value) => `${(value * 100).toFixed(1)} %`, 0.05),
		jitter: new Plot('Jitter', (value) => `${value.toFixed(0)} ms`, 30),
		rtt: new Plot('Round trip', (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`, 50),
	};
	readonly #timer: ReturnType<typeof setInterval>;
	readonly #urls = new Map<string, string>();

	constructor(private readonly call: Call) {
		this.#path = call.feature(Features.CallPath);
		this.#path.on('pathChanged', () => this.#tell());
		this.#collector = call.feature(Features.MediaStats).createCollector({ aggregationInterval: 10, dataPointsPerAggregation: 10 });
		this.#collector.on('sampleReported', (sample) => this.#plot(sample));
		at('plots').replaceChildren(...Object.values(this.#plots).map((plot) => plot.element));
		this.#timer = setInterval(() => void this.#draw(), DRAW_MS);
		this.#tell();
	}

	close(): void {
		clearInterval(this.#timer);
		this.#collector.dispose();
		for (const [id, url] of this.#urls) {
			at(id).removeAttribute('src');
			URL.revokeObjectURL(url);
		}
		this.#urls.clear();
	}

	/** Draws at once, for a panel that has just been opened. */
	refresh(): void {
		void this.#draw();
	}

	#tell(): void {
		const { path } = this.#path;
		at('path-words').textContent = path ? `${KINDS[path.kind]}, over ${path.transport.toUpperCase()}: ${path.why}.` : 'No path yet.';
		void this.#draw();
	}

	async #draw(): Promise<void> {
		if (at('panel').hidden || !this.call.id)
			return;
		await Promise.all([this.#picture('picture', 'network'), this.#picture('ladder', 'ladder')]);
	}

	async #picture(id: string, which: 'network' | 'ladder'): Promise<void> {
		const svg = await this.#path.drawing(which).catch(() => undefined);
		if (!svg || this.call.state === 'Disconnected')
			return;
		const before = this.#urls.get(id), url = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
		const image = at<HTMLImageElement>(id);
		image.alt = which === 'network' ? at('path-words').textContent ?? '' : 'The steps of this call, from top to bottom; callflow trace tells them in words.';
		image.src = url;
		this.#urls.set(id, url);
		if (before)
			setTimeout(() => URL.revokeObjectURL(before), 1000);
	}

	#plot(sample: MediaStatsReportSample): void {
		const receive = [...sample.audio.receive, ...sample.video.receive, ...sample.screenShare.receive];
		const send = [...sample.audio.send, ...sample.video.send, ...sample.screenShare.send];
		const sum = (list: MediaStreamStats[]): number => list.reduce((all, one) => all + (one.bitrate ?? 0), 0);
		const most = (list: MediaStreamStats[], field: 'packetsLostRatio' | 'jitterInMs'): number | undefined => {
			const values = list.map((one) => one[field]).filter((value) => value !== undefined);
			return values.length ? Math.max(...values) : undefined;
		};
		this.#plots.rate.add(sum(receive), sum(send));
		this.#plots.loss.add(most(receive, 'packetsLostRatio'), most(send, 'packetsLostRatio'));
		this.#plots.jitter.add(most(receive, 'jitterInMs'));
		this.#plots.rtt.add(sample.transports[0]?.rttInMs);
	}
}
