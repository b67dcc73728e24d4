// SPDX-License-Identifier: Apache-2.0
import { LocalVideoStream, type Call, type CallEndReason, type IncomingCall } from '../../sdk/src/index.js';
import { CallView, clock } from './call-view.js';
import { Devices } from './devices.js';
import { at, copy, initials, show, words } from './dom.js';
import { Lobby } from './lobby.js';
import { isGroup } from './members.js';
import { forget, kept, people, signIn, type Session } from './session.js';
import { Ringer } from './ringer.js';

const VIEWS = ['sign-in', 'lobby', 'call'];
const REASONS: Record<number, string> = { 0: 'It has ended.', 404: 'There is no such person.', 408: 'Nobody answered.', 480: 'Nobody answered.',
	486: 'The other side is busy.', 487: 'It was cancelled.', 603: 'The other side declined.' };

function view(name: string): void {
	for (const id of VIEWS)
		show(id, id === name);
}

/** Everything that goes on while somebody is signed in. */
class App {
	readonly #devices: Devices;
	readonly #lobby: Lobby;
	readonly #ringer = new Ringer();
	#current: CallView | undefined;
	#incoming: IncomingCall[] = [];

	constructor(private readonly session: Session) {
		this.#devices = new Devices(session.devices, (camera) => void this.#current?.useCamera(camera));
		this.#lobby = new Lobby(session, (target, name, video) => void this.#start(target, name, video));
		session.agent.on('incomingCall', ({ incomingCall }) => this.#ring(incomingCall));
		session.agent.on('callsUpdated', ({ added }) => added.filter((call) => call !== this.#current?.call && call.direction === 'Outgoing')
			.forEach((call) => this.#show(call, call.remoteParticipants[0]?.displayName ?? 'Transferred')));
		session.agent.on('connectionStateChanged', ({ newValue, reason }) => this.#onConnection(newValue === 'Connected', reason));
		at('my-name').textContent = session.name;
		at('copy-id').onclick = () => copy(session.userId, at('copy-id'));
		at('sign-out').onclick = () => void this.#signOut();
		at('accept').onclick = () => void this.#accept(false);
		at('accept-video').onclick = () => void this.#accept(true);
		at('decline').onclick = () => void this.#decline();
		at<HTMLDialogElement>('incoming').oncancel = (event) => event.preventDefault();
		show('me', true);
		this.#toLobby();
	}

	#toLobby(): void {
		view('lobby');
		this.#lobby.open();
		at('lobby-title').focus();
	}

	async #video(wanted: boolean): Promise<{ localVideoStreams: LocalVideoStream[] } | undefined> {
		return wanted ? { localVideoStreams: [new LocalVideoStream(await this.#devices.camera())] } : undefined;
	}

	async #start(target: string, name: string, video: boolean): Promise<void> {
		at('lobby-error').textContent = '';
		try {
			const videoOptions = await this.#video(video).catch(() => undefined), options = videoOptions ? { videoOptions } : {};
			const { agent } = this.session;
			this.#show(isGroup(target) ? agent.join({ groupId: target }, options) : agent.startCall([{ id: target }], options), name);
		} catch (error) {
			at('lobby-error').textContent = words(error);
		}
	}

	#show(call: Call, name: string): void {
		this.#lobby.close();
		show('last-call', false);
		view('call');
		this.#current = new CallView(call, name, this.session, this.#devices, (over, seconds) => this.#over(over, name, seconds));
		at('hang-up').focus();
	}

	#over(call: Call, name: string, seconds: number | undefined): void {
		if (this.#current?.call !== call)
			return;
		this.#current = undefined;
		at('last-call-text').textContent = `${call.direction === 'Incoming' ? 'From' : 'To'} ${name}${seconds === undefined ? '' : `, ${clock(seconds * 1000)}`}. ` +
			tell(call.callEndReason);
		show('last-call', true);
		this.#toLobby();
	}

	#ring(incoming: IncomingCall): void {
		this.#incoming.push(incoming);
		incoming.on('callEnded', () => this.#gone(incoming));
		this.#showIncoming();
	}

	#gone(incoming: IncomingCall): void {
		this.#incoming = this.#incoming.filter((one) => one !== incoming);
		this.#showIncoming();
	}

	#showIncoming(): void {
		const dialog = at<HTMLDialogElement>('incoming'), incoming = this.#incoming[0];
		if (!incoming) {
			dialog.close();
			this.#ringer.stop();
			return;
		}
		const name = incoming.callerInfo.displayName ?? 'Somebody';
		at('incoming-title').textContent = `${name} is calling`;
		at('incoming-portrait').textContent = initials(name);
		if (!dialog.open)
			dialog.showModal();
		at('accept').focus();
		this.#ringer.start();
	}

	async #accept(video: boolean): Promise<void> {
		const incoming = this.#incoming[0];
		if (!incoming)
			return;
		this.#gone(incoming);
		try {
			await this.#current?.call.hold().catch(() => this.#current?.call.hangUp());
			const videoOptions = await this.#video(video).catch(() => undefined);
			const call = await incoming.accept(videoOptions ? { videoOptions } : {});
			this.#show(call, incoming.callerInfo.displayName ?? 'Somebody');
		} catch (error) {
			at('lobby-error').textContent = words(error);
		}
	}

	async #decline(): Promise<void> {
		const incoming = this.#incoming[0];
		if (incoming)
			this.#gone(incoming);
		await incoming?.reject();
	}

	#onConnection(connected: boolean, reason: string | undefined): void {
		show('connection', !connected);
		at('connection').textContent = reason === 'invalidToken' ? 'Your access token is not good any more: sign in again.' : 'The service is out of reach; trying again.';
	}

	async #signOut(): Promise<void> {
		forget();
		await this.session.client.dispose();
		location.reload();
	}
}

function tell(reason: CallEndReason | undefined): string {
	const text = REASONS[reason?.code ?? 0] ?? 'It could not go on.';
	return reason?.code && reason.message ? `${text} (${reason.code}/${reason.subCode}: ${reason.message})` : text;
}

async function enter(name: string, token?: string): Promise<void> {
	new App(await signIn(name, token));
}

async function begin(): Promise<void> {
	const before = kept(), open = await people() !== undefined;
	if (before && await enter(before.name, before.token).then(() => true, () => false))
		return;
	show('token-field', !open);
	show('token-help', !open);
	at<HTMLTextAreaElement>('token').required = !open;
	at<HTMLFormElement>('sign-in-form').onsubmit = (event) => {
		event.preventDefault();
		at('sign-in-error').textContent = '';
		enter(at<HTMLInputElement>('name').value.trim(), at<HTMLTextAreaElement>('token').value.trim() || undefined)
			.catch((error: unknown) => { at('sign-in-error').textContent = words(error); });
	};
	view('sign-in');
	at('name').focus();
}

void begin();
