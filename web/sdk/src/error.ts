// SPDX-License-Identifier: Apache-2.0
import type { CallEndReason } from './types.js';

/** Whatever fails in this library; the shape is that of the Azure Communication Services Calling SDK. */
export class CallingCommunicationError extends Error {
	override readonly name = 'CallingCommunicationError';

	constructor(readonly code: number, readonly subCode: number, message: string, readonly data?: unknown) {
		super(message);
	}
}

export const NETWORK_ERROR = new CallingCommunicationError(0, 40005, 'The service cannot be reached.');

export function notSupported(what: string): CallingCommunicationError {
	return new CallingCommunicationError(405, 40002, `${what} is not available in this version of Callflow.`);
}

export function invalidState(what: string): CallingCommunicationError {
	return new CallingCommunicationError(409, 41000, what);
}

export function toEndReason(error: unknown): CallEndReason {
	if (error instanceof CallingCommunicationError)
		return { code: error.code, subCode: error.subCode, message: error.message };
	return { code: 500, subCode: 0, message: error instanceof Error ? error.message : String(error) };
}
