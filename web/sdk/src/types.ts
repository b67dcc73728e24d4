// SPDX-License-Identifier: Apache-2.0
import type { LocalAudioStream } from './local-audio-stream.js';
import type { LocalVideoStream } from './local-video-stream.js';

/** Azure's credential, or anything with the same two methods. */
export interface CommunicationTokenCredential {
	getToken(options?: { abortSignal?: AbortSignal }): Promise<{ token: string; expiresOnTimestamp: number }>;
	dispose(): void;
}

export interface CommunicationUserIdentifier { communicationUserId: string }
export interface PhoneNumberIdentifier { phoneNumber: string; rawId?: string }
export interface MicrosoftTeamsUserIdentifier { microsoftTeamsUserId: string; isAnonymous?: boolean; cloud?: string; rawId?: string }
export interface UnknownIdentifier { id: string }
export type CommunicationIdentifier =
	CommunicationUserIdentifier | PhoneNumberIdentifier | MicrosoftTeamsUserIdentifier | UnknownIdentifier;
export interface CommunicationUserKind extends CommunicationUserIdentifier { kind: 'communicationUser' }
export interface PhoneNumberKind extends PhoneNumberIdentifier { kind: 'phoneNumber' }
export interface UnknownIdentifierKind extends UnknownIdentifier { kind: 'unknown' }
export type CommunicationIdentifierKind = CommunicationUserKind | PhoneNumberKind | UnknownIdentifierKind;

export type CallState = 'None' | 'Connecting' | 'Ringing' | 'EarlyMedia' | 'Connected' | 'LocalHold' | 'RemoteHold' |
	'InLobby' | 'Disconnecting' | 'Disconnected';
export type RemoteParticipantState = 'Idle' | 'Connecting' | 'Ringing' | 'EarlyMedia' | 'Connected' | 'Hold' | 'InLobby' |
	'Disconnected';
export type CallDirection = 'Incoming' | 'Outgoing';
export type CallAgentKind = 'CallAgent';
export type CallKind = 'Call';
export type ConnectionState = 'Connected' | 'Disconnected';
export type ParticipantRole = 'Unknown' | 'Attendee' | 'Presenter' | 'Organizer' | 'Consumer' | 'Co-organizer';
export type MediaStreamType = 'Video' | 'ScreenSharing' | 'RawMedia';
export type ScalingMode = 'Stretch' | 'Crop' | 'Fit';
export type DtmfTone = 'A' | 'B' | 'C' | 'D' | 'Flash' | 'Num0' | 'Num1' | 'Num2' | 'Num3' | 'Num4' | 'Num5' | 'Num6' |
	'Num7' | 'Num8' | 'Num9' | 'Pound' | 'Star';

export interface CallEndReason {
	/** A SIP response code, or 0 for a normal end. */
	code: number;
	subCode: number;
	message?: string;
	resultCategories?: string[];
}

export interface CallerInfo {
	readonly displayName: string | undefined;
	readonly identifier: CommunicationIdentifierKind | undefined;
}

export interface CallInfo { readonly threadId: string | undefined; readonly participantId: string; readonly groupId?: string }
export interface AudioOptions { muted?: boolean; localAudioStreams?: LocalAudioStream[] }
export interface VideoOptions { localVideoStreams?: LocalVideoStream[] }
export interface CustomContext { userToUser?: string; xHeaders?: { key: string; value: string }[]; voipHeaders?: { key: string; value: string }[] }
export interface AcceptCallOptions { audioOptions?: AudioOptions; videoOptions?: VideoOptions }
export interface StartCallOptions extends AcceptCallOptions {
	alternateCallerId?: PhoneNumberIdentifier;
	customContext?: CustomContext;
	threadId?: string;
}
export type JoinCallOptions = AcceptCallOptions;
export interface GroupLocator { groupId: string }
export interface RoomLocator { roomId: string }
export interface HangUpOptions { forEveryone?: boolean }

export interface SendConstraints { bitrate?: { max?: number }; frameHeight?: { max?: number }; frameRate?: { max?: number } }
export interface VideoConstraints { video?: { send?: SendConstraints } }

export interface VideoDeviceInfo {
	readonly name: string;
	readonly id: string;
	readonly deviceType: 'Unknown' | 'UsbCamera' | 'CaptureAdapter' | 'Virtual';
}
export interface AudioDeviceInfo {
	readonly name: string;
	readonly id: string;
	readonly isSystemDefault: boolean;
	readonly deviceType: 'Microphone' | 'Speaker' | 'CompositeAudioDevice';
}
export interface DeviceAccess { readonly audio: boolean; readonly video: boolean }
export interface StreamSize { width: number; height: number }

/** Where a log goes: Azure's logger, the console, or nothing. */
export interface AzureLogger {
	verbose(...args: unknown[]): void;
	info(...args: unknown[]): void;
	warning(...args: unknown[]): void;
	error(...args: unknown[]): void;
}

export interface CallClientOptions {
	/** Of the Callflow service, "https://calls.example"; by default `networkConfiguration.proxy.url`, then the page's origin. */
	endpoint?: string;
	logger?: AzureLogger;
	diagnostics?: { appName?: string; appVersion?: string; tags?: string[] };
	networkConfiguration?: {
		proxy?: { url: string };
		/** With TURN servers of one's own all media goes through them. */
		turn?: { iceServers: { urls: string[]; username?: string; credential?: string; realm?: string }[] };
	};
}

export interface CallAgentOptions { displayName?: string; emergencyCallOptions?: { countryCode: string } }
