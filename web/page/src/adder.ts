// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../../sdk/src/index.js';
import { at, initials, make, words } from './dom.js';
import { people } from './session.js';

/** Calls somebody into the call that is on: of those who are there, or by id. */
export class Adder {
	constructor(private readonly call: Call, private readonly ownId: string, private readonly say: (text: string) => void) {
		at('add').onclick = () => void this.#open();
		at<HTMLFormElement>('add-form').onsubmit = (event) => {
			const target = at<HTMLInputElement>('add-target').value.trim(), wanted = (event.submitter as HTMLButtonElement | null)?.value === 'add';
			if (wanted && target)
				this.#add(target);
		};
	}

	close(): void {
		at<HTMLDialogElement>('add-dialog').close();
	}

	async #open(): Promise<void> {
		const inIt = new Set(this.call.remoteParticipants.map(({ identifier }) => 'communicationUserId' in identifier ? identifier.communicationUserId : ''));
		const all = await people() ?? [];
		const others = all.filter((one, i) => one.rawId !== this.ownId && !inIt.has(one.rawId) && all.findIndex((two) => two.rawId === one.rawId) === i);
		at('add-people').replaceChildren(...others.map((one) => {
			const name = one.displayName ?? 'Somebody';
			return make('li', {}, make('span', { className: 'portrait', ariaHidden: 'true' }, initials(name)), make('span', { className: 'who' }, name),
				make('button', { type: 'button', ariaLabel: `Add ${name}`, onclick: () => { this.#add(one.rawId); this.close(); } }, 'Add'));
		}));
		at<HTMLInputElement>('add-target').value = '';
		at<HTMLDialogElement>('add-dialog').showModal();
	}

	#add(id: string): void {
		try {
			const one = this.call.addParticipant({ id });
			one.on('stateChanged', () => {
				if (one.state === 'Disconnected' && one.callEndReason?.code)
					this.say(`${one.displayName ?? 'Who was called'} does not come: ${one.callEndReason.message ?? one.callEndReason.code}.`);
			});
		} catch (error) {
			this.say(words(error));
		}
	}
}
