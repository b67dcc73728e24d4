// SPDX-License-Identifier: Apache-2.0
import { CallClient, type CallAgent, type DeviceManager } from '../../sdk/src/index.js';

/** Who is signed in, here and now. */
export interface Session { client: CallClient; agent: CallAgent; devices: DeviceManager; name: string; userId: string }
export interface Person { rawId: string; displayName: string | null }

interface Kept { name: string; token: string }

/* Of this tab alone, and gone with it. */
const KEPT = 'callflow';

export function kept(): Kept | undefined {
	try {
		return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') as Kept | null ?? undefined;
	} catch {
		return undefined;
	}
}

export function forget(): void {
	sessionStorage.removeItem(KEPT);
}

/** Whether the service lets everybody in (--dev); then also who is there. */
export async function people(): Promise<Person[] | undefined> {
	const response = await fetch('/dev/people').catch(() => undefined);
	return response?.ok ? (await response.json() as { value: Person[] }).value : undefined;
}

async function newToken(): Promise<string> {
	const response = await fetch('/dev/identities', { method: 'POST', headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ createTokenWithScopes: ['voip'] }) });
	if (!response.ok)
		throw new Error(`The service answered ${response.status}.`);
	return (await response.json() as { accessToken: { token: string } }).accessToken.token;
}

/** Signs in with a token; without one the service gives one (--dev). */
export async function signIn(name: string, token?: string): Promise<Session> {
	const given = token || await newToken();
	const client = new CallClient();
	const agent = await client.createCallAgent({ getToken: async () => ({ token: given, expiresOnTimestamp: 0 }), dispose() { /* nothing held */ } },
		{ displayName: name });
	sessionStorage.setItem(KEPT, JSON.stringify({ name, token: given }));
	const user = agent.identifier;
	return { client, agent, devices: await client.getDeviceManager(), name, userId: 'communicationUserId' in user ? user.communicationUserId : '' };
}
