// SPDX-License-Identifier: Apache-2.0
import { Call } from './call.js';
import { Emitter, type CollectionUpdatedEvent } from './emitter.js';
import { CallingCommunicationError, invalidState, notSupported, toEndReason } from './error.js';
import type { DeviceManager } from './device-manager.js';
import { EventStream, type StreamEvent } from './event-stream.js';
import { parseEvent, type CallEvent } from './events.js';
import { featureOf, type Feature, type FeatureFactory } from './features/feature.js';
import { fromRawId, toRawId } from './identifier.js';
import { IncomingCall } from './incoming-call.js';
import { Peer, type Candidate } from './peer.js';
import { sleep, type Schemas, type Service } from './service.js';
import type { AcceptCallOptions, CallClientOptions, CallEndReason, CommunicationIdentifier, ConnectionState, GroupLocator,
	JoinCallOptions, RoomLocator, StartCallOptions } from './types.js';

export interface CallAgentEvents {
	incomingCall: (args: { incomingCall: IncomingCall }) => void;
	callsUpdated: CollectionUpdatedEvent<Call>;
	connectionStateChanged: (args: { oldValue: ConnectionState; newValue: ConnectionState; reason?: string }) => void;
}

const HEARTBEAT_LATE_MS = 5000;
const SIGN_IN_AGAIN_MS = [500, 1000, 2000, 4000];
const CALLS_MAX = 8;
/* A connection is prepared when nothing else is to be done; its certificate holds for a month. */
const PREPARE_MS = 2000;
const PREPARED_HOLDS_MS = 86_400_000;
/* Of the end of a group call whose media processor has stopped. */
const PROCESSOR_LOST = 301008;
const GROUP_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A user's device: places and receives calls. Made by CallClient.createCallAgent(). */
export class CallAgent extends Emitter<CallAgentEvents> {
	readonly kind = 'CallAgent';
	readonly feature = <T extends Feature>(factory: FeatureFactory<T, CallAgent>): T => featureOf(this.#features, this, factory);
	/** @internal */
	readonly service: Service;
	/** @internal */
	readonly deviceManager: DeviceManager;
	#endpointId = '';
	#userId = '';
	#calls: Call[] = [];
	readonly #incoming = new Map<string, IncomingCall>();
	readonly #byId = new Map<string, Call>();
	/* What comes for a call of ours before the service has told us its id. */
	#unnamed: CallEvent[] = [];
	#stream: EventStream | undefined;
	#connectionState: ConnectionState = 'Disconnected';
	#isDisposed = false;
	#prepared: { connection: RTCPeerConnection; at: number } | undefined;
	#prepareTimer: ReturnType<typeof setTimeout> | undefined;
	readonly #features = new Map<unknown, Feature>();
	readonly #onPageHide = (event: PageTransitionEvent): void => { if (!event.persisted) this.#abandon(); };

	/** @internal */
	constructor(service: Service, deviceManager: DeviceManager, private readonly options: CallClientOptions,
		readonly displayName: string | undefined) {
		super();
		this.service = service;
		this.deviceManager = deviceManager;
		globalThis.addEventListener?.('pagehide', this.#onPageHide);
	}

	get calls(): readonly Call[] { return this.#calls; }
	get incomingCalls(): readonly IncomingCall[] { return [...this.#incoming.values()]; }
	get connectionState(): ConnectionState { return this.#connectionState; }
	/** @internal */
	get endpointId(): string { return this.#endpointId; }
	/** @internal */
	get userId(): string { return this.#userId; }
	get identifier(): CommunicationIdentifier { return fromRawId(this.#userId); }

	/** Calls somebody, or several at once (a group call); the call is there at once and goes through its states by itself. */
	startCall(participants: CommunicationIdentifier[], options: StartCallOptions = {}): Call {
		this.#checkAlive();
		const [first, ...more] = participants.map((one) => fromRawId(toRawId(one)));
		if (!first)
			throw new CallingCommunicationError(400, 41015, 'Whom to call?');
		return this.#place(new Call(this, 'Outgoing', more.length > 0 ? { invited: [first, ...more] } : { remote: first }, options), options);
	}

	/** Joins the group call of that name (a UUID), which begins with its first member. */
	join(locator: GroupLocator | RoomLocator, options: JoinCallOptions = {}): Call {
		this.#checkAlive();
		if (!('groupId' in locator))
			throw notSupported('Joining a room');
		if (!GROUP_ID.test(locator.groupId))
			throw new CallingCommunicationError(400, 41016, `A group has a UUID as its name, not "${locator.groupId}".`);
		return this.#place(new Call(this, 'Outgoing', { groupId: locator.groupId.toLowerCase() }, options), options);
	}

	#place(call: Call, options: StartCallOptions): Call {
		if (this.#calls.length >= CALLS_MAX)
			throw new CallingCommunicationError(486, 41007, `There are ${CALLS_MAX} calls already.`);
		this.#add(call);
		void call.place(options);
		return call;
	}

	/** Signs out; calls end. */
	async dispose(): Promise<void> {
		if (this.#isDisposed)
			return;
		await Promise.all(this.#calls.map((call) => call.hangUp()));
		this.#isDisposed = true;
		clearTimeout(this.#prepareTimer);
		this.#prepared?.connection.close();
		globalThis.removeEventListener?.('pagehide', this.#onPageHide);
		this.#stream?.close();
		this.#setConnectionState('Disconnected', 'disposed');
		await this.#signOut(false);
		this.removeAllListeners();
	}

	/** @internal */
	async signIn(): Promise<void> {
		const endpoint = await this.service.request('post', '/calling/2026-11-01/endpoints', { displayName: this.displayName });
		if (this.#isDisposed)
			return;
		this.#endpointId = endpoint.endpointId;
		this.#userId = endpoint.userId;
		this.#setConnectionState('Connected');
		this.#prepare();
		this.#stream = new EventStream(this.service, `/calling/2026-11-01/endpoints/${endpoint.endpointId}/events`,
			endpoint.heartbeatSeconds * 1000 + HEARTBEAT_LATE_MS, {
				event: (event) => this.#onEvent(event),
				connected: (is) => this.#setConnectionState(is ? 'Connected' : 'Disconnected', 'connectionLost'),
				gone: (status) => void this.#onGone(status),
			});
	}

	/** The endpoint's id. @internal */
	async signedIn(): Promise<string> {
		if (!this.#endpointId)
			throw invalidState('Signed out.');
		return this.#endpointId;
	}

	/** 'relay' where the application has TURN servers of its own. @internal */
	get iceTransport(): 'all' | 'relay' {
		return this.options.networkConfiguration?.turn ? 'relay' : 'all';
	}

	/** Those of the service, or the application's own. @internal */
	iceServers(servers: Schemas['IceServers']): RTCIceServer[] {
		const own = this.options.networkConfiguration?.turn?.iceServers;
		return (own ?? servers).map(({ urls, username, credential }) => ({ urls,
			...(username !== undefined ? { username } : {}), ...(credential !== undefined ? { credential } : {}) }));
	}

	/** The connection for a call to somebody. @internal */
	prepared(): RTCPeerConnection {
		const { connection, at } = this.#prepared ?? {};
		this.#prepared = undefined;
		clearTimeout(this.#prepareTimer);
		this.#prepareTimer = setTimeout(() => this.#prepare(), PREPARE_MS);
		if (connection && at !== undefined && Date.now() - at < PREPARED_HOLDS_MS)
			return connection;
		connection?.close();
		return Peer.prepare();
	}

	#prepare(): void {
		if (!this.#isDisposed)
			this.#prepared ??= { connection: Peer.prepare(), at: Date.now() };
	}

	/** The network may have changed. @internal */
	doubt(): void {
		this.#stream?.doubt();
	}

	/** The service has named a call of ours, maybe by another name than before. @internal */
	named(call: Call): void {
		for (const [id, one] of this.#byId)
			if (one === call)
				this.#byId.delete(id);
		this.#byId.set(call.id, call);
		const waiting = this.#unnamed;
		this.#unnamed = [];
		/* Behind the step of the call that is running. */
		queueMicrotask(() => waiting.forEach((event) => this.#dispatch(event)));
	}

	/** @internal */
	async answered(incoming: IncomingCall, event: Schemas['EventIncomingCall'], early: Candidate[], options: AcceptCallOptions): Promise<Call> {
		const call = new Call(this, 'Incoming', { remote: fromRawId(event.from.rawId), name: event.from.displayName,
			...event.groupId !== undefined && { groupId: event.groupId } }, options);
		this.#incoming.delete(incoming.id);
		this.#byId.set(incoming.id, call);
		this.#add(call);
		const done = call.answer(event);
		call.takeCandidates(early);
		await done;
		return call;
	}

	/** @internal */
	async rejected(incoming: IncomingCall): Promise<void> {
		this.#incoming.delete(incoming.id);
		await this.service.request('post', '/calling/2026-11-01/calls/{callId}:reject', { endpointId: this.#endpointId },
			{ params: { callId: incoming.id } }).catch(() => undefined);
	}

	/** @internal */
	removed(call: Call): void {
		this.#byId.delete(call.id);
		if (!this.#calls.includes(call))
			return;
		this.#calls = this.#calls.filter((one) => one !== call);
		this.emit('callsUpdated', { added: [], removed: [call] });
	}

	#add(call: Call): void {
		this.#calls = [...this.#calls, call];
		/* startCall() returns first: its caller has the call when the event comes. */
		queueMicrotask(() => this.emit('callsUpdated', { added: [call], removed: [] }));
	}

	#checkAlive(): void {
		if (this.#isDisposed)
			throw invalidState('The call agent was disposed.');
	}

	#setConnectionState(newValue: ConnectionState, reason?: string): void {
		const oldValue = this.#connectionState;
		if (newValue === oldValue)
			return;
		this.#connectionState = newValue;
		this.emit('connectionStateChanged', { oldValue, newValue, ...(newValue === 'Disconnected' && reason ? { reason } : {}) });
	}

	#onEvent({ type, data }: StreamEvent): void {
		if (type === 'reset') {
			void this.#reconcile();
			return;
		}
		const event = parseEvent(type, data);
		if (event)
			this.#dispatch(event);
	}

	#dispatch(event: CallEvent): void {
		const { callId } = event.data;
		if (event.type === 'incomingCall') {
			this.#ring(event.data);
			return;
		}
		const incoming = this.#incoming.get(callId), call = this.#byId.get(callId);
		if (call)
			this.#toCall(call, event);
		else if (incoming)
			this.#toIncoming(incoming, event);
		else if (this.#calls.some((one) => one.id === '') && this.#unnamed.length < 64)
			this.#unnamed.push(event);
	}

	#toCall(call: Call, event: CallEvent): void {
		switch (event.type) {
		case 'callAccepted':
			call.takeAnswer(event.data.sdp, event.data.by.displayName);
			break;
		case 'renegotiate':
			call.takeDescription(event.data.type, event.data.sdp, event.data.from.displayName);
			break;
		case 'remoteCandidates':
			call.takeCandidates(event.data.candidates);
			break;
		case 'participantsUpdated':
			call.takeParticipants(event.data.participants);
			break;
		case 'promote':
			call.promote(event.data.groupId);
			break;
		case 'demote':
			call.demote(event.data.from.rawId, event.data.sdp);
			break;
		case 'promoted': case 'demoted': case 'notPromoted': case 'notDemoted':
			call.moved(event.type === 'promoted' || event.type === 'demoted');
			break;
		case 'notification':
			call.takeNotification(event.data.from, event.data.kind, event.data.data);
			break;
		case 'callRejected': case 'callEnded': case 'callCancelled':
			if (event.data.subcode === PROCESSOR_LOST && call.rejoin())
				break;
			call.end({ code: event.data.code, subCode: event.data.subcode, message: event.data.reason });
			break;
		default:
		}
	}

	#toIncoming(incoming: IncomingCall, event: CallEvent): void {
		if (event.type === 'remoteCandidates') {
			incoming.takeCandidates(event.data.candidates);
		} else if (event.type === 'callEnded' || event.type === 'callCancelled' || event.type === 'callRejected') {
			this.#incoming.delete(incoming.id);
			incoming.end({ code: event.data.code, subCode: event.data.subcode, message: event.data.reason });
		}
	}

	#ring(event: Schemas['EventIncomingCall']): void {
		if (this.#incoming.has(event.callId) || this.#byId.has(event.callId))
			return;
		const incomingCall = new IncomingCall(this, event);
		this.#incoming.set(event.callId, incomingCall);
		this.emit('incomingCall', { incomingCall });
	}

	/* Events were lost for good: what of our calls has ended? */
	async #reconcile(): Promise<void> {
		for (const id of [...this.#byId.keys(), ...this.#incoming.keys()]) {
			const end = await this.service.request('get', '/calling/2026-11-01/calls/{callId}', undefined, { params: { callId: id } })
				.then((call) => call.state === 'ended' ? call.end ?? { code: 0, subcode: 0, reason: '' } : undefined,
					(error: unknown) => error instanceof CallingCommunicationError && error.code === 404
						? { code: 410, subcode: 0, reason: 'the call has ended' } : undefined);
			if (end)
				this.#finish(id, { code: end.code, subCode: end.subcode, message: end.reason });
		}
	}

	#finish(id: string, reason: CallEndReason): void {
		this.#byId.get(id)?.end(reason);
		this.#incoming.get(id)?.end(reason);
		this.#incoming.delete(id);
	}

	/* The service knows this endpoint no more, and has ended its calls: another one takes its place. */
	async #onGone(status: number): Promise<void> {
		this.#stream?.close();
		this.#setConnectionState('Disconnected', status === 401 || status === 403 ? 'invalidToken' : 'connectionLost');
		if (status === 401 || status === 403)
			return;
		for (const id of [...this.#byId.keys(), ...this.#incoming.keys()])
			this.#finish(id, { code: 410, subCode: 0, message: 'the service has forgotten this device' });
		for (let tries = 0; !this.#isDisposed; tries++) {
			const error = await this.signIn().catch(toEndReason);
			if (!error)
				return;
			await sleep(SIGN_IN_AGAIN_MS[Math.min(tries, SIGN_IN_AGAIN_MS.length - 1)] ?? 0);
		}
	}

	#abandon(): void {
		for (const call of this.#calls)
			call.abandon();
		if (this.#endpointId)
			void this.#signOut(true);
	}

	#signOut(keepalive: boolean): Promise<void> {
		return this.service.request('delete', '/calling/2026-11-01/endpoints/{endpointId}', undefined,
			{ params: { endpointId: this.#endpointId }, keepalive }).catch(() => undefined);
	}
}
