// SPDX-License-Identifier: Apache-2.0
import { CallingCommunicationError } from './error.js';
import type { CommunicationIdentifier, CommunicationIdentifierKind } from './types.js';

const USER = /^8:acs:/;
const PHONE = /^4:(\+?.*)$/;

/** The raw id by which the service knows an identifier. Throws for kinds that it does not. */
export function toRawId(identifier: CommunicationIdentifier): string {
	if ('communicationUserId' in identifier)
		return identifier.communicationUserId;
	if ('phoneNumber' in identifier)
		return identifier.rawId ?? `4:${identifier.phoneNumber}`;
	if ('id' in identifier)
		return identifier.id;
	throw new CallingCommunicationError(400, 40104, 'Users of Microsoft Teams cannot be called from here.');
}

export function fromRawId(rawId: string): CommunicationIdentifierKind {
	const phone = PHONE.exec(rawId);
	if (USER.test(rawId))
		return { kind: 'communicationUser', communicationUserId: rawId };
	if (phone)
		return { kind: 'phoneNumber', phoneNumber: phone[1] ?? '', rawId };
	return { kind: 'unknown', id: rawId };
}
