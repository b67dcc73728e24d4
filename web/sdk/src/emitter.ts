// SPDX-License-Identifier: Apache-2.0

/** Listeners by event name. `Events` maps a name to the type of its listener. */
export class Emitter<Events extends { [K in keyof Events]: (...args: never[]) => void }> {
	readonly #listeners = new Map<keyof Events, Set<Events[keyof Events]>>();

	/** A listener that is added twice is called once. */
	on<K extends keyof Events>(event: K, listener: Events[K]): void {
		let listeners = this.#listeners.get(event);
		if (!listeners)
			this.#listeners.set(event, listeners = new Set());
		listeners.add(listener);
	}

	off<K extends keyof Events>(event: K, listener: Events[K]): void {
		this.#listeners.get(event)?.delete(listener);
	}

	/** Calls all listeners, also when one throws; its error goes to the console. @internal */
	emit<K extends keyof Events>(event: K, ...args: Parameters<Events[K]>): void {
		for (const listener of [...this.#listeners.get(event) ?? []]) {
			try {
				(listener as unknown as (...args: Parameters<Events[K]>) => void)(...args);
			} catch (error) {
				console.error('callflow: a listener failed', error);
			}
		}
	}

	/** @internal */
	removeAllListeners(): void {
		this.#listeners.clear();
	}
}

export type PropertyChangedEvent = () => void;
export type CollectionUpdatedEvent<T> = (args: { added: T[]; removed: T[] }) => void;
