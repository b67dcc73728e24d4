// SPDX-License-Identifier: Apache-2.0
import type { CallAgent } from './call-agent.js';
import { Emitter, type CollectionUpdatedEvent, type PropertyChangedEvent } from './emitter.js';
import { CallingCommunicationError, invalidState, notSupported, toEndReason } from './error.js';
import { featureOf, type Feature, type FeatureFactory } from './features/feature.js';
import { Features } from './features/features.js';
import { fromRawId, toRawId } from './identifier.js';
import { LocalAudioStream } from './local-audio-stream.js';
import { captureError, LocalVideoStream } from './local-video-stream.js';
import { Peer, type Candidate, type SdpType } from './peer.js';
import { PathKeeper } from './path-keeper.js';
import { PathWatch } from './path-watch.js';
import { RemoteParticipant } from './remote-participant.js';
import { Roster } from './roster.js';
import { Speaker } from './speaker.js';
import { listen, listenToMix } from './speaking.js';
import type { Schemas } from './service.js';
import type { AcceptCallOptions, CallDirection, CallEndReason, CallerInfo, CallInfo, CallState, CommunicationIdentifier,
	CommunicationIdentifierKind, DtmfTone, HangUpOptions, ParticipantRole, StartCallOptions } from './types.js';

export interface CallEvents {
	stateChanged: PropertyChangedEvent;
	idChanged: PropertyChangedEvent;
	isMutedChanged: PropertyChangedEvent;
	isIncomingAudioMutedChanged: PropertyChangedEvent;
	isScreenSharingOnChanged: PropertyChangedEvent;
	isLocalVideoStartedChanged: PropertyChangedEvent;
	remoteParticipantsUpdated: CollectionUpdatedEvent<RemoteParticipant>;
	localVideoStreamsUpdated: CollectionUpdatedEvent<LocalVideoStream>;
	localAudioStreamsUpdated: CollectionUpdatedEvent<LocalAudioStream>;
	totalParticipantCountChanged: PropertyChangedEvent;
	roleChanged: PropertyChangedEvent;
	mutedByOthers: PropertyChangedEvent;
	/** @internal A device could not be opened, or ended by itself. */
	captureFailed: (what: 'microphone' | 'camera' | 'screen', error: CallingCommunicationError | undefined) => void;
	/** @internal */
	peerMade: (peer: Peer) => void;
	/** @internal The other side tells us something. */
	notified: (rawId: string, kind: string, data: Record<string, unknown>) => void;
	/** @internal What the browser says of the connection. */
	connectionChanged: (state: RTCPeerConnectionState) => void;
}

const REJOINS_MAX = 5;
const TONES: Record<string, string> = { Pound: '#', Star: '*' };

/** Who is called, or who calls; or which group is joined. @internal */
export type CallTarget = { remote: CommunicationIdentifierKind; name?: string | undefined; groupId?: undefined } |
	{ groupId: string; remote?: undefined; name?: undefined };

/** A call, from startCall(), join() or accept() to its end. */
export class Call extends Emitter<CallEvents> {
	readonly kind = 'Call';
	readonly role: ParticipantRole = 'Unknown';
	readonly remoteAudioStreams: readonly never[] = [];
	#id = '';
	#state: CallState = 'None';
	#isMuted = false;
	#isHeld = false;
	#isRemoteHold = false;
	#isConnected = false;
	#rejoins = 0; /* since media last flowed */
	#callEndReason: CallEndReason | undefined;
	#peer: Peer | undefined;
	#audio: LocalAudioStream | undefined;
	#camera: LocalVideoStream | undefined;
	#screen: LocalVideoStream | undefined;
	/* Who is at the other side; in a group there is none, but a roster. */
	readonly #other: RemoteParticipant | undefined;
	readonly #roster = new Roster();
	#captureFailures: ['microphone' | 'camera' | 'screen', CallingCommunicationError | undefined][] = [];
	readonly #speaker = new Speaker();
	readonly #path: PathWatch;
	#stopListening: (() => void) | undefined;
	readonly #keeper: PathKeeper;
	readonly #features = new Map<unknown, Feature>();
	readonly #onMicrophone = (): void => void this.#switchMicrophone();
	readonly #onSpeaker = (): void => this.#speaker.use(this.agent.deviceManager.selectedSpeaker);

	/** @internal Calls are made by CallAgent.startCall() and IncomingCall.accept(). */
	constructor(readonly agent: CallAgent, readonly direction: CallDirection, private readonly to: CallTarget, options: AcceptCallOptions) {
		super();
		this.#isMuted = options.audioOptions?.muted ?? false;
		this.#audio = options.audioOptions?.localAudioStreams?.[0];
		this.#camera = options.videoOptions?.localVideoStreams?.find((stream) => stream.mediaStreamType !== 'ScreenSharing');
		this.#other = to.remote && new RemoteParticipant(to.remote, to.name);
		this.#path = new PathWatch(this);
		this.#keeper = new PathKeeper(this);
		this.on('captureFailed', (what, error) => this.#captureFailures.push([what, error]));
		agent.deviceManager.on('selectedMicrophoneChanged', this.#onMicrophone);
		agent.deviceManager.on('selectedSpeakerChanged', this.#onSpeaker);
		this.#onSpeaker();
	}

	get id(): string { return this.#id; }
	get state(): CallState { return this.#state; }
	get callEndReason(): CallEndReason | undefined { return this.#callEndReason; }
	get isMuted(): boolean { return this.#isMuted; }
	get isIncomingAudioMuted(): boolean { return this.#speaker.isMuted; }
	get isLocalVideoStarted(): boolean { return this.#camera !== undefined; }
	get isScreenSharingOn(): boolean { return this.#screen !== undefined; }
	get localVideoStreams(): readonly LocalVideoStream[] { return [this.#camera, this.#screen].filter((stream) => stream !== undefined); }
	get localAudioStreams(): readonly LocalAudioStream[] { return this.#audio ? [this.#audio] : []; }
	/** Whether it is a group call. */
	get isGroup(): boolean { return this.to.groupId !== undefined; }
	get remoteParticipants(): readonly RemoteParticipant[] {
		return this.#state === 'Disconnected' ? [] : this.#everybody;
	}
	get totalParticipantCount(): number { return this.remoteParticipants.length + 1; }
	get info(): CallInfo {
		return { threadId: undefined, participantId: this.agent.endpointId, ...this.to.groupId !== undefined && { groupId: this.to.groupId } };
	}
	get callerInfo(): CallerInfo {
		return this.direction === 'Incoming' ? { displayName: this.#other?.displayName, identifier: this.to.remote }
			: { displayName: this.agent.displayName, identifier: fromRawId(this.agent.userId) };
	}

	/** Leaves the call. Resolves when the service knows, or the call has ended anyway. */
	async hangUp(options: HangUpOptions = {}): Promise<void> {
		await this.#leave({ code: 0, subCode: 0, message: 'you left the call' }, options.forEveryone ?? false);
	}

	async mute(): Promise<void> { this.#setMuted(true); }
	async unmute(): Promise<void> { this.#setMuted(false); }
	async muteIncomingAudio(): Promise<void> { this.#setIncomingMuted(true); }
	async unmuteIncomingAudio(): Promise<void> { this.#setIncomingMuted(false); }
	async muteAllRemoteParticipants(): Promise<void> { throw notSupported('Muting others in a call of two'); }

	/** Starts to send sound, from the selected microphone unless a stream is given. */
	async startAudio(stream?: LocalAudioStream | { muted?: boolean }): Promise<void> {
		this.#checkAlive();
		if (stream instanceof LocalAudioStream)
			this.#setAudio(stream);
		await this.#captureAudio(true);
		this.#setMuted(stream instanceof LocalAudioStream ? this.#isMuted : stream?.muted ?? false);
	}

	async stopAudio(): Promise<void> {
		this.#checkAlive();
		await this.#peer?.send('audio', undefined);
		this.#audio?.release();
		this.#setAudio(undefined);
	}

	async startVideo(stream: LocalVideoStream): Promise<void> {
		this.#checkAlive();
		if (this.#camera === stream)
			return;
		if (this.#camera)
			throw invalidState('Video is sent already; switchSource() changes the camera.');
		await this.#sendVideo('camera', stream);
		this.#camera = stream;
		this.emit('localVideoStreamsUpdated', { added: [stream], removed: [] });
		this.emit('isLocalVideoStartedChanged');
	}

	async stopVideo(stream: LocalVideoStream): Promise<void> {
		if (this.#camera !== stream)
			throw new CallingCommunicationError(400, 43206, 'This stream is not sent.');
		this.#camera = undefined;
		await this.#stopVideo('camera', stream);
		this.emit('localVideoStreamsUpdated', { added: [], removed: [stream] });
		this.emit('isLocalVideoStartedChanged');
	}

	/** Shares a screen, window or tab that the user chooses, unless a stream is given. */
	async startScreenSharing(stream?: LocalVideoStream): Promise<void> {
		this.#checkAlive();
		if (this.#screen)
			return;
		const shared = stream ?? new LocalVideoStream(await chooseScreen(), 'ScreenSharing');
		await this.#sendVideo('screen', shared);
		this.#screen = shared;
		const track = (await shared.getMediaStream()).getVideoTracks()[0];
		track?.addEventListener('ended', () => void this.#stopScreen(shared), { once: true });
		this.emit('localVideoStreamsUpdated', { added: [shared], removed: [] });
		this.emit('isScreenSharingOnChanged');
	}

	async stopScreenSharing(): Promise<void> {
		if (this.#screen)
			await this.#stopScreen(this.#screen);
	}

	async hold(): Promise<void> { this.#setHold(true); }
	async resume(): Promise<void> { this.#setHold(false); }

	async sendDtmf(tone: DtmfTone): Promise<void> {
		this.#checkAlive();
		const key = TONES[tone] ?? (tone.startsWith('Num') ? tone.slice(3) : tone);
		if (!/^[0-9A-D*#]$/.test(key))
			throw notSupported(`The tone ${tone}`);
		const sender = this.#peer?.transceiver('audio')?.sender.dtmf;
		if (!sender?.canInsertDTMF)
			throw invalidState('Tones need a connected call with sound.');
		sender.insertDTMF(sender.toneBuffer + key, 160, 70);
	}

	addParticipant(identifier: CommunicationIdentifier): RemoteParticipant {
		throw notSupported(`Adding ${toRawId(identifier)} to a call`);
	}

	async removeParticipant(identifier: CommunicationIdentifier): Promise<void> {
		throw notSupported(`Removing ${toRawId(identifier)} from a call`);
	}

	async setConstraints(constraints: { video?: { send?: { bitrate?: { max?: number }; frameHeight?: { max?: number }; frameRate?: { max?: number } } } }): Promise<void> {
		const sender = this.#peer?.transceiver('camera')?.sender, send = constraints.video?.send;
		if (!sender || !send)
			return;
		const parameters = sender.getParameters();
		for (const encoding of parameters.encodings) {
			if (send.bitrate?.max)
				encoding.maxBitrate = send.bitrate.max;
			if (send.frameRate?.max)
				encoding.maxFramerate = send.frameRate.max;
			const height = sender.track?.getSettings().height;
			if (send.frameHeight?.max && height)
				encoding.scaleResolutionDownBy = Math.max(1, height / send.frameHeight.max);
		}
		await sender.setParameters(parameters);
	}

	feature<T extends Feature>(factory: FeatureFactory<T, Call>): T {
		return featureOf(this.#features, this, factory);
	}

	/** The connection, once there is one. @internal */
	get peer(): Peer | undefined { return this.#peer; }
	/** @internal */
	get pathWatch(): PathWatch { return this.#path; }
	/** What failed before anybody listened. @internal */
	get captureFailures(): readonly ['microphone' | 'camera' | 'screen', CallingCommunicationError | undefined][] { return this.#captureFailures; }

	/** Tells the other side. @internal */
	async notify(kind: string, data: Record<string, unknown>): Promise<void> {
		this.#checkAlive();
		await this.agent.service.request('post', '/calling/2026-11-01/calls/{callId}:notify',
			{ endpointId: this.agent.endpointId, kind, data: data as never }, { params: { callId: this.#id } });
	}

	/** @internal */
	takeNotification(from: Schemas['Person'], kind: string, data: Record<string, unknown>): void {
		if (kind === 'state' && typeof data['muted'] === 'boolean')
			(this.#other ?? this.#roster.of(from.endpointId))?.updateMuted(data['muted']);
		if (kind === 'transfer' && !this.isGroup && typeof data['id'] === 'string' && typeof data['to'] === 'string')
			this.feature(Features.Transfer).requested(data['id'], data['to']);
		this.emit('notified', from.rawId, kind, data);
	}

	/** Members of the group have come, changed or left. @internal */
	takeParticipants(members: Schemas['EventParticipantsUpdated']['participants']): void {
		if (!this.isGroup || this.#isOver())
			return;
		const { added, removed } = this.#roster.update(members, this.agent.endpointId);
		if (added.length + removed.length > 0)
			this.emit('remoteParticipantsUpdated', { added, removed });
	}

	/** The media processor has stopped, and the group call with it: joins the group anew. @internal */
	rejoin(): boolean {
		if (!this.isGroup || !this.#isConnected || this.#isOver() || this.#rejoins++ === REJOINS_MAX)
			return false;
		this.#peer?.close();
		this.#isConnected = false;
		this.#id = '';
		void this.place({});
		return true;
	}

	/** Rings the other side, or enters the group. @internal */
	async place(options: StartCallOptions): Promise<void> {
		this.#setState('Connecting');
		try {
			const peer = this.#makePeer('all', undefined, this.agent.prepared());
			void this.#captureAll(peer);
			const offer = await peer.createOffer();
			const body: Record<string, unknown> = { endpointId: await this.agent.signedIn(), sdp: offer.sdp, iceTransport: this.agent.iceTransport,
				...this.to.remote ? { targets: [{ rawId: toRawId(this.to.remote) }] } : { groupId: this.to.groupId } };
			if (options.customContext)
				body['customContext'] = JSON.stringify(options.customContext);
			if (this.#isOver())
				return;
			const placed = await this.agent.service.request('post', '/calling/2026-11-01/calls', body as never);
			this.#id = placed.callId;
			if (this.#isOver()) {
				this.#tellHangUp({ code: 487, subCode: 0, message: 'the caller cancelled' }, false);
				return;
			}
			this.agent.named(this);
			this.emit('idChanged');
			peer.begin(offer, this.agent.iceServers(placed.iceServers));
			peer.signal();
			if (this.isGroup)
				return;
			this.#other?.updateState('Ringing');
			this.#setState('Ringing');
		} catch (error) {
			this.end(toEndReason(error));
		}
	}

	/** Answers the other side. @internal */
	async answer(incoming: Schemas['EventIncomingCall']): Promise<void> {
		this.#id = incoming.callId;
		this.#setState('Connecting');
		this.#other?.updateState('Connecting');
		try {
			const peer = this.#makePeer(incoming.iceTransport ?? 'all', incoming.iceServers);
			void this.#captureAll(peer);
			const answer = await peer.createAnswer(incoming.sdp);
			if (this.#isOver())
				return;
			/* Candidates need not wait: the service holds those of a device that rings until it accepts. */
			peer.signal();
			const accepted = this.agent.service.request('post', '/calling/2026-11-01/calls/{callId}:accept',
				{ endpointId: this.agent.endpointId, sdp: answer.sdp ?? '' }, { params: { callId: this.#id } });
			/* Behind the request: it keeps the browser busy for a while. */
			setTimeout(() => peer.begin(answer));
			await accepted;
			peer.establish();
			this.#mediaChanged();
		} catch (error) {
			const reason = toEndReason(error);
			await this.#leave(reason.code >= 400 && reason.code < 500 ? reason : { ...reason, code: 488 }, false);
			throw error;
		}
	}

	/** The other side has accepted, or sends a new description. @internal */
	takeDescription(type: SdpType, sdp: string, name: string | undefined): void {
		this.#other?.updateDisplayName(name);
		if (this.#state === 'Ringing') {
			this.#other?.updateState('Connecting');
			this.#setState('Connecting');
		}
		void this.#peer?.takeDescription(type, sdp).then((makesSense) => {
			if (!makesSense && !this.#isConnected)
				void this.fail({ code: 488, subCode: 0, message: "the other side's answer makes no sense" });
		});
	}

	/** @internal */
	takeCandidates(candidates: Candidate[]): void {
		this.#peer?.takeCandidates(candidates);
	}

	/** It is over, whoever said so. @internal */
	end(reason: CallEndReason): void {
		if (this.#state === 'Disconnected')
			return;
		this.#callEndReason = reason;
		const removed = this.#everybody;
		removed.forEach((one) => one.updateState('Disconnected', reason));
		this.agent.deviceManager.off('selectedMicrophoneChanged', this.#onMicrophone);
		this.agent.deviceManager.off('selectedSpeakerChanged', this.#onSpeaker);
		this.#keeper.close();
		this.#path.close();
		this.#setState('Disconnected');
		this.emit('remoteParticipantsUpdated', { added: [], removed });
		this.#release();
		this.agent.removed(this);
	}

	/** The page goes: tells the service without waiting. @internal */
	abandon(): void {
		if (this.#id && !this.#isOver())
			this.#tellHangUp({ code: 0, subCode: 0, message: 'the page was closed' }, false, true);
	}

	/** Ends the call because its media does not get through. @internal */
	async fail(reason: CallEndReason): Promise<void> {
		await this.#leave(reason, false);
	}

	get #everybody(): RemoteParticipant[] {
		return this.#other ? [this.#other] : this.#roster.list;
	}

	#isOver(): boolean {
		return this.#state === 'Disconnecting' || this.#state === 'Disconnected';
	}

	#checkAlive(): void {
		if (this.#isOver())
			throw invalidState('The call has ended.');
	}

	#setState(state: CallState): void {
		if (state === this.#state)
			return;
		this.#state = state;
		this.emit('stateChanged');
	}

	/** Of a connected call: held by us, by the other side, or not. */
	#showHold(): void {
		if (this.#isConnected && !this.#isOver())
			this.#setState(this.#isHeld ? 'LocalHold' : this.#isRemoteHold ? 'RemoteHold' : 'Connected');
	}

	#setHold(hold: boolean): void {
		this.#checkAlive();
		if (!this.#isConnected)
			throw invalidState('Only a connected call can be held.');
		this.#isHeld = hold;
		this.#peer?.setHold(hold);
		this.#showHold();
	}

	#setMuted(isMuted: boolean): void {
		this.#checkAlive();
		const track = this.#peer?.sent('audio');
		if (track)
			track.enabled = !isMuted;
		if (isMuted === this.#isMuted)
			return;
		this.#isMuted = isMuted;
		this.emit('isMutedChanged');
		if (this.#isConnected)
			this.#tellState();
	}

	/* The other side shows whether we are muted. */
	#tellState(): void {
		void this.notify('state', { muted: this.#isMuted }).catch(() => undefined);
	}

	#setIncomingMuted(isMuted: boolean): void {
		if (isMuted === this.#speaker.isMuted)
			return;
		this.#speaker.isMuted = isMuted;
		this.emit('isIncomingAudioMutedChanged');
	}

	#setAudio(stream: LocalAudioStream | undefined): void {
		const before = this.#audio;
		if (before === stream)
			return;
		this.#audio = stream;
		this.emit('localAudioStreamsUpdated', { added: stream ? [stream] : [], removed: before ? [before] : [] });
	}

	#makePeer(wish: Schemas['IceTransport'], iceServers?: Schemas['IceServers'], made?: RTCPeerConnection): Peer {
		const relayOnly = wish === 'relay' || this.agent.iceTransport === 'relay';
		/* A callee knows its servers: it gathers while the descriptions are made. */
		const peer = this.#peer = new Peer({ iceTransportPolicy: relayOnly ? 'relay' : 'all',
			...iceServers && { iceServers: this.agent.iceServers(iceServers), iceCandidatePoolSize: 1 } }, {
			candidates: (list, end) => this.#sendCandidates(list, end),
			offer: (sdp) => this.#renegotiate('offer', sdp),
			answer: async (sdp) => void await this.#renegotiate('answer', sdp),
			state: (state) => this.#onConnection(state),
			mediaChanged: () => this.#mediaChanged(),
		}, made);
		this.emit('peerMade', peer);
		return peer;
	}

	/** Microphone and camera, as far as they can be had, while the call is set up: it goes on without them. */
	async #captureAll(peer: Peer): Promise<void> {
		if (this.#camera)
			peer.intend('camera');
		await Promise.all([this.#captureAudio(false), this.#camera ? this.#captureCamera(this.#camera) : undefined]);
	}

	async #captureAudio(must: boolean): Promise<void> {
		const stream = this.#audio ?? new LocalAudioStream(this.agent.deviceManager.selectedMicrophone
			?? { name: '', id: '', isSystemDefault: true, deviceType: 'Microphone' });
		try {
			const track = (await stream.getMediaStream()).getAudioTracks()[0];
			if (track)
				await this.#sendAudio(stream, track);
		} catch (error) {
			const failure = error instanceof CallingCommunicationError ? error : captureError('microphone', error);
			this.emit('captureFailed', 'microphone', failure);
			if (must)
				throw failure;
		}
	}

	async #sendAudio(stream: LocalAudioStream, track: MediaStreamTrack): Promise<void> {
		if (this.#isOver()) {
			stream.release();
			return;
		}
		this.#setAudio(stream);
		track.enabled = !this.#isMuted;
		track.addEventListener('ended', () => this.emit('captureFailed', 'microphone', undefined));
		stream.on('trackChanged', (changed) => {
			if (changed)
				changed.enabled = !this.#isMuted;
			void this.#peer?.send('audio', changed);
		});
		await this.#peer?.send('audio', track);
	}

	async #captureCamera(stream: LocalVideoStream): Promise<void> {
		try {
			await this.#sendVideo('camera', stream);
			this.emit('localVideoStreamsUpdated', { added: [stream], removed: [] });
		} catch (error) {
			if (this.#isOver())
				return;
			this.#camera = undefined;
			await this.#peer?.send('camera', undefined);
			this.emit('captureFailed', 'camera', error as CallingCommunicationError);
		}
	}

	async #sendVideo(media: 'camera' | 'screen', stream: LocalVideoStream): Promise<void> {
		const track = (await stream.acquire()).getVideoTracks()[0];
		if (this.#isOver()) {
			stream.release();
			throw invalidState('The call has ended.');
		}
		stream.on('trackChanged', this.#onVideoTrack[media]);
		track?.addEventListener('ended', () => { if (media === 'camera') void this.#lostCamera(stream, track); });
		await this.#peer?.send(media, track);
	}

	readonly #onVideoTrack = {
		camera: (track: MediaStreamTrack | undefined): void => void this.#peer?.send('camera', track),
		screen: (track: MediaStreamTrack | undefined): void => void this.#peer?.send('screen', track),
	};

	async #stopVideo(media: 'camera' | 'screen', stream: LocalVideoStream): Promise<void> {
		stream.off('trackChanged', this.#onVideoTrack[media]);
		stream.release();
		if (!this.#isOver())
			await this.#peer?.send(media, undefined);
	}

	/* Pulled out, or taken by another program. A stream of the application's own may have another track by now. */
	async #lostCamera(stream: LocalVideoStream, track: MediaStreamTrack): Promise<void> {
		if (this.#camera !== stream || this.#peer?.sent('camera') !== track)
			return;
		this.emit('captureFailed', 'camera', undefined);
		await this.stopVideo(stream);
	}

	async #stopScreen(stream: LocalVideoStream): Promise<void> {
		if (this.#screen !== stream)
			return;
		this.#screen = undefined;
		await this.#stopVideo('screen', stream);
		for (const track of (await stream.getMediaStream()).getTracks())
			track.stop();
		this.emit('localVideoStreamsUpdated', { added: [], removed: [stream] });
		this.emit('isScreenSharingOnChanged');
	}

	async #switchMicrophone(): Promise<void> {
		const device = this.agent.deviceManager.selectedMicrophone;
		if (!device || !this.#audio || this.#audio.source.deviceType !== 'Microphone' || this.#isOver())
			return;
		try {
			await this.#audio.switchSource(device);
		} catch (error) {
			this.emit('captureFailed', 'microphone', error as CallingCommunicationError);
		}
	}

	#mediaChanged(): void {
		const peer = this.#peer;
		if (!peer || this.#isOver())
			return;
		this.#speaker.play(peer.transceiver('audio')?.receiver.track);
		for (const [media, type] of [['camera', 'Video'], ['screen', 'ScreenSharing']] as const)
			this.#other?.updateVideo(type, peer.transceiver(media)?.receiver.track, peer.receives(media));
		this.#isRemoteHold = peer.isHeldByRemote;
		this.#other?.updateState(this.#isConnected ? this.#isRemoteHold ? 'Hold' : 'Connected' : this.#other.state);
		this.#showHold();
	}

	#onConnection(state: RTCPeerConnectionState): void {
		if (this.#isOver())
			return;
		if (state === 'connected' && !this.#isConnected) {
			this.#isConnected = true;
			this.#rejoins = 0;
			this.#other?.updateState('Connected');
			if (this.#other)
				this.emit('remoteParticipantsUpdated', { added: [this.#other], removed: [] });
			this.#mediaChanged();
			if (this.#isMuted)
				this.#tellState();
			const receiver = this.#peer?.transceiver('audio')?.receiver;
			this.#stopListening?.();
			if (receiver)
				this.#stopListening = this.isGroup ? listenToMix(receiver, (sources) => this.#roster.speaking(sources))
					: listen(receiver, (is) => this.#other?.updateSpeaking(is));
		}
		this.emit('connectionChanged', state);
	}

	#sendCandidates(candidates: Candidate[], endOfCandidates: boolean): void {
		if (this.#isOver())
			return;
		void this.agent.service.request('post', '/calling/2026-11-01/calls/{callId}:candidates',
			{ endpointId: this.agent.endpointId, candidates: candidates.slice(0, 64), endOfCandidates: endOfCandidates && candidates.length <= 64 },
			{ params: { callId: this.#id } }).catch(() => undefined);
		if (candidates.length > 64)
			this.#sendCandidates(candidates.slice(64), endOfCandidates);
	}

	async #renegotiate(type: SdpType, sdp: string): Promise<boolean> {
		try {
			await this.agent.service.request('post', '/calling/2026-11-01/calls/{callId}:renegotiate',
				{ endpointId: this.agent.endpointId, sdp, type }, { params: { callId: this.#id } });
			return true;
		} catch (error) {
			if (error instanceof CallingCommunicationError && error.code === 409)
				return false;
			throw error;
		}
	}

	async #leave(reason: CallEndReason, forEveryone: boolean): Promise<void> {
		if (this.#isOver())
			return;
		this.#setState('Disconnecting');
		this.#release();
		const told = this.#id ? this.#tellHangUp(reason, forEveryone) : undefined;
		this.end(reason);
		await told;
	}

	#tellHangUp(reason: CallEndReason, forEveryone: boolean, keepalive = false): Promise<void> {
		return this.agent.service.request('post', '/calling/2026-11-01/calls/{callId}:hangup',
			{ endpointId: this.agent.endpointId, code: reason.code, subcode: reason.subCode, reason: (reason.message ?? '').slice(0, 200),
				forEveryone }, { params: { callId: this.#id }, keepalive }).catch(() => undefined);
	}

	#release(): void {
		this.#peer?.close();
		this.#stopListening?.();
		this.#speaker.close();
		this.#audio?.release();
		for (const [media, stream] of [['camera', this.#camera], ['screen', this.#screen]] as const)
			if (stream)
				void this.#stopVideo(media, stream);
		for (const feature of this.#features.values())
			feature.dispose?.();
	}
}

async function chooseScreen(): Promise<MediaStream> {
	try {
		return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: false });
	} catch (error) {
		throw captureError('screen', error);
	}
}
