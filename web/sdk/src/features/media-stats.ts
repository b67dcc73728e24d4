// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../call.js';
import { Emitter } from '../emitter.js';
import { byId, kinds, numberOf, selectedPair, textOf, type Stats } from '../stats.js';
import type { Feature } from './feature.js';

/** One stream as it is now; what a browser does not tell is undefined. */
export interface MediaStreamStats {
	id: string;
	codecName: string | undefined;
	/** Bits per second. */
	bitrate: number | undefined;
	packets: number | undefined;
	packetsPerSecond: number | undefined;
	/** Of 0 to 1, since the last sample. */
	packetsLostRatio: number | undefined;
	packetsLostPerSecond: number | undefined;
	jitterInMs: number | undefined;
	rttInMs: number | undefined;
	/** 0 to 1. */
	audioLevel: number | undefined;
	frameRate: number | undefined;
	frameWidth: number | undefined;
	frameHeight: number | undefined;
	framesDropped: number | undefined;
	freezes: number | undefined;
}
export interface TransportStats { id: string; rttInMs: number | undefined; availableOutgoingBitrate: number | undefined }
export interface MediaStatsReportSample {
	time: Date;
	audio: { send: MediaStreamStats[]; receive: MediaStreamStats[] };
	video: { send: MediaStreamStats[]; receive: MediaStreamStats[] };
	screenShare: { send: MediaStreamStats[]; receive: MediaStreamStats[] };
	transports: TransportStats[];
}
export interface MediaStatsReportSummary { samples: MediaStatsReportSample[] }
export interface MediaStatsCollectorOptions { aggregationInterval?: number; dataPointsPerAggregation?: number }

const INTERVAL_S = 1, POINTS = 10;

/** Gives a sample each second, and a summary of some of them. */
export class MediaStatsCollector extends Emitter<{
	sampleReported: (sample: MediaStatsReportSample) => void;
	summaryReported: (summary: MediaStatsReportSummary) => void;
}> {
	readonly #timer: ReturnType<typeof setInterval>;
	readonly #before = new Map<string, Stats>();
	#samples: MediaStatsReportSample[] = [];
	readonly #points: number;

	/** @internal */
	constructor(private readonly call: Call, options: MediaStatsCollectorOptions, private readonly onDispose: (self: MediaStatsCollector) => void) {
		super();
		this.#points = Math.max(1, options.dataPointsPerAggregation ?? POINTS);
		this.#timer = setInterval(() => void this.#collect(), Math.max(0.5, (options.aggregationInterval ?? INTERVAL_S * this.#points) / this.#points) * 1000);
	}

	dispose(): void {
		clearInterval(this.#timer);
		this.removeAllListeners();
		this.onDispose(this);
	}

	async #collect(): Promise<void> {
		const peer = this.call.peer, stats = await peer?.stats();
		if (!peer || !stats)
			return;
		const screen = peer.transceiver('screen')?.mid;
		const of = (type: string, kind: string, shared: boolean): MediaStreamStats[] => kinds(stats, type)
			.filter((one) => one['kind'] === kind && (kind === 'audio' || (one['mid'] === screen && screen !== undefined) === shared))
			.map((one) => this.#measure(one, stats));
		const both = (kind: string, shared = false): { send: MediaStreamStats[]; receive: MediaStreamStats[] } =>
			({ send: of('outbound-rtp', kind, shared), receive: of('inbound-rtp', kind, shared) });
		const pair = selectedPair(stats), rtt = numberOf(pair, 'currentRoundTripTime');
		this.#report({ time: new Date(), audio: both('audio'), video: both('video'), screenShare: both('video', true),
			transports: pair ? [{ id: pair.id, rttInMs: rtt === undefined ? undefined : rtt * 1000,
				availableOutgoingBitrate: numberOf(pair, 'availableOutgoingBitrate') }] : [] });
		this.#before.clear();
		for (const one of stats)
			this.#before.set(one.id, one);
	}

	#report(sample: MediaStatsReportSample): void {
		this.emit('sampleReported', sample);
		this.#samples.push(sample);
		if (this.#samples.length < this.#points)
			return;
		this.emit('summaryReported', { samples: this.#samples });
		this.#samples = [];
	}

	#measure(now: Stats, stats: Stats[]): MediaStreamStats {
		const before = this.#before.get(now.id), seconds = before ? (now.timestamp - before.timestamp) / 1000 : 0;
		const send = now.type === 'outbound-rtp', remote = byId(stats, now['remoteId']);
		const grown = (field: string, one = now, two = before): number | undefined => {
			const a = numberOf(one, field), b = numberOf(two, field);
			return a === undefined || b === undefined || seconds <= 0 ? undefined : (a - b) / seconds;
		};
		const bytes = grown(send ? 'bytesSent' : 'bytesReceived'), packets = grown(send ? 'packetsSent' : 'packetsReceived');
		const lost = send ? grown('packetsLost', remote, remote && this.#before.get(remote.id)) : grown('packetsLost');
		const ms = (value: number | undefined): number | undefined => value === undefined ? undefined : value * 1000;
		return { id: now.id, codecName: textOf(byId(stats, now['codecId']), 'mimeType')?.split('/')[1],
			bitrate: bytes === undefined ? undefined : bytes * 8, packets: numberOf(now, send ? 'packetsSent' : 'packetsReceived'),
			packetsPerSecond: packets, packetsLostPerSecond: lost,
			packetsLostRatio: lost === undefined || packets === undefined ? undefined : Math.max(0, lost) / Math.max(1, packets + Math.max(0, lost)),
			jitterInMs: ms(numberOf(send ? remote : now, 'jitter')), rttInMs: ms(numberOf(remote, 'roundTripTime')),
			audioLevel: numberOf(send ? byId(stats, now['mediaSourceId']) : now, 'audioLevel'),
			frameRate: numberOf(now, 'framesPerSecond'), frameWidth: numberOf(now, 'frameWidth'), frameHeight: numberOf(now, 'frameHeight'),
			framesDropped: numberOf(now, 'framesDropped'), freezes: numberOf(now, 'freezeCount') };
	}
}

/** Figures of the call's streams. */
export class MediaStatsFeature implements Feature {
	readonly name = 'MediaStats';
	readonly #collectors = new Set<MediaStatsCollector>();

	/** @internal */
	constructor(private readonly call: Call) {}

	createCollector(options: MediaStatsCollectorOptions = {}): MediaStatsCollector {
		const collector = new MediaStatsCollector(this.call, options, (self) => this.#collectors.delete(self));
		this.#collectors.add(collector);
		return collector;
	}

	disposeAllCollectors(): void {
		for (const collector of [...this.#collectors])
			collector.dispose();
	}

	/** @internal */
	dispose(): void {
		this.disposeAllCollectors();
	}
}
