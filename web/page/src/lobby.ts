// SPDX-License-Identifier: Apache-2.0
import { at, initials, make } from './dom.js';
import { invitedTo, isGroup } from './members.js';
import { people, type Person, type Session } from './session.js';

const LOOK_MS = 2000;
const GROUP_NAME = 'Group call';
const ECHO: Person = { rawId: '8:echo123', displayName: 'Echo bot' };

/** The list of people, kept up to date while it is shown. */
export class Lobby {
	#timer: ReturnType<typeof setInterval> | undefined;
	#shown = '';

	constructor(private readonly session: Session, private readonly call: (target: string, name: string, video: boolean) => void) {
		at<HTMLFormElement>('dial').onsubmit = (event) => {
			event.preventDefault();
			const target = at<HTMLInputElement>('target').value.trim();
			if (target)
				call(target, isGroup(target) ? GROUP_NAME : target, (event.submitter as HTMLButtonElement | null)?.value === 'yes');
		};
		at('new-group').onclick = () => call(crypto.randomUUID(), GROUP_NAME, false);
		at<HTMLInputElement>('target').value = invitedTo() ?? '';
	}

	open(): void {
		void this.#refresh();
		this.#timer ??= setInterval(() => void this.#refresh(), LOOK_MS);
	}

	close(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
	}

	async #refresh(): Promise<void> {
		const all = await people() ?? [];
		const others = all.filter((one, i) => one.rawId !== this.session.userId && all.findIndex((two) => two.rawId === one.rawId) === i);
		const text = JSON.stringify(others);
		if (text === this.#shown)
			return;
		this.#shown = text;
		at('people').replaceChildren(...[...others, ECHO].map((person) => this.#row(person)));
		at('nobody').hidden = others.length > 0;
	}

	#row(person: Person): HTMLLIElement {
		const name = person.displayName ?? 'Somebody';
		const button = (label: string, video: boolean): HTMLButtonElement => make('button', { type: 'button', ariaLabel: `${label} ${name}`,
			onclick: () => this.call(person.rawId, name, video) }, label);
		const portrait = make('span', { className: 'portrait', ariaHidden: 'true' }, initials(name));
		const note = make('span', { className: 'note' }, person === ECHO ? 'says what you say' : person.rawId);
		return make('li', {}, portrait, make('span', { className: 'who' }, name, note), button('Call', false), ...person === ECHO ? [] : [button('Video', true)]);
	}
}
