// SPDX-License-Identifier: Apache-2.0
import { CallAgent } from './call-agent.js';
import { DeviceManager } from './device-manager.js';
import { CallingCommunicationError, invalidState } from './error.js';
import { featureOf, type Feature, type FeatureFactory } from './features/feature.js';
import { Service } from './service.js';
import type { CallAgentOptions, CallClientOptions, CommunicationTokenCredential } from './types.js';

const NAME_MAX = 256;

/** The way into the library: makes the agent of a user, and knows the devices. */
export class CallClient {
	#deviceManager: DeviceManager | undefined;
	#agent: CallAgent | undefined;
	readonly #features = new Map<unknown, Feature>();

	constructor(readonly options: CallClientOptions = {}) {}

	/** Signs the user of this token in. Rejects where the service cannot be reached or refuses the token. */
	async createCallAgent(credential: CommunicationTokenCredential, options: CallAgentOptions = {}): Promise<CallAgent> {
		if (typeof credential?.getToken !== 'function')
			throw new CallingCommunicationError(400, 40228, 'A token credential is needed: an object with getToken().');
		if ((options.displayName?.length ?? 0) > NAME_MAX)
			throw new CallingCommunicationError(400, 40223, `A display name has ${NAME_MAX} characters at the most.`);
		if (this.#agent)
			throw invalidState('This client has a call agent already; dispose of it first.');
		const service = new Service(endpointOf(this.options), credential);
		const agent = this.#agent = new CallAgent(service, await this.getDeviceManager(), this.options, options.displayName);
		const dispose = agent.dispose.bind(agent);
		agent.dispose = async () => {
			await dispose();
			this.#agent = undefined;
		};
		try {
			await agent.signIn();
		} catch (error) {
			this.#agent = undefined;
			throw error;
		}
		return agent;
	}

	/** The same one each time. */
	async getDeviceManager(): Promise<DeviceManager> {
		return this.#deviceManager ??= new DeviceManager();
	}

	/** @internal */
	get agent(): CallAgent | undefined { return this.#agent; }

	feature<T extends Feature>(factory: FeatureFactory<T, CallClient>): T {
		return featureOf(this.#features, this, factory);
	}

	async dispose(): Promise<void> {
		await this.#agent?.dispose();
		this.#deviceManager?.dispose();
		this.#deviceManager = undefined;
	}
}

function endpointOf(options: CallClientOptions): string {
	const text = options.endpoint ?? options.networkConfiguration?.proxy?.url ?? globalThis.location?.origin;
	const url = text ? parseUrl(text) : undefined;
	if (!url || !/^https?:$/.test(url.protocol))
		throw new CallingCommunicationError(400, 40229, 'The endpoint of the service is needed: https://HOST:PORT');
	return url.origin + url.pathname.replace(/\/+$/, '');
}

function parseUrl(text: string): URL | undefined {
	try {
		return new URL(text);
	} catch {
		return undefined;
	}
}
