// SPDX-License-Identifier: Apache-2.0
import type { Schemas } from './service.js';
import type { Stats } from './stats.js';
import type { SendConstraints } from './types.js';

export type Candidate = Schemas['Candidates'][number];
export type SdpType = Schemas['SdpType'];

export interface PeerCallbacks {
	/** Candidates of ours that the other side is to know; end: there will be no more. */
	candidates(candidates: Candidate[], end: boolean): void;
	/** A new offer; false: the other side's came first. Throws when it cannot be sent. */
	offer(sdp: string): Promise<boolean>;
	answer(sdp: string): Promise<void>;
	state(state: RTCPeerConnectionState): void;
	/** What the other side sends has changed. */
	mediaChanged(): void;
}

export type Media = 'audio' | 'camera' | 'screen';

const CONFIG: RTCConfiguration = { bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' };
const BATCH_MS = 20;
const EARLY_MAX = 256;
const ANSWER_MS = 12_000;
const CONFLICT_MS = 1500;
/* A call begins with small pictures: the first one, which is sent whole and at a careful rate, is there sooner. */
const SMALL_BY = 2;
const SMALL_MS = 1000;
/* The sizes of a camera's pictures that go to a group, the smallest first: each member gets the one that its path carries and its window shows. */
const SIZES: RTCRtpEncodingParameters[] = [{ rid: 'l', scaleResolutionDownBy: 4 }, { rid: 'm', scaleResolutionDownBy: 2 }, { rid: 'h', scaleResolutionDownBy: 1 }];
/* Others that one sees at the same time in a group call, besides the one where the camera's pictures go out. */
const SLOTS = 8;

/**
 * One media connection: the browser's RTCPeerConnection with negotiation around it. All steps that
 * change descriptions run one after the other. The service arbitrates offers that cross.
 */
export class Peer {
	readonly #pc: RTCPeerConnection;
	#chain: Promise<void> = Promise.resolve();
	#established = false;
	#hold = false;
	#batch: Candidate[] = [];
	#batchTimer: ReturnType<typeof setTimeout> | undefined;
	#signalled = false;
	readonly #gathered = new Set<string | null>(); /* types of candidates: the first one of each does not wait for others */
	#end = false;
	#early: Candidate[] = [];
	#answerTimer: ReturnType<typeof setTimeout> | undefined;
	#needed = false;
	#notBefore = 0;
	#relayErrors = false;
	#isSmall = true;
	readonly #slots: RTCRtpTransceiver[] = [];
	/* What goes out, or is about to: descriptions need not wait for a camera to open. */
	readonly #wanted: Record<Media, boolean> = { audio: true, camera: false, screen: false };
	readonly #sending: Record<Media, MediaStreamTrack | undefined> = { audio: undefined, camera: undefined, screen: undefined };

	/** made: what Peer.prepare() has made, for a call that is offered. */
	constructor(private readonly config: RTCConfiguration, private readonly callbacks: PeerCallbacks, made?: RTCPeerConnection) {
		const pc = this.#pc = made ?? new RTCPeerConnection({ ...CONFIG, ...config });
		pc.onicecandidate = ({ candidate }) => this.#onCandidate(candidate);
		pc.onconnectionstatechange = () => {
			if (pc.connectionState === 'connected' && this.#isSmall)
				setTimeout(() => void this.#grow(), SMALL_MS);
			callbacks.state(pc.connectionState);
		};
		pc.onnegotiationneeded = () => this.#negotiate();
		pc.onicecandidateerror = ({ url }) => { this.#relayErrors ||= /^turns?:/.test(url); };
		pc.ontrack = () => callbacks.mediaChanged();
	}

	get pc(): RTCPeerConnection { return this.#pc; }

	/** A connection that waits for a call: what takes browsers longest is done when somebody calls. It gathers nothing. */
	static prepare(): RTCPeerConnection {
		const pc = new RTCPeerConnection(CONFIG);
		/* Each m-line costs both sides time: that of the screen comes with the screen. */
		pc.addTransceiver('audio');
		pc.addTransceiver('video', { direction: 'recvonly', sendEncodings: [{ scaleResolutionDownBy: SMALL_BY }] });
		return pc;
	}

	/** A connection to the media processor of a group call: the camera's pictures go out in several sizes. */
	static prepareForGroup(): RTCPeerConnection {
		const pc = new RTCPeerConnection(CONFIG);
		pc.addTransceiver('audio');
		pc.addTransceiver('video', { direction: 'recvonly', sendEncodings: SIZES });
		return pc;
	}

	/** Room for the pictures of others in a group call. */
	openSlots(): void {
		this.#isSmall = false;
		for (let i = 0; i < SLOTS; i++)
			this.#slots.push(this.#pc.addTransceiver('video', { direction: 'recvonly' }));
	}

	/** Where the pictures of others come in a group call; that of the camera is one more. */
	get slots(): readonly RTCRtpTransceiver[] {
		return [this.transceiver('camera'), ...this.#slots].filter((one) => one?.currentDirection?.includes('recv') ?? false) as RTCRtpTransceiver[];
	}

	/** The first offer, of a prepared connection; nothing is gathered before begin(). */
	createOffer(): Promise<RTCSessionDescriptionInit> {
		this.#direct();
		return this.#pc.createOffer();
	}

	/** The answer to the first offer of the other side. */
	async createAnswer(offer: string): Promise<RTCSessionDescriptionInit> {
		await this.#pc.setRemoteDescription({ type: 'offer', sdp: offer });
		this.#direct();
		return this.#pc.createAnswer();
	}

	/** Puts the first description of ours in force, and gathers: with these servers, where they were not known before. */
	begin(description: RTCSessionDescriptionInit, iceServers?: RTCIceServer[]): void {
		void this.#enqueue(async () => {
			if (iceServers)
				this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), ...this.config, iceServers });
			await this.#pc.setLocalDescription(description);
			this.#needed = false;
			if (this.#pc.remoteDescription)
				await this.#takeEarly();
			/* Tracks come last: nothing is encoded that is not small. */
			if (this.#isSmall)
				await this.#scale(1, SMALL_BY);
			await this.#apply();
		});
	}

	/** The description of ours with what was gathered, in so many ms at most. */
	async gathered(ms: number): Promise<string> {
		await this.#chain;
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, ms);
			const look = (): void => {
				if (this.#pc.iceGatheringState === 'complete')
					resolve(clearTimeout(timer));
			};
			this.#pc.addEventListener('icegatheringstatechange', look);
			look();
		});
		return this.#pc.localDescription?.sdp ?? '';
	}

	/** The call has an id: candidates may go. */
	signal(): void {
		this.#signalled = true;
		this.#sendBatch();
	}

	/** Both first descriptions are exchanged: from now on what they lack is offered. */
	establish(): void {
		this.#established = true;
		if (this.#needed)
			this.#negotiate();
	}

	/** A description of the other side; whether it makes sense. */
	takeDescription(type: SdpType, sdp: string): Promise<boolean> {
		return this.#enqueue(async () => {
			if (type === 'answer' && this.#pc.signalingState !== 'have-local-offer')
				return;
			await this.#pc.setRemoteDescription({ type, sdp });
			clearTimeout(this.#answerTimer);
			this.#established = true;
			await this.#takeEarly();
			if (type === 'offer') {
				await this.#apply();
				await this.#pc.setLocalDescription();
				await this.callbacks.answer(this.#pc.localDescription?.sdp ?? '');
			}
			this.callbacks.mediaChanged();
		});
	}

	takeCandidates(candidates: Candidate[]): void {
		void this.#enqueue(async () => {
			this.#early.push(...candidates.slice(0, EARLY_MAX - this.#early.length));
			if (this.#pc.remoteDescription)
				await this.#takeEarly();
		});
	}

	/** A track will follow by send(): the next description says so already. */
	intend(media: Media): void {
		this.#wanted[media] = true;
	}

	/** Sends this track, or nothing. */
	async send(media: Media, track: MediaStreamTrack | undefined): Promise<void> {
		this.#sending[media] = track;
		this.#wanted[media] = track !== undefined;
		const transceiver = this.transceiver(media);
		if (transceiver) {
			await transceiver.sender.replaceTrack(track ?? null);
			transceiver.direction = this.#direction(media);
		} else if (track && this.#established) {
			this.#pc.addTransceiver(track, { direction: this.#direction(media) });
		}
	}

	setHold(hold: boolean): void {
		this.#hold = hold;
		this.#direct();
	}

	/** New credentials and candidates; the path in use stays until there is a better one. */
	restart(): void {
		if (this.#established && this.#pc.signalingState !== 'closed')
			this.#pc.restartIce();
	}

	/** Audio is the first of its kind, the camera the first video, the screen the second. */
	transceiver(media: Media): RTCRtpTransceiver | undefined {
		const of = (kind: string): RTCRtpTransceiver[] => this.#pc.getTransceivers()
			.filter((one) => one.receiver.track.kind === kind && one.direction !== 'stopped' && !this.#slots.includes(one));
		return media === 'audio' ? of('audio')[0] : of('video')[media === 'camera' ? 0 : 1];
	}

	/** The track that goes out. */
	sent(media: Media): MediaStreamTrack | undefined {
		return this.#sending[media];
	}

	/** Sends a key, behind those under way; whether it can. */
	press(key: string): boolean {
		const sender = this.transceiver('audio')?.sender.dtmf;
		if (!sender?.canInsertDTMF)
			return false;
		sender.insertDTMF(sender.toneBuffer + key, 160, 70);
		return true;
	}

	/** Limits of what the camera's pictures may cost. */
	async constrain({ bitrate, frameHeight, frameRate }: SendConstraints): Promise<void> {
		const sender = this.transceiver('camera')?.sender, parameters = sender?.getParameters(), height = sender?.track?.getSettings().height;
		if (!sender || !parameters)
			return;
		for (const encoding of parameters.encodings) {
			if (bitrate?.max)
				encoding.maxBitrate = bitrate.max;
			if (frameRate?.max)
				encoding.maxFramerate = frameRate.max;
			if (frameHeight?.max && height)
				encoding.scaleResolutionDownBy = Math.max(1, height / frameHeight.max) * (SIZES.find(({ rid }) => rid === encoding.rid)?.scaleResolutionDownBy ?? 1);
		}
		await sender.setParameters(parameters);
	}

	async stats(): Promise<Stats[]> {
		const all: Stats[] = [];
		if (this.#pc.signalingState !== 'closed')
			(await this.#pc.getStats()).forEach((one: Stats) => all.push(one));
		return all;
	}

	/** Whether relays were asked for, all was gathered, and none of them could be had. */
	relaysFailed(stats: Stats[]): boolean {
		return this.#relayErrors && this.#pc.iceGatheringState === 'complete' &&
			!stats.some((one) => one.type === 'local-candidate' && one['candidateType'] === 'relay');
	}

	/** Whether the other side sends this now, by what was agreed on. */
	receives(media: Media): boolean {
		return this.transceiver(media)?.currentDirection?.includes('recv') ?? false;
	}

	/** The other side's wish for our sound: none while it holds the call. */
	get isHeldByRemote(): boolean {
		const sdp = this.#pc.remoteDescription?.sdp ?? '';
		const audio = sdp.split(/^m=/m).slice(1).find((section) => section.startsWith('audio '));
		const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(audio ?? '')?.[1];
		const ours = this.transceiver('audio')?.direction;
		if (direction === 'inactive' && this.#pc.remoteDescription?.type === 'answer')
			return ours === 'sendrecv';
		return direction === 'inactive' || direction === 'sendonly';
	}

	close(): void {
		clearTimeout(this.#answerTimer);
		clearTimeout(this.#batchTimer);
		this.#pc.onicecandidate = this.#pc.onconnectionstatechange = this.#pc.onnegotiationneeded = this.#pc.ontrack = null;
		this.#pc.close();
	}

	#direction(media: Media): RTCRtpTransceiverDirection {
		if (this.#hold)
			return 'inactive';
		/* In a group the screens of others come in the slots. */
		if (media === 'screen' && this.#slots.length > 0)
			return this.#wanted.screen ? 'sendonly' : 'inactive';
		return media === 'audio' || this.#wanted[media] ? 'sendrecv' : 'recvonly';
	}

	#direct(): void {
		for (const slot of this.#slots)
			slot.direction = this.#hold ? 'inactive' : 'recvonly';
		for (const media of ['audio', 'camera', 'screen'] as const) {
			const transceiver = this.transceiver(media);
			if (transceiver)
				transceiver.direction = this.#direction(media);
		}
	}

	/* Pictures of the camera, from one scale to another; what the application has set stays. */
	async #scale(from: number, to: number): Promise<void> {
		const sender = this.transceiver('camera')?.sender, parameters = sender?.getParameters(), encoding = parameters?.encodings[0];
		if (!sender || !parameters || !encoding || (encoding.scaleResolutionDownBy ?? 1) !== from)
			return;
		encoding.scaleResolutionDownBy = to;
		await sender.setParameters(parameters).catch(() => undefined); /* as large as ever, then */
	}

	async #grow(): Promise<void> {
		this.#isSmall = false;
		if (this.#pc.signalingState !== 'closed')
			await this.#scale(SMALL_BY, 1);
	}

	/** Steps after one another; one that fails does not stop the next. Whether it went well. */
	#enqueue(step: () => Promise<void>): Promise<boolean> {
		const done = this.#chain.then(() => this.#pc.signalingState === 'closed' ? undefined : step());
		this.#chain = done.catch((error: unknown) => {
			if (this.#pc.signalingState !== 'closed')
				console.warn('callflow: negotiation', error);
		});
		return done.then(() => true, () => false);
	}

	/** What we send, put onto the transceivers that there are. */
	async #apply(): Promise<void> {
		this.#direct();
		for (const media of ['audio', 'camera', 'screen'] as const) {
			const transceiver = this.transceiver(media), track = this.#sending[media];
			if (!transceiver && track)
				this.#pc.addTransceiver(track, { direction: this.#direction(media) });
			if (transceiver && transceiver.sender.track !== (track ?? null))
				await transceiver.sender.replaceTrack(track ?? null);
		}
	}

	#negotiate(): void {
		/* The first descriptions are made by hand; what they lack is noticed behind them. */
		this.#needed = !this.#established;
		if (this.#needed)
			return;
		const wait = this.#notBefore - Date.now();
		if (wait > 0) {
			setTimeout(() => this.#negotiate(), wait);
			return;
		}
		void this.#enqueue(() => this.#offer());
	}

	async #offer(): Promise<void> {
		if (this.#pc.signalingState !== 'stable')
			return;
		await this.#pc.setLocalDescription();
		let taken = false;
		try {
			taken = await this.callbacks.offer(this.#pc.localDescription?.sdp ?? '');
		} finally {
			if (!taken)
				await this.#withdraw();
		}
		this.#answerTimer = setTimeout(() => void this.#enqueue(() => this.#withdraw()), ANSWER_MS);
	}

	/** Takes an offer back that lost against the other side's, or that nobody answers. */
	async #withdraw(): Promise<void> {
		if (this.#pc.signalingState !== 'have-local-offer')
			return;
		this.#notBefore = Date.now() + CONFLICT_MS * (0.5 + Math.random());
		await this.#pc.setLocalDescription({ type: 'rollback' });
	}

	async #takeEarly(): Promise<void> {
		for (const candidate of this.#early.splice(0))
			await this.#pc.addIceCandidate({ sdpMid: '0', ...candidate }).catch(() => undefined);
	}

	#onCandidate(candidate: RTCIceCandidate | null): void {
		if (candidate?.candidate)
			this.#batch.push({ candidate: candidate.candidate, sdpMid: candidate.sdpMid ?? '0', sdpMLineIndex: candidate.sdpMLineIndex ?? 0 });
		this.#end ||= candidate === null;
		const isFirst = candidate !== null && !this.#gathered.has(candidate.type);
		if (candidate)
			this.#gathered.add(candidate.type);
		if (isFirst)
			clearTimeout(this.#batchTimer);
		if (isFirst || this.#batchTimer === undefined)
			this.#batchTimer = setTimeout(() => this.#sendBatch(), isFirst ? 0 : BATCH_MS);
	}

	#sendBatch(): void {
		this.#batchTimer = undefined;
		if (!this.#signalled || (this.#batch.length === 0 && !this.#end))
			return;
		this.callbacks.candidates(this.#batch.splice(0), this.#end);
		this.#end = false;
	}
}
