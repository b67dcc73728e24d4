// SPDX-License-Identifier: Apache-2.0
// Runs inside the page, beside the SDK (window.sdk): one user, with at most one call at a time.
/* global window, document, setTimeout, setInterval */
const WAIT_MS = 20000;

window.until = async (what, test, ms = WAIT_MS) => {
	for (let left = ms / 50; left > 0; left--) {
		const found = await test();
		if (found)
			return found;
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	throw new Error(`never: ${what}; ${JSON.stringify(window.log ?? [])} ${window.call?.state} ${JSON.stringify(window.call?.callEndReason)}`);
};

function watch(call) {
	window.call = call;
	window.log.push(call.state);
	call.on('stateChanged', () => window.log.push(call.state === 'Disconnected' ? `${call.state} ${call.callEndReason.code}` : call.state));
}

window.signIn = async (token, options = {}, client = {}) => {
	const { CallClient } = window.sdk;
	window.log = [];
	window.credential = typeof token === 'string' ? { getToken: async () => ({ token: window.token ?? token, expiresOnTimestamp: Date.now() + 3600000 }), dispose() {} } : token;
	window.client = new CallClient({ endpoint: window.endpoint, ...client });
	window.devices = await window.client.getDeviceManager();
	window.agent = await window.client.createCallAgent(window.credential, options);
	window.agent.on('incomingCall', ({ incomingCall }) => { window.incoming = incomingCall; });
	return window.agent.userId;
};

window.camera = async () => new window.sdk.LocalVideoStream((await window.devices.getCameras())[0]);

// A screen that nobody has to choose: a canvas on which something moves.
window.screenOf = () => {
	const canvas = document.createElement('canvas');
	canvas.width = 640;
	canvas.height = 360;
	const context = canvas.getContext('2d');
	setInterval(() => {
		context.fillStyle = `hsl(${Date.now() / 10 % 360} 80% 50%)`;
		context.fillRect(0, 0, 640, 360);
	}, 40);
	return new window.sdk.LocalVideoStream(canvas.captureStream(25), 'ScreenSharing');
};

// What the other side's sound is for so many seconds: samples of 16 bits, and how many of them are a second.
window.record = async (seconds) => {
	const recorder = new MediaRecorder(new MediaStream([window.call.peer.transceiver('audio').receiver.track])), parts = [];
	recorder.ondataavailable = ({ data }) => parts.push(data);
	recorder.start();
	await new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
	await new Promise((resolve) => { recorder.onstop = resolve; recorder.stop(); });
	const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(await new Blob(parts).arrayBuffer());
	const samples = [...sound.getChannelData(0)].map((value) => Math.round(Math.max(-1, Math.min(1, value)) * 32767));
	return { rate: sound.sampleRate, samples };
};

window.start = async (target, { video = false, ...options } = {}) => {
	const videoOptions = video ? { localVideoStreams: [await window.camera()] } : undefined;
	watch(window.agent.startCall([{ id: target }], { videoOptions, ...options }));
};

window.join = (groupId, options = {}) => { watch(window.agent.join({ groupId }, options)); };

// Who in a group is seen now, and by which kinds of pictures.
window.seen = () => window.call.remoteParticipants.flatMap((one) => one.videoStreams.filter((s) => s.isAvailable)
	.map((s) => `${one.identifier.communicationUserId} ${s.mediaStreamType}`)).sort();

// Shows a member's camera in a low window, then in a high one: how many rows the pictures have that come in each.
window.rowsShown = async (id) => {
	const stream = window.call.remoteParticipants.find((one) => one.identifier.communicationUserId === id).videoStreams.find((s) => s.mediaStreamType === 'Video');
	const view = await new window.sdk.VideoStreamRenderer(stream).createView(), { video, target } = view;
	document.body.append(target);
	target.style.height = '60px';
	const low = await window.until('small pictures', () => video.videoHeight > 0 && video.videoHeight <= 200 && video.videoHeight);
	target.style.height = '700px';
	const high = await window.until('large pictures', () => video.videoHeight > 300 && video.videoHeight);
	view.dispose();
	return [low, high];
};

// The sizes of one's own camera that go out, by their names (RFC 8851).
window.sizesSent = () => window.until('several sizes', async () => {
	const sent = (await window.call.peer.stats()).filter((one) => one.type === 'outbound-rtp' && one.kind === 'video' && one.rid && one.framesSent > 5);
	return sent.length > 1 && sent.map(({ rid, frameWidth, frameHeight }) => `${rid} ${frameWidth}x${frameHeight}`);
});

// Shows a member's pictures, and waits until so many different ones were seen; how large they are.
window.watches = async (id, type = 'Video', pictures = 10) => {
	const find = () => window.call.remoteParticipants.find((one) => one.identifier.communicationUserId === id)?.videoStreams
		.find((s) => s.isAvailable && s.mediaStreamType === type);
	const stream = await window.until(`${type} of ${id}, of ${window.seen()}`, find);
	const view = await new window.sdk.VideoStreamRenderer(stream).createView();
	document.body.append(view.target);
	const { video } = view, times = new Set();
	await window.until(`pictures of ${id}`, () => { times.add(video.currentTime); return times.size > pictures && video.videoWidth > 0; });
	const size = { width: video.videoWidth, height: video.videoHeight };
	view.dispose();
	return size;
};

window.members = () => window.call.remoteParticipants.map((one) => ({ id: one.identifier.communicationUserId, name: one.displayName, isMuted: one.isMuted, state: one.state }));

window.accept = async ({ video = false } = {}) => {
	await window.until('an incoming call', () => window.incoming);
	const videoOptions = video ? { localVideoStreams: [await window.camera()] } : undefined;
	watch(await window.incoming.accept({ videoOptions }));
};

window.state = (state) => window.until(state, () => window.call?.state === state);

// What comes in: frames decoded and packets of sound, by the browser's own count.
window.received = async () => {
	const stats = [...(await window.call.peer.pc.getStats()).values()].filter((s) => s.type === 'inbound-rtp');
	const sum = (kind, field) => stats.filter((s) => s.kind === kind).reduce((all, s) => all + (s[field] ?? 0), 0);
	return { frames: sum('video', 'framesDecoded'), packets: sum('audio', 'packetsReceived'), energy: sum('audio', 'totalAudioEnergy') };
};

// Waits until that much more has come in.
window.flows = async ({ frames = 0, packets = 50 } = {}) => {
	const first = await window.received();
	return window.until('media', async () => {
		const now = await window.received();
		return now.frames - first.frames >= frames && now.packets - first.packets >= packets && now;
	});
};

// The numbers that the native client's moving picture carries (32 black or white fields in its top row), as seen in the first
// remote video during some seconds.
window.numbers = async (seconds) => {
	const stream = await window.until('remote video', () => window.call.remoteParticipants[0]?.videoStreams.find((s) => s.isAvailable));
	const video = document.createElement('video'), canvas = document.createElement('canvas'), seen = [];
	video.muted = true;
	video.srcObject = await stream.getMediaStream();
	await video.play();
	const end = performance.now() + seconds * 1000;
	while (performance.now() < end) {
		await new Promise((resolve) => { setTimeout(resolve, 100); });
		if (!video.videoWidth)
			continue;
		[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
		const context = canvas.getContext('2d');
		context.drawImage(video, 0, 0);
		const { data } = context.getImageData(0, Math.floor(canvas.height / 16), canvas.width, 1);
		seen.push(Array.from({ length: 32 }, (_, i) => data[4 * Math.floor((i + 0.5) * canvas.width / 32)] > 127 ? 1 : 0).reduce((n, bit) => n * 2 + bit, 0));
	}
	return { seen, width: canvas.width, height: canvas.height };
};

// Shows the first remote video, and tells how large the picture is that is seen.
window.shows = async () => {
	const stream = await window.until('remote video', () => window.call.remoteParticipants[0]?.videoStreams.find((s) => s.isAvailable));
	const renderer = new window.sdk.VideoStreamRenderer(stream);
	const view = await renderer.createView({ scalingMode: 'Fit' });
	document.body.append(view.target);
	const size = await window.until('a picture', () => renderer.size.width > 0 && renderer.size);
	renderer.dispose();
	return size;
};
