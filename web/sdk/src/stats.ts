// SPDX-License-Identifier: Apache-2.0

/** One object of RTCPeerConnection.getStats(). */
export interface Stats { id: string; type: string; timestamp: number; [field: string]: unknown }

export function kinds(stats: Stats[], type: string): Stats[] {
	return stats.filter((one) => one.type === type);
}

export function inbound(stats: Stats[], kind?: string): Stats[] {
	return kinds(stats, 'inbound-rtp').filter((one) => !kind || one['kind'] === kind);
}

export function byId(stats: Stats[], id: unknown): Stats | undefined {
	return stats.find((one) => one.id === id);
}

export function numberOf(stats: Stats | undefined, field: string): number | undefined {
	const value = stats?.[field];
	return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function textOf(stats: Stats | undefined, field: string): string | undefined {
	const value = stats?.[field];
	return typeof value === 'string' ? value : undefined;
}

/** The pair of candidates that media takes: Chromium names it on the transport, Firefox on the pair. */
export function selectedPair(stats: Stats[]): Stats | undefined {
	const transport = kinds(stats, 'transport').find((one) => one['selectedCandidatePairId']);
	return byId(stats, transport?.['selectedCandidatePairId'])
		?? kinds(stats, 'candidate-pair').find((one) => one['selected'] === true)
		?? kinds(stats, 'candidate-pair').find((one) => one['nominated'] === true && one['state'] === 'succeeded');
}
