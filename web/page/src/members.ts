// SPDX-License-Identifier: Apache-2.0
import type { Call } from '../../sdk/src/index.js';
import { at, copy, initials, make, show } from './dom.js';

const GROUP = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a text is the name of a group. */
export function isGroup(text: string): boolean {
	return GROUP.test(text);
}

/** The group that the page's address names: a link that somebody was sent. */
export function invitedTo(): string | undefined {
	const group = /^#group=(.+)$/.exec(location.hash)?.[1];
	return group && isGroup(group) ? group : undefined;
}

/** Who is in a group call, kept up to date. */
export class Members {
	constructor(private readonly call: Call, private readonly myName: string) {
		show('members', call.isGroup);
		if (!call.isGroup)
			return;
		call.on('remoteParticipantsUpdated', ({ added }) => {
			for (const one of added)
				for (const event of ['isMutedChanged', 'displayNameChanged', 'isSpeakingChanged'] as const)
					one.on(event, () => this.#show());
			this.#show();
		});
		call.on('isMutedChanged', () => this.#show());
		at('copy-link').dataset['group'] = call.info.groupId;
		at('copy-link').onclick = () => copy(`${location.origin}/#group=${call.info.groupId ?? ''}`, at('copy-link'));
		this.#show();
	}

	close(): void {
		show('members', false);
		at('member-list').replaceChildren();
	}

	#show(): void {
		const others = this.call.remoteParticipants.map((one) => ({ name: one.displayName ?? 'Somebody', isMuted: one.isMuted, isSpeaking: one.isSpeaking }));
		const row = (name: string, isMuted: boolean, more = '', isSpeaking = false): HTMLLIElement => make('li', { className: isSpeaking ? 'speaking' : '' },
			make('span', { className: 'portrait', ariaHidden: 'true' }, initials(name)), make('span', {}, name, more, isMuted ? ' · muted' : ''));
		at('member-list').replaceChildren(row(this.myName, this.call.isMuted, ' (you)'), ...others.map(({ name, isMuted, isSpeaking }) => row(name, isMuted, '', isSpeaking)));
	}
}
