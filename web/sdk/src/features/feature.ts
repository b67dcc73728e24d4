// SPDX-License-Identifier: Apache-2.0

/** What a feature of a call, a client or a stream has at least. */
export interface Feature {
	readonly name: string;
	/** @internal */
	dispose?(): void;
}

/** Makes a feature of an owner; `owner.feature(Features.X)` makes it once. */
export interface FeatureFactory<T extends Feature, Owner> {
	readonly featureName: string;
	/** @internal */
	create(owner: Owner): T;
}

/** @internal */
export function featureOf<T extends Feature, Owner>(made: Map<unknown, Feature>, owner: Owner,
	factory: FeatureFactory<T, Owner>): T {
	let feature = made.get(factory);
	if (!feature)
		made.set(factory, feature = factory.create(owner));
	return feature as T;
}
