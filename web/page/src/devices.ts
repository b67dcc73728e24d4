// SPDX-License-Identifier: Apache-2.0
import type { DeviceManager, VideoDeviceInfo } from '../../sdk/src/index.js';
import { at, make, words } from './dom.js';

/** The choice of devices. */
export class Devices {
	#camera: string | undefined;

	constructor(private readonly manager: DeviceManager, private readonly cameraChanged: (camera: VideoDeviceInfo) => void) {
		at('open-settings').onclick = () => void this.#open();
		const follow = (): void => { if (at<HTMLDialogElement>('settings').open) void this.#fill(); };
		manager.on('videoDevicesUpdated', follow);
		manager.on('audioDevicesUpdated', follow);
		at<HTMLSelectElement>('microphones').onchange = (event) => void this.#choose('microphone', (event.target as HTMLSelectElement).value);
		at<HTMLSelectElement>('speakers').onchange = (event) => void this.#choose('speaker', (event.target as HTMLSelectElement).value);
		at<HTMLSelectElement>('cameras').onchange = (event) => void this.#choose('camera', (event.target as HTMLSelectElement).value);
	}

	/** The camera that was chosen, or the first one; throws where there is none. */
	async camera(): Promise<VideoDeviceInfo> {
		const cameras = await this.manager.getCameras();
		const camera = cameras.find((one) => one.id === this.#camera) ?? cameras[0];
		if (!camera)
			throw new Error('There is no camera.');
		return camera;
	}

	async #open(): Promise<void> {
		at<HTMLDialogElement>('settings').showModal();
		const access = await this.manager.askDevicePermission({ audio: true, video: true });
		const missing = [access.audio ? '' : 'microphone', access.video ? '' : 'camera'].filter(Boolean);
		at('settings-hint').textContent = missing.length ? `The browser does not let this page use your ${missing.join(' and your ')}.` : '';
		await this.#fill();
	}

	async #fill(): Promise<void> {
		const fill = (id: string, list: { id: string; name: string }[], chosen: string | undefined): void => {
			at<HTMLSelectElement>(id).replaceChildren(...list.map((one) => make('option', { value: one.id, selected: one.id === chosen }, one.name)));
			at<HTMLSelectElement>(id).disabled = list.length === 0;
		};
		fill('cameras', await this.manager.getCameras(), this.#camera);
		fill('microphones', await this.manager.getMicrophones(), this.manager.selectedMicrophone?.id);
		fill('speakers', this.manager.isSpeakerSelectionAvailable ? await this.manager.getSpeakers() : [], this.manager.selectedSpeaker?.id);
	}

	async #choose(what: 'microphone' | 'speaker' | 'camera', id: string): Promise<void> {
		try {
			if (what === 'camera') {
				this.#camera = id;
				this.cameraChanged(await this.camera());
				return;
			}
			const list = what === 'microphone' ? await this.manager.getMicrophones() : await this.manager.getSpeakers();
			const device = list.find((one) => one.id === id);
			if (device)
				await (what === 'microphone' ? this.manager.selectMicrophone(device) : this.manager.selectSpeaker(device));
		} catch (error) {
			at('settings-hint').textContent = words(error);
		}
	}
}
