// SPDX-License-Identifier: Apache-2.0
import { CallingCommunicationError } from './error.js';
import type { Candidate, SdpType } from './peer.js';
import type { Schemas, Service } from './service.js';
import type { CallEndReason } from './types.js';

const CANDIDATES_MAX = 64; /* in one request */

/** What one call asks of the service. The call may not have an id yet. */
export class CallRequests {
	constructor(private readonly call: { readonly id: string; readonly agent: { readonly service: Service; readonly endpointId: string } }) {}

	async accept(sdp: string): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:accept', { endpointId: this.#endpointId, sdp }, this.#options);
	}

	async promote(sdp: string): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:promote', { endpointId: this.#endpointId, sdp }, this.#options);
	}

	/** Of the way to the other one. */
	async demote(sdp: string): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:demote', { endpointId: this.#endpointId, sdp }, this.#options);
	}

	/** There is media on the way to the other one. */
	async direct(): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:demote', { endpointId: this.#endpointId, connected: true }, this.#options);
	}

	/** Whether it was taken: not when the other side's offer came first. */
	async renegotiate(type: SdpType, sdp: string): Promise<boolean> {
		try {
			await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:renegotiate', { endpointId: this.#endpointId, sdp, type }, this.#options);
			return true;
		} catch (error) {
			if (error instanceof CallingCommunicationError && error.code === 409)
				return false;
			throw error;
		}
	}

	async candidates(candidates: Candidate[], endOfCandidates: boolean): Promise<void> {
		for (let i = 0; i === 0 || i < candidates.length; i += CANDIDATES_MAX)
			await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:candidates', { endpointId: this.#endpointId,
				candidates: candidates.slice(i, i + CANDIDATES_MAX), endOfCandidates: endOfCandidates && i + CANDIDATES_MAX >= candidates.length }, this.#options)
				.catch(() => undefined);
	}

	async notify(kind: string, data: Record<string, unknown>): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:notify',
			{ endpointId: this.#endpointId, kind, data: data as never }, this.#options);
	}

	async add(rawId: string): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}/participants',
			{ endpointId: this.#endpointId, targets: [{ rawId }] }, this.#options);
	}

	async remove(rawId: string): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}/participants:remove',
			{ endpointId: this.#endpointId, target: { rawId } }, this.#options);
	}

	/** In which sizes the pictures of others are shown. */
	async view(views: { source: number; height: number }[], others: number): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:view', { endpointId: this.#endpointId, views, others }, this.#options);
	}

	/** Somebody, or everybody else. */
	async mute(rawId?: string): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}/participants:mute',
			{ endpointId: this.#endpointId, ...rawId !== undefined && { target: { rawId } } }, this.#options);
	}

	async hangUp(reason: CallEndReason, forEveryone: boolean, keepalive = false): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:hangup',
			{ endpointId: this.#endpointId, code: reason.code, subcode: reason.subCode, reason: (reason.message ?? '').slice(0, 200),
				forEveryone }, { ...this.#options, keepalive }).catch(() => undefined);
	}

	async report(report: Schemas['CallReport']): Promise<void> {
		await this.#service.request('post', '/calling/2026-11-01/calls/{callId}:report', { endpointId: this.#endpointId, report }, this.#options)
			.catch(() => undefined);
	}

	get #service(): Service { return this.call.agent.service; }
	get #endpointId(): string { return this.call.agent.endpointId; }
	get #options(): { params: { callId: string } } { return { params: { callId: this.call.id } }; }
}
