// SPDX-License-Identifier: Apache-2.0
import type { CallAgent } from './call-agent.js';
import { CallRequests } from './call-requests.js';
import type { CallEvents, CallTarget } from './call-events.js';
import { Emitter } from './emitter.js';
import { CallingCommunicationError, invalidState, notSupported, toEndReason } from './error.js';
import { featureOf, type Feature, type FeatureFactory } from './features/feature.js';
import { Features } from './features/features.js';
import { fromRawId, toRawId } from './identifier.js';
import { LocalAudioStream } from './local-audio-stream.js';
import { captureError, chooseScreen, LocalVideoStream } from './local-video-stream.js';
import { Peer, type Candidate, type SdpType } from './peer.js';
import { PathKeeper } from './path-keeper.js';
import { PathWatch } from './path-watch.js';
import { Mover } from './move.js';
import { RemoteParticipant } from './remote-participant.js';
import { Roster } from './roster.js';
import { Speaker } from './speaker.js';
import { listen } from './speaking.js';
import type { Schemas } from './service.js';
import type { AcceptCallOptions, CallDirection, CallEndReason, CallerInfo, CallInfo, CallState, CommunicationIdentifier,
	DtmfTone, HangUpOptions, ParticipantRole, StartCallOptions, VideoConstraints } from './types.js';

const REJOINS_MAX = 5;
const TONES: Record<string, string> = { Pound: '#', Star: '*' };

export type { CallEvents, CallTarget };

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
	#other: RemoteParticipant | undefined;
	/** @internal */
	readonly requests = new CallRequests(this);
	readonly #roster = new Roster((rawId) => this.requests.mute(rawId), (views, others) => this.requests.view(views, others));
	#groupId: string | undefined;
	#invited: readonly unknown[] | undefined;
	readonly #mover = new Mover({ requests: this.requests, newPeer: (made) => this.#newPeer('all', undefined, made), prepared: () => this.agent.prepared(),
		iceServers: () => this.agent.iceServers(this.#iceServers), take: (peer, other) => this.#take(peer, other) });
	#iceServers: Schemas['IceServers'] = [];
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
		this.#groupId = to.groupId;
		this.#invited = to.invited;
		this.#other = to.remote && !this.#isMeeting ? new RemoteParticipant(to.remote, to.name) : undefined;
		for (const one of to.invited ?? [])
			this.#roster.expect(toRawId(one), new RemoteParticipant(one), false);
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
	/** Whether it is a group call: everybody talks to the media processor. */
	get isGroup(): boolean { return this.#isMeeting && !this.#mover.isToGroup; }
	get remoteParticipants(): readonly RemoteParticipant[] {
		return this.#state === 'Disconnected' ? [] : this.#everybody;
	}
	get totalParticipantCount(): number { return this.remoteParticipants.length + 1; }
	get info(): CallInfo {
		return { threadId: undefined, participantId: this.agent.endpointId, ...this.#groupId !== undefined && { groupId: this.#groupId } };
	}
	get callerInfo(): CallerInfo {
		return this.direction === 'Incoming' ? { displayName: this.#other?.displayName ?? this.to.name, identifier: this.to.remote }
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
	/** In a group call: asks all others to be silent. */
	async muteAllRemoteParticipants(): Promise<void> {
		this.#checkAlive();
		await this.requests.mute();
	}

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
		if (!this.#peer?.press(key))
			throw invalidState('Tones need a connected call with sound.');
	}

	/** Calls somebody into the call. One between two becomes a group call by it. */
	addParticipant(identifier: CommunicationIdentifier): RemoteParticipant {
		this.#checkAlive();
		const rawId = toRawId(identifier), known = this.#roster.find(rawId);
		if (known)
			return known;
		const one = new RemoteParticipant(fromRawId(rawId));
		one.updateState('Connecting');
		this.#roster.expect(rawId, one, false);
		void this.requests.add(rawId).catch((error: unknown) => {
			this.#roster.forget(rawId);
			one.updateState('Disconnected', toEndReason(error));
		});
		return one;
	}

	/** Takes somebody out of a group call. */
	async removeParticipant(identifier: CommunicationIdentifier): Promise<void> {
		this.#checkAlive();
		await this.requests.remove(toRawId(identifier));
	}

	async setConstraints(constraints: VideoConstraints): Promise<void> {
		await this.#peer?.constrain(constraints.video?.send ?? {});
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
		await this.requests.notify(kind, data);
	}

	/** @internal */
	takeNotification(from: Schemas['Person'], kind: string, data: Record<string, unknown>): void {
		if (kind === 'state' && typeof data['muted'] === 'boolean')
			(this.#roster.of(from.endpointId) ?? this.#other)?.updateMuted(data['muted']);
		if (kind === 'mute' && this.#isMeeting && !this.#isOver() && !this.#isMuted) {
			this.#setMuted(true);
			this.emit('mutedByOthers');
		}
		if (kind === 'transfer' && !this.isGroup && typeof data['id'] === 'string' && typeof data['to'] === 'string')
			this.feature(Features.Transfer).requested(data['id'], data['to']);
		this.emit('notified', from.rawId, kind, data);
	}

	/** Members of the group have come, changed or left. @internal */
	takeParticipants(members: Schemas['EventParticipantsUpdated']['participants']): void {
		if (!this.#isMeeting || this.#isOver())
			return;
		const { added, removed } = this.#roster.update(members, this.agent.endpointId);
		if (added.length + removed.length > 0)
			this.emit('remoteParticipantsUpdated', { added, removed });
	}

	/** The call becomes a group call: goes to the media processor too, and stays where it is until all are there. @internal */
	promote(groupId: string): void {
		if (this.#isMeeting || !this.#isConnected || this.#isOver() || !this.#peer)
			return;
		this.#groupId = groupId;
		if (this.#other)
			this.#roster.expect(toRawId(this.#other.identifier), this.#other, true);
		this.#mover.promote(this.#peer);
	}

	/** Two are left: makes a way to the other one too, and stays where it is until both have it. @internal */
	demote(from: string, offer: string | undefined): void {
		const other = this.#roster.find(from);
		if (this.isGroup && this.#isConnected && !this.#isOver() && this.#peer && other)
			this.#mover.demote(this.#peer, other, offer);
	}

	/** All are there, or it was given up. @internal */
	moved(is: boolean): void {
		if (!is && this.#mover.isToGroup)
			this.#isBetweenTwo();
		this.#mover.settle(is);
	}

	#isBetweenTwo(): void {
		this.#groupId = this.#invited = undefined;
		this.#roster.clear();
	}

	#take(peer: Peer, other: RemoteParticipant | undefined): void {
		const before = this.#peer;
		this.#other = other;
		this.#peer = peer;
		if (other)
			this.#isBetweenTwo();
		for (const media of ['audio', 'camera', 'screen'] as const)
			void peer.send(media, before?.sent(media));
		peer.signal();
		peer.establish();
		if (this.#isHeld)
			peer.setHold(true);
		this.emit('peerMade', peer);
		this.#mediaChanged();
		this.#listen();
		before?.close();
		if (this.#isMuted)
			this.#tellState();
		this.emit('connectionChanged', 'connected');
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
			const peer = this.#makePeer('all', undefined, this.#isMeeting ? Peer.prepareForGroup() : this.agent.prepared());
			void this.#captureAll(peer);
			if (this.#isMeeting)
				peer.openSlots();
			const offer = await peer.createOffer();
			const body: Record<string, unknown> = { endpointId: await this.agent.signedIn(), sdp: offer.sdp, iceTransport: this.agent.iceTransport,
				...this.#groupId !== undefined ? { groupId: this.#groupId }
					: { targets: (this.to.invited ?? [this.to.remote]).map((one) => ({ rawId: one && toRawId(one) })) } };
			if (options.customContext)
				body['customContext'] = JSON.stringify(options.customContext);
			if (this.#isOver())
				return;
			const placed = await this.agent.service.request('post', '/calling/2026-11-01/calls', body as never);
			this.#id = placed.callId;
			this.#iceServers = placed.iceServers;
			this.#groupId = placed.groupId;
			if (this.#isOver()) {
				void this.requests.hangUp({ code: 487, subCode: 0, message: 'the caller cancelled' }, false);
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
		this.#iceServers = incoming.iceServers;
		this.#setState('Connecting');
		this.#other?.updateState('Connecting');
		try {
			if (incoming.sdp === undefined) {
				await this.#enter(incoming);
				return;
			}
			const peer = this.#makePeer(incoming.iceTransport ?? 'all', incoming.iceServers);
			void this.#captureAll(peer);
			const answer = await peer.createAnswer(incoming.sdp);
			if (this.#isOver())
				return;
			/* Candidates need not wait: the service holds those of a device that rings until it accepts. */
			peer.signal();
			const accepted = this.requests.accept(answer.sdp ?? '');
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

	/* Who is called into a group offers to its media processor. */
	async #enter(incoming: Schemas['EventIncomingCall']): Promise<void> {
		const peer = this.#makePeer('all', undefined, Peer.prepareForGroup());
		void this.#captureAll(peer);
		peer.openSlots();
		const offer = await peer.createOffer();
		if (this.#isOver())
			return;
		peer.begin(offer, this.agent.iceServers(incoming.iceServers));
		await this.requests.accept(offer.sdp ?? '');
		peer.signal();
	}

	/** The other side has accepted. @internal */
	takeAnswer(sdp: string, name: string | undefined): void {
		if (!this.#mover.answered(sdp))
			this.takeDescription('answer', sdp, name);
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
			void this.requests.hangUp({ code: 0, subCode: 0, message: 'the page was closed' }, false, true);
	}

	/** Ends the call because its media does not get through. @internal */
	async fail(reason: CallEndReason): Promise<void> {
		await this.#leave(reason, false);
	}

	get #isMeeting(): boolean { return (this.#groupId ?? this.#invited) !== undefined; }

	get #everybody(): RemoteParticipant[] { return this.#isMeeting ? this.#roster.list : this.#other ? [this.#other] : []; }

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
		const peer = this.#peer = this.#newPeer(wish, iceServers, made);
		this.emit('peerMade', peer);
		return peer;
	}

	#newPeer(wish: Schemas['IceTransport'], iceServers?: Schemas['IceServers'], made?: RTCPeerConnection): Peer {
		const relayOnly = wish === 'relay' || this.agent.iceTransport === 'relay';
		/* A callee knows its servers: it gathers while the descriptions are made. */
		const peer = new Peer({ iceTransportPolicy: relayOnly ? 'relay' : 'all',
			...iceServers && { iceServers: this.agent.iceServers(iceServers), iceCandidatePoolSize: 1 } }, {
			candidates: (list, end) => void (this.#isOver() || this.requests.candidates(list, end)),
			offer: (sdp) => this.requests.renegotiate('offer', sdp),
			answer: async (sdp) => void await this.requests.renegotiate('answer', sdp),
			state: (state) => void (this.#mover.connection(peer, state) || this.#onConnection(state)),
			mediaChanged: () => this.#mediaChanged(),
		}, made);
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
			this.#listen();
		}
		this.emit('connectionChanged', state);
	}

	/* Who speaks, and who is seen. */
	#listen(): void {
		const peer = this.#peer, receiver = peer?.transceiver('audio')?.receiver;
		this.#stopListening?.();
		if (peer && receiver)
			this.#stopListening = this.isGroup ? this.#roster.follow(receiver, () => peer.slots) : listen(receiver, (is) => this.#other?.updateSpeaking(is));
	}

	async #leave(reason: CallEndReason, forEveryone: boolean): Promise<void> {
		if (this.#isOver())
			return;
		this.#setState('Disconnecting');
		this.#release();
		const told = this.#id ? this.requests.hangUp(reason, forEveryone) : undefined;
		this.end(reason);
		await told;
	}

	#release(): void {
		this.#mover.stop();
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
