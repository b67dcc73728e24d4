// SPDX-License-Identifier: Apache-2.0
import { fromRawId } from './identifier.js';
import { RemoteParticipant } from './remote-participant.js';
import type { Schemas } from './service.js';

type Member = Schemas['EventParticipantsUpdated']['participants'][number];

/** The members of a group call but oneself: one for each device. */
export class Roster {
	readonly #byEndpoint = new Map<string, RemoteParticipant>();
	readonly #sources = new Map<RemoteParticipant, number>();

	get list(): RemoteParticipant[] { return [...this.#byEndpoint.values()]; }

	of(endpointId: string | undefined): RemoteParticipant | undefined {
		return endpointId === undefined ? undefined : this.#byEndpoint.get(endpointId);
	}

	/** Who is heard now, by their sources in the mix. */
	speaking(sources: ReadonlySet<number>): void {
		for (const [one, source] of this.#sources)
			one.updateSpeaking(sources.has(source));
	}

	/** Who has come, and who has left. */
	update(members: readonly Member[], own: string): { added: RemoteParticipant[]; removed: RemoteParticipant[] } {
		const added: RemoteParticipant[] = [], removed: RemoteParticipant[] = [];
		for (const member of members) {
			if (member.endpointId === own)
				continue;
			const known = this.#byEndpoint.get(member.endpointId);
			if (member.state === 'connected') {
				const one = known ?? new RemoteParticipant(fromRawId(member.rawId), member.displayName);
				this.#byEndpoint.set(member.endpointId, one);
				this.#sources.set(one, member.audioSource);
				one.updateDisplayName(member.displayName);
				one.updateMuted(member.isMuted);
				one.updateState('Connected');
				if (!known)
					added.push(one);
			} else if (known) {
				this.#byEndpoint.delete(member.endpointId);
				this.#sources.delete(known);
				known.updateSpeaking(false);
				known.updateState('Disconnected', { code: 0, subCode: 0, message: 'left the call' });
				removed.push(known);
			}
		}
		return { added, removed };
	}
}
