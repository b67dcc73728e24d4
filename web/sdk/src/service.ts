// SPDX-License-Identifier: Apache-2.0
import { CallingCommunicationError } from './error.js';
import type { components, paths } from './schema.js';
import type { CommunicationTokenCredential } from './types.js';

type Method = 'get' | 'post' | 'delete';
type Operation<P extends keyof paths, M extends Method> = paths[P][M];
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B
	: O extends { requestBody?: { content: { 'application/json': infer B } } } ? B | undefined : undefined;
type Json<R> = R extends { content: { 'application/json': infer B } } ? B : void;
type Result<O> = O extends { responses: infer R }
	? R extends { 201: infer A } ? Json<A> : R extends { 200: infer B } ? Json<B> : void : never;

export type Schemas = components['schemas'];
export type PathParams = Record<string, string>;

export interface RequestOptions {
	params?: PathParams;
	/** May outlive the page; sent once. */
	keepalive?: boolean;
	accept?: string;
	query?: string;
}

const ATTEMPT_MS = 10_000;
const LIFE_MS = 30_000;
const RETRY_MS = [100, 200, 400, 800];
const RETRY_MAX_MS = 1000;

export function sleep(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The client API of one service, called with one user's tokens. */
export class Service {
	#token: string | undefined;

	constructor(readonly endpoint: string, private readonly credential: CommunicationTokenCredential) {}

	/** JSON in, JSON out; asked again over failures of the network, under one repeatability id. */
	async request<P extends keyof paths, M extends Method>(method: M, path: P, body: Body<Operation<P, M>>,
		options: RequestOptions = {}): Promise<Result<Operation<P, M>>> {
		const response = await this.send(method, path, body, options);
		const text = await response.text();
		return (text ? JSON.parse(text) : undefined) as Result<Operation<P, M>>;
	}

	/** The whole response, its status 2xx; else a CallingCommunicationError. */
	async send(method: Method, path: string, body: unknown, options: RequestOptions): Promise<Response> {
		const id = crypto.randomUUID(), begun = Date.now();
		for (let tries = 0; ; tries++) {
			const response = await this.#attempt(method, path, body, options, id).catch((error: unknown) => error as Error);
			const again = response instanceof Error ? response.name !== 'TokenError' : [429, 503].includes(response.status);
			if (response instanceof Response && response.ok)
				return response;
			if (!again || options.keepalive || Date.now() - begun >= LIFE_MS)
				throw response instanceof Error ? unreachable(response) : await refusal(response);
			await sleep(pause(response, tries));
		}
	}

	async #attempt(method: Method, path: string, body: unknown, options: RequestOptions, id: string): Promise<Response> {
		const init: RequestInit = { method: method.toUpperCase(), cache: 'no-store', credentials: 'omit' };
		if (options.keepalive)
			init.keepalive = true;
		else
			init.signal = AbortSignal.timeout(ATTEMPT_MS);
		if (body !== undefined)
			init.body = JSON.stringify(body);
		const headers: Record<string, string> = { 'repeatability-request-id': id };
		if (body !== undefined)
			headers['content-type'] = 'application/json';
		if (options.accept)
			headers['accept'] = options.accept;
		return this.fetch(fill(path, options.params) + (options.query ?? ''), init, headers);
	}

	/** A request with the user's token; with a new one from the credential where the last is refused. */
	async fetch(path: string, init: RequestInit, headers: Record<string, string>): Promise<Response> {
		for (let renewed = false; ; renewed = true) {
			const token = init.keepalive && this.#token ? this.#token : await this.#getToken();
			const response = await fetch(this.endpoint + path, { ...init, headers: { ...headers, authorization: `Bearer ${token}` } });
			if (response.status !== 401 || renewed || init.keepalive || (await this.#getToken()) === token)
				return response;
		}
	}

	async #getToken(): Promise<string> {
		try {
			const { token } = await this.credential.getToken();
			return this.#token = token;
		} catch (error) {
			const failed = new Error(`No access token: ${error instanceof Error ? error.message : String(error)}`);
			failed.name = 'TokenError';
			throw failed;
		}
	}
}

function fill(path: string, params: PathParams = {}): string {
	return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

function pause(response: Response | Error, tries: number): number {
	const after = response instanceof Response ? Number(response.headers.get('retry-after')) : 0;
	const wait = RETRY_MS[tries] ?? RETRY_MAX_MS;
	return after > 0 ? Math.min(after, 10) * 1000 : wait / 2 + Math.random() * wait / 2;
}

function unreachable(error: Error): CallingCommunicationError {
	if (error.name === 'TokenError')
		return new CallingCommunicationError(401, 40006, error.message);
	return new CallingCommunicationError(408, 40005, `The service cannot be reached: ${error.message}`);
}

async function refusal(response: Response): Promise<CallingCommunicationError> {
	const error = await response.json().then((body: Schemas['Error']) => body.error, () => undefined);
	return new CallingCommunicationError(response.status, 0, error?.message ?? `The service answered ${response.status}.`,
		error?.code);
}
