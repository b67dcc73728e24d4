// SPDX-License-Identifier: Apache-2.0
import type { Schemas } from './service.js';
import { byId, kinds, numberOf, selectedPair, textOf, type Stats } from './stats.js';

export type Candidate = Schemas['ReportCandidate'];

export interface CallPath {
	/** Straight, through NATs, over a relay; in a group call to the media processor. */
	kind: 'direct' | 'reflexive' | 'relayed' | 'media-processor';
	/** Between this device and the relay where there is one, else to the other side. */
	transport: string;
	/** How many relays: 0, 1 (ours or theirs) or 2. */
	relays: number;
	rttMs: number | undefined;
	local: Candidate;
	remote: Candidate;
	/** In words. */
	why: string;
}

type Between = 'direct' | 'reflexive' | 'relayed';

const PAIRS_MAX = 64;
const RESULTS: Record<string, string> = { succeeded: 'works', failed: 'no answer', 'in-progress': 'no answer yet' };

function candidateOf(stats: Stats | undefined): Candidate {
	const type = textOf(stats, 'candidateType') ?? 'host';
	const candidate: Candidate = { type, address: textOf(stats, 'address') ?? textOf(stats, 'ip') ?? '', port: numberOf(stats, 'port') ?? 0,
		transport: type === 'relay' ? textOf(stats, 'relayProtocol') ?? textOf(stats, 'protocol') ?? 'udp' : textOf(stats, 'protocol') ?? 'udp' };
	const related = textOf(stats, 'relatedAddress'), port = numberOf(stats, 'relatedPort');
	if (related && type !== 'host')
		Object.assign(candidate, { relatedAddress: related, relatedPort: port ?? 0 });
	const tcpType = textOf(stats, 'tcpType');
	return tcpType ? { ...candidate, tcpType } : candidate;
}

function candidates(stats: Stats[], type: string): Candidate[] {
	return kinds(stats, type).slice(0, PAIRS_MAX).map(candidateOf);
}

/** The path of the selected pair. */
export function pathOf(stats: Stats[], isGroup = false): CallPath | undefined {
	const pair = selectedPair(stats);
	if (!pair)
		return undefined;
	const local = candidateOf(byId(stats, pair['localCandidateId'])), remote = candidateOf(byId(stats, pair['remoteCandidateId']));
	const relays = Number(local.type === 'relay') + Number(remote.type === 'relay');
	const between = relays > 0 ? 'relayed' : local.type === 'host' && remote.type === 'host' ? 'direct' : 'reflexive';
	const kind = isGroup ? 'media-processor' : between;
	const rtt = numberOf(pair, 'currentRoundTripTime');
	return { kind, relays, local, remote, transport: local.transport ?? 'udp', rttMs: rtt === undefined ? undefined : rtt * 1000,
		why: (isGroup ? 'in a group call everybody talks to the media processor; ' : '') + whyOf(stats, between) };
}

/** Why no better pair is used: what became of those that would be more direct. */
function whyOf(stats: Stats[], kind: Between): string {
	if (kind === 'direct')
		return 'there is no more direct kind of path';
	const pairs = kinds(stats, 'candidate-pair').map((pair) => ({ state: textOf(pair, 'state'), asked: numberOf(pair, 'requestsSent') ?? 0,
		answered: numberOf(pair, 'responsesReceived') ?? 0, kind: kindOf(stats, pair) }));
	const better = pairs.filter((pair) => pair.kind === 'direct' || (kind === 'relayed' && pair.kind === 'reflexive'));
	const silent = better.filter((pair) => pair.answered === 0);
	if (better.length === 0)
		return kind === 'relayed' ? 'only the relay was offered or allowed' : 'no address of one side can be reached from the other without its NAT';
	if (silent.length === better.length)
		return `none of ${better.length} more direct pair${better.length === 1 ? '' : 's'} was answered: ` +
			(kind === 'relayed' ? 'a symmetric NAT or a firewall is in the way' : 'the devices are in different networks');
	return 'more direct pairs were answered, and did not stay';
}

function kindOf(stats: Stats[], pair: Stats): Between {
	const types = [pair['localCandidateId'], pair['remoteCandidateId']].map((id) => textOf(byId(stats, id), 'candidateType'));
	return types.includes('relay') ? 'relayed' : types.every((type) => type === 'host') ? 'direct' : 'reflexive';
}

/** The most direct pairs first, of those the one in use. */
function bestFirst(stats: Stats[]): Stats[] {
	const selected = selectedPair(stats)?.id, ranks = { direct: 0, reflexive: 2, relayed: 4 };
	const rank = (pair: Stats): number => ranks[kindOf(stats, pair)] + Number(pair.id !== selected);
	return kinds(stats, 'candidate-pair').sort((one, two) => rank(one) - rank(two));
}

/** A report for the trace of the call, as the API describes it. */
export function reportOf(kind: string, stats: Stats[], more: Partial<Schemas['CallReport']> = {}, isGroup = false): Schemas['CallReport'] {
	const path = pathOf(stats, isGroup), selected = selectedPair(stats);
	const pairs = bestFirst(stats).slice(0, PAIRS_MAX).map((pair) => ({
		local: candidateOf(byId(stats, pair['localCandidateId'])), remote: candidateOf(byId(stats, pair['remoteCandidateId'])),
		state: textOf(pair, 'state') ?? 'waiting', result: RESULTS[textOf(pair, 'state') ?? ''] ?? 'not tried',
		requests: numberOf(pair, 'requestsSent') ?? 0, responses: numberOf(pair, 'responsesReceived') ?? 0,
		checksReceived: numberOf(pair, 'requestsReceived') ?? 0, rttUs: Math.round((numberOf(pair, 'currentRoundTripTime') ?? 0) * 1e6),
		nominated: pair['nominated'] === true, selected: pair.id === selected?.id, code: 0,
		relays: Number(kindOf(stats, pair) === 'relayed'), firstRequestUs: null, firstResponseUs: null }));
	return { kind, why: path?.why ?? 'there is no path', pairs: pairs as never,
		localCandidates: candidates(stats, 'local-candidate'), remoteCandidates: candidates(stats, 'remote-candidate'),
		path: path ? { kind: path.kind, transport: path.transport, relays: path.relays, rttUs: Math.round((path.rttMs ?? 0) * 1000),
			local: path.local, remote: path.remote } : null, ...more } as Schemas['CallReport'];
}
