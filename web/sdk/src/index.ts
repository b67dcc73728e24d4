// SPDX-License-Identifier: Apache-2.0
export { CallClient } from './call-client.js';
export { CallAgent, type CallAgentEvents } from './call-agent.js';
export { Call, type CallEvents } from './call.js';
export { IncomingCall, type IncomingCallEvents } from './incoming-call.js';
export { DeviceManager, type DeviceManagerEvents } from './device-manager.js';
export { RemoteParticipant, type RemoteParticipantEvents } from './remote-participant.js';
export { LocalVideoStream, type LocalVideoStreamEvents } from './local-video-stream.js';
export { LocalAudioStream, type LocalAudioStreamEvents } from './local-audio-stream.js';
export { RemoteVideoStream, type RemoteVideoStreamEvents } from './remote-video-stream.js';
export { VideoStreamRenderer, VideoStreamRendererView, type CreateViewOptions } from './video-stream-renderer.js';
export { CallingCommunicationError } from './error.js';
export type { CollectionUpdatedEvent, PropertyChangedEvent } from './emitter.js';
export * from './types.js';
export { Features } from './features/features.js';
export type { Feature, FeatureFactory } from './features/feature.js';
export { DiagnosticQuality, type DiagnosticChanged, type Diagnostics, type LatestDiagnostics, type MediaDiagnosticType, type NetworkDiagnosticType,
	type UserFacingDiagnosticsFeature } from './features/diagnostics.js';
export type { MediaStatsCollector, MediaStatsCollectorOptions, MediaStatsFeature, MediaStatsReportSample, MediaStatsReportSummary, MediaStreamStats,
	TransportStats } from './features/media-stats.js';
export type { CapabilitiesFeature, Capability, CapabilityName, DebugInfoFeature, DominantSpeakersFeature, DominantSpeakersInfo, EnvironmentInfo,
	OptimalVideoCountFeature } from './features/simple.js';
export type { RaisedHand, RaisedHandChangedEventArgs, RaisedHandListener, RaiseHandFeature } from './features/raise-hand.js';
export type { Transfer, TransferAcceptedEventArgs, TransferError, TransferFeature, TransferRequestedEventArgs, TransferState } from './features/transfer.js';
export type { CallPathEvents, CallPathFeature } from './features/call-path.js';
export type { CallPath } from './path-report.js';
export type { UnsupportedFeature } from './features/unsupported.js';
