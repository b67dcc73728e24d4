// SPDX-License-Identifier: Apache-2.0
import { CallingCommunicationError } from './error.js';
import { LocalVideoStream } from './local-video-stream.js';
import type { RemoteVideoStream } from './remote-video-stream.js';
import type { ScalingMode, StreamSize } from './types.js';

export interface CreateViewOptions { isMirrored?: boolean; scalingMode?: ScalingMode }

const FIT: Record<ScalingMode, string> = { Stretch: 'fill', Crop: 'cover', Fit: 'contain' };

/** A picture in the page: `target` is to be put where it should be seen. */
export class VideoStreamRendererView {
	readonly target: HTMLElement;
	#scalingMode: ScalingMode;
	#isMirrored: boolean;
	#isDisposed = false;

	/** @internal */
	constructor(readonly video: HTMLVideoElement, options: CreateViewOptions, private readonly onDispose: () => void) {
		this.target = document.createElement('div');
		this.target.style.cssText = 'width:100%;height:100%;overflow:hidden';
		video.style.cssText = 'display:block;width:100%;height:100%';
		this.target.append(video);
		this.#scalingMode = options.scalingMode ?? 'Fit';
		this.#isMirrored = options.isMirrored ?? false;
		this.#show();
	}

	get scalingMode(): ScalingMode { return this.#scalingMode; }
	get isMirrored(): boolean { return this.#isMirrored; }

	async updateScalingMode(scalingMode: ScalingMode): Promise<void> {
		this.#scalingMode = scalingMode;
		this.#show();
	}

	dispose(): void {
		if (this.#isDisposed)
			return;
		this.#isDisposed = true;
		this.video.srcObject = null;
		this.target.remove();
		this.onDispose();
	}

	#show(): void {
		this.video.style.objectFit = FIT[this.#scalingMode] ?? 'contain';
		this.video.style.transform = this.#isMirrored ? 'scaleX(-1)' : '';
	}
}

/** Shows local and remote video. */
export class VideoStreamRenderer {
	readonly #views = new Set<VideoStreamRendererView>();
	#size: StreamSize | undefined;

	constructor(private readonly stream: LocalVideoStream | RemoteVideoStream) {}

	get size(): StreamSize { return this.stream instanceof LocalVideoStream ? this.#size ?? { width: 0, height: 0 } : this.stream.size; }

	async createView(options: CreateViewOptions = {}): Promise<VideoStreamRendererView> {
		const { stream } = this;
		if (!(stream instanceof LocalVideoStream) && !stream.isAvailable)
			throw new CallingCommunicationError(405, 43203, 'This video is not sent now.');
		const local = stream instanceof LocalVideoStream;
		const video = document.createElement('video');
		video.autoplay = video.muted = video.playsInline = true;
		video.disablePictureInPicture = true;
		video.srcObject = local ? await stream.acquire() : await stream.getMediaStream();
		const follow = (track: MediaStreamTrack | undefined): void => { video.srcObject = track ? new MediaStream([track]) : null; };
		const hide = local ? undefined : stream.showIn(video);
		const view = new VideoStreamRendererView(video, options, () => {
			this.#views.delete(view);
			hide?.();
			if (local) {
				stream.off('trackChanged', follow);
				stream.release();
			}
		});
		if (local)
			stream.on('trackChanged', follow);
		video.onresize = () => this.#resized(video);
		this.#views.add(view);
		/* Without a gesture some browsers do not play; the first one that comes makes it good. */
		await video.play().catch(() => undefined);
		return view;
	}

	/** Ends all views. */
	dispose(): void {
		for (const view of [...this.#views])
			view.dispose();
	}

	#resized(video: HTMLVideoElement): void {
		this.#size = { width: video.videoWidth, height: video.videoHeight };
		if (!(this.stream instanceof LocalVideoStream))
			this.stream.updateSize(video.videoWidth, video.videoHeight);
	}
}
