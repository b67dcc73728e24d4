// SPDX-License-Identifier: Apache-2.0
import type { Schemas } from './service.js';

export type CallEvent =
	| { type: 'incomingCall'; data: Schemas['EventIncomingCall'] }
	| { type: 'callAccepted'; data: Schemas['EventCallAccepted'] }
	| { type: 'callRejected'; data: Schemas['EventCallRejected'] }
	| { type: 'callCancelled' | 'callEnded'; data: Schemas['EventCallEnded'] }
	| { type: 'remoteCandidates'; data: Schemas['EventRemoteCandidates'] }
	| { type: 'participantsUpdated'; data: Schemas['EventParticipantsUpdated'] }
	| { type: 'notification'; data: Schemas['EventNotification'] }
	| { type: 'promote'; data: Schemas['EventPromote'] }
	| { type: 'promoted'; data: Schemas['EventPromoted'] }
	| { type: 'notPromoted'; data: Schemas['EventCallEnded'] }
	| { type: 'demote'; data: Schemas['EventDemote'] }
	| { type: 'demoted' | 'notDemoted'; data: Schemas['EventDemoted'] }
	| { type: 'renegotiate'; data: Schemas['EventRenegotiate'] };

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value.length <= 65536;
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const optional = (check: Check): Check => (value) => value === undefined || value === null || check(value);
const isFlag: Check = (value) => typeof value === 'boolean';
const listOf = (check: Check, max = 256): Check => (value) => Array.isArray(value) && value.length <= max && value.every(check);
const shape = (members: Record<string, Check>): Check => (value) =>
	isRecord(value) && Object.entries(members).every(([name, check]) => check(value[name]));

const isPerson = shape({ rawId: isText, displayName: optional(isText), endpointId: optional(isText) });
const isMember = shape({ rawId: isText, displayName: optional(isText), endpointId: optional(isText), isMuted: optional(isFlag),
	audioSource: optional(isNumber), videoSource: optional(isNumber), screenSource: optional(isNumber), end: optional(shape({ code: isNumber, subcode: isNumber, reason: isText })),
	state: (value) => value === 'ringing' || value === 'connected' || value === 'disconnected' });
const MEMBERS_MAX = 2000;
const isEnd = { callId: isText, code: isNumber, subcode: isNumber, reason: isText };
const isServer = shape({ urls: listOf(isText), username: optional(isText), credential: optional(isText) });
const isCandidate = shape({ candidate: isText, sdpMid: optional(isText), sdpMLineIndex: optional(isNumber) });

const SHAPES: Record<CallEvent['type'], Check> = {
	incomingCall: shape({ callId: isText, from: isPerson, to: isPerson, sdp: optional(isText), groupId: optional(isText), iceServers: listOf(isServer),
		customContext: optional(isText) }),
	callAccepted: shape({ callId: isText, sdp: isText, by: isPerson }),
	callRejected: shape(isEnd),
	callCancelled: shape(isEnd),
	callEnded: shape(isEnd),
	remoteCandidates: shape({ callId: isText, candidates: listOf(isCandidate) }),
	participantsUpdated: shape({ callId: isText, sequence: isNumber, participants: listOf(isMember, MEMBERS_MAX) }),
	notification: shape({ callId: isText, from: isPerson, kind: isText, data: isRecord }),
	promote: shape({ callId: isText, groupId: isText }),
	promoted: shape({ callId: isText }),
	notPromoted: shape(isEnd),
	demote: shape({ callId: isText, from: isPerson, sdp: optional(isText) }),
	demoted: shape({ callId: isText, from: isPerson }),
	notDemoted: shape({ callId: isText, from: isPerson }),
	renegotiate: shape({ callId: isText, sdp: isText, type: (value) => value === 'offer' || value === 'answer', from: isPerson }),
};

/** An event as the service describes it, or nothing: unknown types and wrong shapes are passed over. */
export function parseEvent(type: string, data: unknown): CallEvent | undefined {
	const check = Object.hasOwn(SHAPES, type) ? SHAPES[type as CallEvent['type']] : undefined;
	return check?.(data) ? { type, data } as CallEvent : undefined;
}
