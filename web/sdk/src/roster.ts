// SPDX-License-Identifier: Apache-2.0
import { fromRawId, toRawId } from './identifier.js';
import { listenToMix } from './speaking.js';
import { watchSlots } from './slots.js';
import { RemoteParticipant } from './remote-participant.js';
import type { RemoteVideoStream } from './remote-video-stream.js';
import type { Schemas } from './service.js';
import { watchViews, type View } from './viewing.js';

type Member = Schemas['EventParticipantsUpdated']['participants'][number];

/** The members of a group call but oneself: one for each device; and who is called into it. */
export class Roster {
	readonly #byEndpoint = new Map<string, RemoteParticipant>();
	/* Who is called, and whose device is not known yet: by raw id. */
	readonly #expected = new Map<string, RemoteParticipant>();
	readonly #sources = new Map<RemoteParticipant, Member>();
	/* Whom the application knows of. */
	readonly #told = new Set<RemoteParticipant>();

	/** How somebody is made to be silent, and the media processor is told what is shown how large. */
	constructor(private readonly mute: (rawId: string) => Promise<void>, private readonly view: (views: View[], others: number) => Promise<void>) {}

	get list(): RemoteParticipant[] { return [...this.#byEndpoint.values(), ...[...this.#expected.values()].filter((one) => this.#told.has(one))]; }

	/** Somebody will be among the members by this object; told: the application knows of it. */
	expect(rawId: string, one: RemoteParticipant, told: boolean): void {
		this.#expected.set(rawId, one);
		if (told)
			this.#told.add(one);
	}

	/** It will not. */
	forget(rawId: string): void {
		this.#expected.delete(rawId);
	}

	/** Whoever is called, or is in it, with this id. */
	find(rawId: string): RemoteParticipant | undefined {
		return this.#expected.get(rawId) ?? [...this.#byEndpoint.values()].find((one) => toRawId(one.identifier) === rawId);
	}

	clear(): void {
		this.#byEndpoint.clear();
		this.#expected.clear();
		this.#sources.clear();
		this.#told.clear();
	}

	of(endpointId: string | undefined): RemoteParticipant | undefined {
		return endpointId === undefined ? undefined : this.#byEndpoint.get(endpointId);
	}

	/** Watches who is heard, and who is seen; returns how to stop. */
	follow(mix: RTCRtpReceiver, slots: () => readonly RTCRtpTransceiver[]): () => void {
		const stops = [listenToMix(mix, (sources) => this.#speaking(sources)), watchSlots(slots, (tracks) => this.#showing(tracks)),
			watchViews(() => this.#streams(), this.view)];
		return () => stops.forEach((stop) => stop());
	}

	/* By their sources in the mix. */
	#speaking(sources: ReadonlySet<number>): void {
		for (const [one, { audioSource }] of this.#sources)
			one.updateSpeaking(sources.has(audioSource ?? 0));
	}

	/* By their sources in the streams. */
	#showing(tracks: ReadonlyMap<number, MediaStreamTrack>): void {
		for (const [one, { videoSource, screenSource }] of this.#sources)
			for (const [type, source] of [['Video', videoSource], ['ScreenSharing', screenSource]] as const) {
				const track = tracks.get(source ?? 0);
				one.updateVideo(type, track, track !== undefined);
			}
	}

	*#streams(): Iterable<[number, RemoteVideoStream]> {
		for (const [one, { videoSource, screenSource }] of this.#sources)
			for (const stream of one.videoStreams)
				yield [(stream.mediaStreamType === 'ScreenSharing' ? screenSource : videoSource) ?? 0, stream];
	}

	/** Who has come, and who has left. */
	update(members: readonly Member[], own: string): { added: RemoteParticipant[]; removed: RemoteParticipant[] } {
		const added: RemoteParticipant[] = [], removed: RemoteParticipant[] = [];
		for (const member of members) {
			if (member.endpointId === own)
				continue;
			const one = member.state === 'ringing' ? this.#rings(member) : member.state === 'connected' ? this.#comes(member) : this.#goes(member);
			if (one && member.state === 'disconnected')
				removed.push(one);
			else if (one && !this.#told.has(one))
				added.push(one);
			if (one && member.state !== 'disconnected')
				this.#told.add(one);
		}
		return { added, removed };
	}

	#rings(member: Member): RemoteParticipant {
		const one = this.#expected.get(member.rawId) ?? this.#make(member);
		this.#expected.set(member.rawId, one);
		one.updateState('Ringing');
		return one;
	}

	#comes(member: Member): RemoteParticipant {
		const endpointId = member.endpointId ?? '', one = this.#byEndpoint.get(endpointId) ?? this.#expected.get(member.rawId) ?? this.#make(member);
		if (this.#expected.get(member.rawId) === one)
			this.#expected.delete(member.rawId);
		this.#byEndpoint.set(endpointId, one);
		this.#sources.set(one, member);
		one.mutedBy(() => this.mute(member.rawId));
		one.updateDisplayName(member.displayName);
		one.updateMuted(member.isMuted ?? false);
		one.updateState('Connected');
		return one;
	}

	#goes(member: Member): RemoteParticipant | undefined {
		const one = member.endpointId === undefined ? this.#expected.get(member.rawId) : this.#byEndpoint.get(member.endpointId), { end } = member;
		if (!one)
			return undefined;
		if (member.endpointId === undefined)
			this.#expected.delete(member.rawId);
		else
			this.#byEndpoint.delete(member.endpointId);
		this.#sources.delete(one);
		this.#told.delete(one);
		one.updateSpeaking(false);
		one.updateState('Disconnected', end ? { code: end.code, subCode: end.subcode, message: end.reason }
			: { code: 0, subCode: 0, message: 'left the call' });
		return one;
	}

	#make(member: Member): RemoteParticipant {
		return new RemoteParticipant(fromRawId(member.rawId), member.displayName);
	}
}
