// SPDX-License-Identifier: Apache-2.0
import { VideoStreamRenderer, type Call, type RemoteParticipant, type RemoteVideoStream, type VideoStreamRendererView } from '../../sdk/src/index.js';
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

/** One member: the name, and the pictures that it sends. */
class Tile {
	readonly row: HTMLLIElement;
	readonly #portrait = make('span', { className: 'portrait', ariaHidden: 'true' });
	readonly #name = make('span');
	#shown: RemoteVideoStream | undefined;
	#view: VideoStreamRendererView | undefined;

	constructor(private readonly one: RemoteParticipant | undefined) {
		this.row = make('li', {}, this.#portrait, this.#name);
		for (const event of ['isMutedChanged', 'displayNameChanged', 'isSpeakingChanged', 'stateChanged'] as const)
			one?.on(event, () => this.update());
		one?.on('videoStreamsUpdated', ({ added }) => added.forEach((stream) => this.#follow(stream)));
		one?.videoStreams.forEach((stream) => this.#follow(stream));
		this.update();
	}

	/** Oneself is told from outside. */
	update(own?: { name: string; isMuted: boolean }): void {
		const name = own?.name ?? this.one?.displayName ?? 'Somebody', isMuted = own?.isMuted ?? this.one?.isMuted ?? false;
		this.#portrait.textContent = initials(name);
		this.#name.textContent = `${name}${own ? ' (you)' : ''}${this.one?.state === 'Ringing' ? ' · ringing' : isMuted ? ' · muted' : ''}`;
		this.row.classList.toggle('speaking', this.one?.isSpeaking ?? false);
	}

	close(): void {
		this.#view?.dispose();
		this.row.remove();
	}

	#follow(stream: RemoteVideoStream): void {
		stream.on('isAvailableChanged', () => void this.#show());
		void this.#show();
	}

	/* A screen is more important than a face. */
	async #show(): Promise<void> {
		const streams = this.one?.videoStreams.filter((stream) => stream.isAvailable) ?? [];
		const stream = streams.find((one) => one.mediaStreamType === 'ScreenSharing') ?? streams[0];
		if (stream === this.#shown)
			return;
		this.#shown = stream;
		this.#view?.dispose();
		this.#view = undefined;
		this.row.classList.toggle('seen', stream !== undefined);
		this.row.classList.toggle('screen', stream?.mediaStreamType === 'ScreenSharing');
		if (!stream)
			return;
		const view = await new VideoStreamRenderer(stream).createView({ scalingMode: stream.mediaStreamType === 'ScreenSharing' ? 'Fit' : 'Crop' }).catch(() => undefined);
		if (!view || this.#shown !== stream) {
			view?.dispose();
			return;
		}
		this.#view = view;
		this.row.prepend(view.target);
	}
}

/** Who is in a group call, kept up to date. A call between two may become one. */
export class Members {
	readonly #tiles = new Map<RemoteParticipant, Tile>();
	readonly #own = new Tile(undefined);

	constructor(private readonly call: Call, private readonly myName: string) {
		show('members', false);
		call.on('remoteParticipantsUpdated', () => this.refresh());
		call.on('isMutedChanged', () => this.refresh());
		at('copy-link').onclick = () => copy(`${location.origin}/#group=${call.info.groupId ?? ''}`, at('copy-link'));
		this.refresh();
	}

	/** Whether there is something to show. */
	get isOpen(): boolean { return this.call.info.groupId !== undefined; }

	refresh(): void {
		if (!this.isOpen)
			return;
		const { call } = this;
		show('members', true);
		at('copy-link').dataset['group'] = call.info.groupId;
		this.#own.update({ name: this.myName, isMuted: call.isMuted });
		if (!this.#own.row.isConnected)
			at('member-list').replaceChildren(this.#own.row);
		for (const [one, tile] of this.#tiles)
			if (!call.remoteParticipants.includes(one)) {
				tile.close();
				this.#tiles.delete(one);
			}
		for (const one of call.remoteParticipants) {
			if (this.#tiles.has(one))
				continue;
			const tile = new Tile(one);
			this.#tiles.set(one, tile);
			at('member-list').append(tile.row);
		}
	}

	close(): void {
		for (const tile of this.#tiles.values())
			tile.close();
		show('members', false);
		at('member-list').replaceChildren();
	}
}
