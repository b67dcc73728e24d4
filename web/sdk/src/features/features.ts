// SPDX-License-Identifier: Apache-2.0
import type { CallClient } from '../call-client.js';
import type { Call } from '../call.js';
import { CallPathFeature } from './call-path.js';
import { UserFacingDiagnosticsFeature } from './diagnostics.js';
import type { Feature, FeatureFactory } from './feature.js';
import { MediaStatsFeature } from './media-stats.js';
import { RaiseHandFeature } from './raise-hand.js';
import { CapabilitiesFeature, DebugInfoFeature, DominantSpeakersFeature, OptimalVideoCountFeature } from './simple.js';
import { TransferFeature } from './transfer.js';
import { unsupported } from './unsupported.js';

function ofCall<T extends Feature>(featureName: string, Make: new (call: Call) => T): FeatureFactory<T, Call> {
	return { featureName, create: (call) => new Make(call) };
}

/** What `call.feature()` and `client.feature()` take. */
export const Features = {
	UserFacingDiagnostics: ofCall('UserFacingDiagnostics', UserFacingDiagnosticsFeature),
	MediaStats: ofCall('MediaStats', MediaStatsFeature),
	DominantSpeakers: ofCall('DominantSpeakers', DominantSpeakersFeature),
	Capabilities: ofCall('Capabilities', CapabilitiesFeature),
	OptimalVideoCount: ofCall('OptimalVideoCount', OptimalVideoCountFeature),
	Transfer: ofCall('Transfer', TransferFeature),
	RaiseHand: ofCall('RaiseHand', RaiseHandFeature),
	CallPath: ofCall('CallPath', CallPathFeature),
	DebugInfo: { featureName: 'DebugInfo', create: (client: CallClient) => new DebugInfoFeature(client) },
	Recording: unsupported('Recording', { isRecordingActive: false, recordings: [] }, []),
	Transcription: unsupported('Transcription', { isTranscriptionActive: false }, []),
	Captions: unsupported('Captions', { captions: { kind: 'Captions', isCaptionsFeatureActive: false, supportedSpokenLanguages: [],
		on() { /* nothing will come */ }, off() { /* nothing to forget */ } } }, []),
	Reaction: unsupported('Reaction', {}, ['sendReaction']),
	Spotlight: unsupported('Spotlight', { maxParticipantsToSpotlight: 0, getSpotlightedParticipants: () => [] },
		['startSpotlight', 'stopSpotlight', 'stopAllSpotlight']),
	TogetherMode: unsupported('TogetherMode', { togetherModeStream: [] }, ['start']),
	BreakoutRooms: unsupported('BreakoutRooms', { assignedBreakoutRoom: undefined }, []),
	PPTLive: unsupported('PPTLive', { isActive: false, target: undefined }, []),
	MediaAccess: unsupported('MediaAccess', { getAllOthersMediaAccess: () => [], getMeetingMediaAccess: () => ({ isAudioPermitted: true, isVideoPermitted: true }) },
		['permitAudio', 'forbidAudio', 'permitVideo', 'forbidVideo', 'permitOthersAudio', 'forbidOthersAudio', 'permitOthersVideo', 'forbidOthersVideo']),
	RealTimeText: unsupported('RealTimeText', {}, ['sendRealTimeText']),
	VideoEffects: unsupported('VideoEffects', { activeEffects: [], isSupported: async () => false }, ['startEffects', 'stopEffects']),
	AudioEffects: unsupported('AudioEffects', { activeEffects: {}, isSupported: async () => false }, ['startEffects', 'stopEffects']),
	CallSurvey: unsupported('CallSurvey', {}, ['submitSurvey']),
	DataChannel: unsupported('DataChannel', {}, ['createDataChannelSender']),
	TeamsMeetingAudioConferencing: unsupported('TeamsMeetingAudioConferencing', {}, ['getTeamsMeetingAudioConferencingDetails']),
};
