// SPDX-License-Identifier: Apache-2.0
import { sleep, type Service } from './service.js';

export interface StreamEvent { type: string; data: unknown }

export interface EventStreamCallbacks {
	event(event: StreamEvent): void;
	/** Whether events come: false as soon as that is in doubt. */
	connected(is: boolean): void;
	/** The service does not know this endpoint any more, or refuses its token; no further try is made. */
	gone(status: number): void;
}

const EVENTS_MAX_BYTES = 1 << 20;
const OPEN_MS = 4000;
const RETRY_MAX_MS = 2000;

/** Cuts a stream of text into Server-Sent Events (https://html.spec.whatwg.org/#parsing-an-event-stream). */
export class EventParser {
	#text = '';
	#type = '';
	#data: string[] = [];
	lastId = '';

	/** The events that are whole now. Throws where a line never ends. */
	*push(text: string): Generator<{ type: string; data: string }> {
		this.#text += text;
		for (let end; (end = this.#text.search(/\r\n|\n|\r(?!$)/)) >= 0;) {
			const line = this.#text.slice(0, end);
			this.#text = this.#text.slice(end + (this.#text.startsWith('\r\n', end) ? 2 : 1));
			const event = this.#line(line);
			if (event)
				yield event;
		}
		if (this.#text.length > EVENTS_MAX_BYTES)
			throw new Error('an event that is too long');
	}

	#line(line: string): { type: string; data: string } | undefined {
		if (line === '')
			return this.#dispatch();
		const colon = line.indexOf(':');
		const name = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
		if (name === 'event')
			this.#type = value;
		else if (name === 'data')
			this.#data.push(value);
		else if (name === 'id' && !value.includes('\0'))
			this.lastId = value;
		return undefined;
	}

	#dispatch(): { type: string; data: string } | undefined {
		const event = { type: this.#type || 'message', data: this.#data.join('\n') };
		const any = this.#data.length > 0;
		this.#type = '';
		this.#data = [];
		return any ? event : undefined;
	}
}

/** The endpoint's events, over as many connections as it takes; each event comes once and in order. */
export class EventStream {
	#closed = false;
	#abort: AbortController | undefined;
	#lastId = '';
	#opening = false;
	readonly #onOnline = (): void => this.doubt();

	/** heartbeatMs: a stream that is silent for longer is dead. */
	constructor(private readonly service: Service, private readonly path: string, private readonly heartbeatMs: number,
		private readonly callbacks: EventStreamCallbacks) {
		globalThis.addEventListener?.('online', this.#onOnline);
		void this.#run();
	}

	close(): void {
		this.#closed = true;
		globalThis.removeEventListener?.('online', this.#onOnline);
		this.#abort?.abort();
	}

	/** The network may have changed: opens a new connection at once. */
	doubt(): void {
		if (!this.#opening)
			this.#abort?.abort();
	}

	async #run(): Promise<void> {
		for (let failures = 0; !this.#closed;) {
			const status = await this.#read(() => { failures = 0; }).catch(() => 0);
			if (this.#closed)
				return;
			if ([401, 403, 404, 410].includes(status)) {
				this.callbacks.gone(status);
				return;
			}
			this.callbacks.connected(false);
			/* The first time at once: a connection that ended says nothing about the next one. */
			if (failures++ > 0)
				await sleep(Math.min(RETRY_MAX_MS, 100 * 2 ** failures) * (0.5 + Math.random() / 2));
		}
	}

	/** One connection, until it ends: the status of a refusal, or 0. */
	async #read(opened: () => void): Promise<number> {
		const abort = this.#abort = new AbortController();
		let timer = setTimeout(() => abort.abort(), OPEN_MS);
		const headers: Record<string, string> = { accept: 'text/event-stream' };
		if (this.#lastId)
			headers['last-event-id'] = this.#lastId;
		this.#opening = true;
		try {
			const response = await this.service.fetch(this.path, { cache: 'no-store', credentials: 'omit', signal: abort.signal }, headers);
			this.#opening = false;
			if (!response.ok || !response.body)
				return response.status;
			opened();
			this.callbacks.connected(true);
			const parser = new EventParser(), reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
			for (;;) {
				clearTimeout(timer);
				timer = setTimeout(() => abort.abort(), this.heartbeatMs);
				const { done, value } = await reader.read();
				if (done)
					return 0;
				this.#take(parser, value);
			}
		} finally {
			this.#opening = false;
			clearTimeout(timer);
		}
	}

	#take(parser: EventParser, text: string): void {
		for (const event of parser.push(text)) {
			if (parser.lastId && /^\d+$/.test(parser.lastId))
				this.#lastId = parser.lastId;
			let data: unknown;
			try {
				data = JSON.parse(event.data);
			} catch {
				continue; /* what is no JSON is not from this service */
			}
			if (!this.#closed)
				this.callbacks.event({ type: event.type, data });
		}
	}
}
