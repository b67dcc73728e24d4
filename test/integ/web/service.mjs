// SPDX-License-Identifier: Apache-2.0
// The REST interfaces as the tests need them: signed requests of the server, a user's device with its events.
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';

const CALLING = '/calling/2026-11-01/';

export class Service {
	// skewMs: by how much its clock is ahead of ours.
	constructor(ready, skewMs = 0) {
		this.skewMs = skewMs;
		const [, endpoint, key] = /endpoint=(.*?)\/?;accesskey=(.*)/i.exec(ready.connectionString);
		this.url = new URL(endpoint);
		this.key = Buffer.from(key, 'base64');
		this.ca = fs.readFileSync(ready.ca);
	}

	open(method, path, headers, body, timeout = 10000) {
		return new Promise((resolve, reject) => {
			const request = https.request({ host: this.url.hostname, port: this.url.port, ca: this.ca,
				agent: false, method, path, headers, timeout }, resolve);
			request.on('error', reject);
			request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer`)));
			request.end(body);
		});
	}

	async request(method, path, headers, body) {
		const response = await this.open(method, path, { 'content-type': 'application/json', ...headers,
			'content-length': Buffer.byteLength(body) }, body);
		let text = '';
		for await (const part of response)
			text += part;
		if (response.statusCode >= 300)
			throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
		return text ? JSON.parse(text) : null;
	}

	// A request signed with the access key.
	signed(method, path, json) {
		const body = json === undefined ? '' : JSON.stringify(json);
		const date = new Date(Date.now() + this.skewMs).toUTCString();
		const hash = crypto.createHash('sha256').update(body).digest('base64');
		const signature = crypto.createHmac('sha256', this.key)
			.update(`${method}\n${path}\n${date};${this.url.host};${hash}`).digest('base64');
		return this.request(method, path, { 'x-ms-date': date, 'x-ms-content-sha256': hash,
			authorization: `HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=${signature}` }, body);
	}

	// The ICE servers with credentials of limited life.
	async iceServers() {
		const answer = await this.signed('POST',
			'/networkTraversal/:issueRelayConfiguration?api-version=2022-03-01-preview', { ttl: 600 });
		return answer.iceServers;
	}

	// A new user's device, signed in.
	async device() {
		const user = await this.signed('POST', '/identities?api-version=2023-10-01',
			{ createTokenWithScopes: ['voip'], expiresInMinutes: 60 });
		const device = new Device(this, user.accessToken.token);
		await device.signIn();
		return device;
	}
}

class Device {
	constructor(service, token) {
		this.service = service;
		this.headers = { authorization: `Bearer ${token}` };
	}

	post(path, json) {
		return this.service.request('POST', CALLING + path, this.headers, JSON.stringify(json));
	}

	async signIn() {
		const endpoint = await this.post('endpoints', { displayName: 'browser' });
		this.id = endpoint.endpointId;
		this.userId = endpoint.userId;
		this.iceServers = endpoint.iceServers;
		this.stream = await this.service.open('GET', `${CALLING}endpoints/${this.id}/events`,
			{ ...this.headers, accept: 'text/event-stream' }, undefined, 60000);
	}

	// Every event of the stream: {type, data}.
	async *events() {
		let text = '';
		for await (const part of this.stream) {
			text += part;
			for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
				const fields = Object.fromEntries(text.slice(0, end).split('\n')
					.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
				if (fields.event)
					yield { type: fields.event, data: JSON.parse(fields.data) };
			}
		}
	}

	call(target, sdp, iceTransport) {
		return this.post('calls', { endpointId: this.id, targets: [{ rawId: target }], sdp, iceTransport });
	}

	candidates(callId, candidates, endOfCandidates) {
		return this.post(`calls/${callId}:candidates`, { endpointId: this.id, candidates, endOfCandidates });
	}

	hangUp(callId) {
		return this.post(`calls/${callId}:hangup`, { endpointId: this.id });
	}

	done() {
		this.stream.destroy();
	}
}
