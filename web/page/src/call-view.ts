// SPDX-License-Identifier: Apache-2.0
import { Features, LocalVideoStream, VideoStreamRenderer, type Call, type DtmfTone, type RemoteParticipant, type RemoteVideoStream, type VideoStreamRendererView,
	type VideoDeviceInfo } from '../../sdk/src/index.js';
import { Adder } from './adder.js';
import { Details } from './details.js';
import type { Devices } from './devices.js';
import { at, copy, initials, make, show, words } from './dom.js';
import { Members } from './members.js';

const STATES: Partial<Record<Call['state'], string>> = { None: 'Starting', Connecting: 'Connecting', Ringing: 'Ringing', LocalHold: 'On hold',
	RemoteHold: 'The other side has put you on hold', Disconnecting: 'Hanging up' };
const TONES: [string, DtmfTone][] = [...'123456789'].map((key): [string, DtmfTone] => [key, `Num${key}` as DtmfTone])
	.concat([['*', 'Star'], ['0', 'Num0'], ['#', 'Pound']]);
const WARNINGS: Record<string, string> = {
	microphonePermissionDenied: 'The browser does not let this page use your microphone: nobody hears you.',
	noMicrophoneDevicesEnumerated: 'There is no microphone: nobody hears you.',
	microphoneNotFunctioning: 'Your microphone does not work: nobody hears you.',
	cameraPermissionDenied: 'The browser does not let this page use your camera.',
	cameraStartFailed: 'Your camera cannot be started.',
	cameraStoppedUnexpectedly: 'Your camera was unplugged or taken by another program.',
	capturerStartFailed: 'Nothing is shared.',
	noNetwork: 'There is no network.',
	networkReconnect: 'The connection was lost; a new way is being looked for.',
	networkReceiveQuality: 'Your network loses much of what the other side sends.',
	networkSendQuality: 'Your network loses much of what you send.',
	networkRelaysNotReachable: 'The relay cannot be reached; the call goes on without it.',
};

/** One call on the screen, from placing or answering it to its end. */
export class CallView {
	readonly #details: Details;
	readonly #members: Members;
	readonly #adder: Adder;
	#remote: { stream: RemoteVideoStream; view: VideoStreamRendererView } | undefined;
	#local: VideoStreamRendererView | undefined;
	#localStream: LocalVideoStream | undefined;
	#connectedAt: number | undefined;
	readonly #clock = setInterval(() => this.#showState(), 1000);
	readonly #onKey = (event: KeyboardEvent): void => this.#key(event);

	constructor(readonly call: Call, private readonly name: string, me: { name: string; userId: string }, private readonly devices: Devices,
		private readonly ended: (call: Call, seconds: number | undefined) => void) {
		this.#details = new Details(call);
		this.#members = new Members(call, me.name);
		this.#adder = new Adder(call, me.userId, (text) => this.#say(text));
		at('stage').classList.add('ringing');
		at('portrait').textContent = initials(name);
		at('keys').replaceChildren(...TONES.map(([key, tone]) => make('button', { type: 'button', onclick: () => this.#do(() => call.sendDtmf(tone)) }, key)));
		this.#wire();
		this.#listen();
		this.#showState();
		void this.#showLocal();
		document.addEventListener('keydown', this.#onKey);
		/* It may have gone on before anybody listened: media can be there before accept() knows. */
		queueMicrotask(() => this.#onState());
	}

	/** Another camera was chosen. */
	async useCamera(camera: VideoDeviceInfo): Promise<void> {
		await this.#localStream?.switchSource(camera);
	}

	#wire(): void {
		const { call } = this;
		const buttons: [string, () => Promise<void>][] = [
			['mute', () => call.isMuted ? call.unmute() : call.mute()],
			['camera', () => this.#toggleCamera()],
			['share', () => call.isScreenSharingOn ? call.stopScreenSharing() : call.startScreenSharing()],
			['hold', () => call.state === 'LocalHold' ? call.resume() : call.hold()],
			['hang-up', () => call.hangUp()],
		];
		for (const [id, act] of buttons)
			at(id).onclick = () => this.#do(act);
		for (const [id, target] of [['details', 'panel'], ['keypad', 'keys']] as const)
			at(id).onclick = () => this.#toggle(id, target);
		at('copy-call-id').onclick = () => copy(call.id, at('copy-call-id'));
	}

	#listen(): void {
		const { call } = this;
		call.on('stateChanged', () => this.#onState());
		for (const event of ['isMutedChanged', 'isScreenSharingOnChanged', 'isLocalVideoStartedChanged'] as const)
			call.on(event, () => this.#showButtons());
		call.on('localVideoStreamsUpdated', () => void this.#showLocal());
		/* It may become a group call: everybody has a tile then. */
		call.on('remoteParticipantsUpdated', () => void this.#showRemote());
		const other = this.#other;
		other?.on('videoStreamsUpdated', ({ added }) => added.forEach((stream) => this.#follow(stream)));
		other?.videoStreams.forEach((stream) => this.#follow(stream));
		other?.on('isSpeakingChanged', () => at('stage').classList.toggle('speaking', other.isSpeaking));
		other?.on('isMutedChanged', () => this.#showState());
		other?.on('displayNameChanged', () => this.#showState());
		const diagnostics = call.feature(Features.UserFacingDiagnostics);
		diagnostics.media.on('diagnosticChanged', () => this.#warn());
		diagnostics.network.on('diagnosticChanged', () => this.#warn());
		this.#warn();
	}

	#toggle(button: string, target: string): void {
		const open = at(target).hidden;
		show(target, open);
		at(button).setAttribute('aria-expanded', String(open));
		at('call').classList.toggle('detailed', !at('panel').hidden);
		if (open && target === 'panel')
			this.#details.refresh();
	}

	#key(event: KeyboardEvent): void {
		const target = event.target as HTMLElement;
		if (event.ctrlKey || event.metaKey || event.altKey || target.matches('input, textarea, select') || document.querySelector('dialog[open]'))
			return;
		const id = { m: 'mute', v: 'camera', s: 'share', h: 'hold', a: 'add', d: 'details', e: 'hang-up' }[event.key.toLowerCase()];
		if (id)
			at(id).click();
	}

	/* What a button does; that it cannot be done is told. */
	#do(act: () => Promise<void>): void {
		act().catch((error: unknown) => this.#say(words(error))).finally(() => this.#showButtons());
	}

	#say(text: string): void {
		const item = make('li', {}, text);
		at('warnings').append(item);
		setTimeout(() => item.remove(), 6000);
	}

	async #toggleCamera(): Promise<void> {
		const sent = this.call.localVideoStreams.find((stream) => stream.mediaStreamType === 'Video');
		if (sent)
			await this.call.stopVideo(sent);
		else
			await this.call.startVideo(new LocalVideoStream(await this.devices.camera()));
	}

	/* A group has many: they are listed. */
	get #other(): RemoteParticipant | undefined {
		return this.#members.isOpen ? undefined : this.call.remoteParticipants[0];
	}

	#onState(): void {
		const { call } = this;
		if (call.state === 'Connected' && !this.#connectedAt)
			this.#connectedAt = Date.now();
		this.#showState();
		if (call.state === 'Disconnected')
			this.#close();
	}

	#showState(): void {
		const { call } = this, other = this.#other;
		at('stage').classList.toggle('group', this.#members.isOpen);
		const name = other?.displayName ?? this.name;
		at('call-title').textContent = name;
		at('portrait').textContent = initials(name);
		at('stage').classList.toggle('ringing', !this.#connectedAt);
		const text = STATES[call.state] ?? (this.#connectedAt ? clock(Date.now() - this.#connectedAt) : '');
		const state = other?.isMuted && call.state === 'Connected' ? `${text} · muted` : text;
		if (at('call-state').textContent !== state)
			at('call-state').textContent = state;
		this.#showButtons();
	}

	#showButtons(): void {
		const { call } = this, up = this.#connectedAt !== undefined && call.state !== 'Disconnecting';
		const press = (id: string, on: boolean, label: string, enabled = up): void => {
			at(id).setAttribute('aria-pressed', String(on));
			at<HTMLButtonElement>(id).disabled = !enabled;
			const text = at(id).querySelector('span');
			if (text && text.textContent !== label)
				text.textContent = label;
		};
		press('mute', call.isMuted, call.isMuted ? 'Unmute' : 'Mute', true);
		press('camera', call.isLocalVideoStarted, call.isLocalVideoStarted ? 'Stop video' : 'Video');
		press('share', call.isScreenSharingOn, call.isScreenSharingOn ? 'Stop' : 'Share');
		press('hold', call.state === 'LocalHold', call.state === 'LocalHold' ? 'Resume' : 'Hold');
		for (const id of ['keypad', 'add'])
			at<HTMLButtonElement>(id).disabled = !up;
	}

	#follow(stream: RemoteVideoStream): void {
		stream.on('isAvailableChanged', () => void this.#showRemote());
		void this.#showRemote();
	}

	/* A screen is more important than a face. */
	async #showRemote(): Promise<void> {
		const streams = this.#other?.videoStreams.filter((one) => one.isAvailable) ?? [];
		const stream = streams.find((one) => one.mediaStreamType === 'ScreenSharing') ?? streams[0];
		if (stream === this.#remote?.stream)
			return;
		this.#remote?.view.dispose();
		this.#remote = undefined;
		at('portrait').hidden = stream !== undefined;
		if (!stream)
			return;
		const view = await new VideoStreamRenderer(stream).createView({ scalingMode: 'Fit' });
		this.#remote = { stream, view };
		at('remote').replaceChildren(view.target);
	}

	async #showLocal(): Promise<void> {
		const stream = this.call.localVideoStreams.find((one) => one.mediaStreamType === 'Video');
		if (stream === this.#localStream)
			return;
		this.#localStream = stream;
		this.#local?.dispose();
		this.#local = undefined;
		if (!stream)
			return;
		const view = await new VideoStreamRenderer(stream).createView({ scalingMode: 'Crop', isMirrored: true }).catch(() => undefined);
		if (view && this.#localStream === stream) {
			this.#local = view;
			at('local').replaceChildren(view.target);
		} else {
			view?.dispose();
		}
	}

	#warn(): void {
		const { media, network } = this.call.feature(Features.UserFacingDiagnostics);
		const wrong = Object.entries({ ...media.getLatest(), ...network.getLatest() }).filter(([, latest]) => latest?.value === true || latest?.value === 3
			|| latest?.value === 2).map(([name]) => WARNINGS[name]).filter((text) => text !== undefined);
		at('warnings').replaceChildren(...wrong.map((text) => make('li', {}, text)));
	}

	#close(): void {
		clearInterval(this.#clock);
		document.removeEventListener('keydown', this.#onKey);
		this.#details.close();
		this.#members.close();
		this.#adder.close();
		this.#remote?.view.dispose();
		this.#local?.dispose();
		for (const id of ['panel', 'keys'])
			show(id, false);
		for (const id of ['details', 'keypad'])
			at(id).setAttribute('aria-expanded', 'false');
		at('call').classList.remove('detailed');
		at('stage').classList.remove('ringing', 'speaking', 'group');
		at('portrait').hidden = false;
		at('warnings').replaceChildren();
		this.ended(this.call, this.#connectedAt && (Date.now() - this.#connectedAt) / 1000);
	}
}

export function clock(ms: number): string {
	const seconds = Math.floor(ms / 1000);
	return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
