// SPDX-License-Identifier: Apache-2.0
import { Emitter } from '../emitter.js';
import { notSupported } from '../error.js';
import type { Feature, FeatureFactory } from './feature.js';

/** A feature that Callflow does not have (yet): it can be listened to, says that nothing goes on, and refuses what is asked of it. */
export interface UnsupportedFeature extends Feature {
	on(event: string, listener: (...args: never[]) => void): void;
	off(event: string, listener: (...args: never[]) => void): void;
	readonly [member: string]: unknown;
}

/** @internal facts: what it says; verbs: what it refuses, with a promise that is rejected. */
export function unsupported(name: string, facts: Record<string, unknown>, verbs: string[]): FeatureFactory<UnsupportedFeature, unknown> {
	return {
		featureName: name,
		create() {
			const emitter = new Emitter<Record<string, (...args: never[]) => void>>();
			const feature: Record<string, unknown> = { name, ...facts,
				on: emitter.on.bind(emitter), off: emitter.off.bind(emitter) };
			for (const verb of verbs)
				feature[verb] = () => Promise.reject(notSupported(name));
			return feature as unknown as UnsupportedFeature;
		},
	};
}
