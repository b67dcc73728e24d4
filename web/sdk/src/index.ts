// SPDX-License-Identifier: Apache-2.0
export { CallClient } from './call-client.js';
export { CallAgent, type CallAgentEvents } from './call-agent.js';
export { Call, type CallEvents } from './call.js';
export { IncomingCall, type IncomingCallEvents } from './incoming-call.js';
export { DeviceManager, type DeviceManagerEvents } from './device-manager.js';
export { RemoteParticipant, type RemoteParticipantEvents } from './remote-participant.js';
export { LocalVideoStream } from './local-video-stream.js';
export { LocalAudioStream } from './local-audio-stream.js';
export { RemoteVideoStream, type RemoteVideoStreamEvents } from './remote-video-stream.js';
export { VideoStreamRenderer, VideoStreamRendererView, type CreateViewOptions } from './video-stream-renderer.js';
export { CallingCommunicationError } from './error.js';
export type { CollectionUpdatedEvent, PropertyChangedEvent } from './emitter.js';
export * from './types.js';
