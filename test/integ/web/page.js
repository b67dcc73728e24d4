// SPDX-License-Identifier: Apache-2.0
// Runs inside the browser's page: peer connections, and what their statistics say.
/* global window, RTCPeerConnection, MediaStream, Audio, navigator, setTimeout */
const WAIT_MS = 20000;

async function until(what, test) {
	for (let left = WAIT_MS / 100; left > 0; left--) {
		const found = await test();
		if (found)
			return found;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	throw new Error(`never: ${what}`);
}

async function newPeer(config) {
	const media = await navigator.mediaDevices.getUserMedia({ audio: true });
	const pc = new RTCPeerConnection(config);
	pc.errors = [];
	pc.onicecandidateerror = (e) => pc.errors.push(`${e.url} ${e.errorCode} ${e.errorText}`);
	for (const track of media.getTracks())
		pc.addTrack(track, media);
	pc.ontrack = (e) => { // sound that nobody plays is never decoded
		pc.player = new Audio();
		pc.player.srcObject = e.streams[0] ?? new MediaStream([e.track]);
		pc.player.play();
	};
	return pc;
}

// What the statistics say about the path and the sound that comes in.
async function seen(pc) {
	const stats = [...(await pc.getStats()).values()];
	const find = (type, test = () => true) => stats.find((s) => s.type === type && test(s));
	const transport = find('transport', (t) => t.selectedCandidatePairId);
	const pair = transport && find('candidate-pair', (p) => p.id === transport.selectedCandidatePairId);
	const end = (id) => find(id === 'local' ? 'local-candidate' : 'remote-candidate', (c) => c.id === pair?.[`${id}CandidateId`]);
	const sound = find('inbound-rtp', (s) => s.kind === 'audio');
	return {
		ice: pc.iceConnectionState, dtls: transport?.dtlsState, srtp: transport?.srtpCipher, tls: transport?.tlsVersion,
		local: end('local')?.candidateType, remote: end('remote')?.candidateType,
		relayProtocol: end('local')?.relayProtocol, url: end('local')?.url,
		bytes: sound?.bytesReceived ?? 0, packets: sound?.packetsReceived ?? 0, lost: sound?.packetsLost ?? 0,
		level: sound?.audioLevel ?? 0, energy: sound?.totalAudioEnergy ?? 0,
	};
}

// The sound comes in and is no silence: the packets grow, and the level rises above zero at some time.
async function hear(pc) {
	const first = await seen(pc);
	await until('sound', async () => {
		const now = await seen(pc);
		return now.packets >= first.packets + 50 && now.bytes > first.bytes && now.level > 0 && now.energy > 0;
	}).catch(async (e) => {
		throw new Error(`${e.message}; ${JSON.stringify(await seen(pc))} ${pc.errors}`);
	});
	return seen(pc);
}

// The types of all candidates that there are.
window.gather = async (config) => {
	const pc = await newPeer(config), types = [];
	pc.onicecandidate = (e) => e.candidate?.candidate && types.push(e.candidate.type);
	await pc.setLocalDescription();
	await until('gathered', () => pc.iceGatheringState === 'complete');
	pc.close();
	return types;
};

// Two peers in this page, which reach each other through the relay alone.
window.relayed = async (iceServers) => {
	const config = { iceServers, iceTransportPolicy: 'relay' };
	const a = await newPeer(config), b = await newPeer(config);
	try {
		a.onicecandidate = (e) => e.candidate && b.addIceCandidate(e.candidate);
		b.onicecandidate = (e) => e.candidate && a.addIceCandidate(e.candidate);
		const channel = a.createDataChannel('data');
		b.ondatachannel = (e) => { e.channel.onmessage = (m) => e.channel.send(`back: ${m.data}`); };
		let back;
		channel.onmessage = (m) => { back = m.data; };
		channel.onopen = () => channel.send('there');
		await a.setLocalDescription();
		await b.setRemoteDescription(a.localDescription);
		await b.setLocalDescription();
		await a.setRemoteDescription(b.localDescription);
		await until('connected', () => a.connectionState === 'connected' && b.connectionState === 'connected')
			.catch((e) => { throw new Error(`${e.message}: ${a.iceConnectionState} ${a.errors}`); });
		await until('the data channel', () => back === 'back: there');
		return [await hear(a), await hear(b)];
	} finally {
		a.close();
		b.close();
	}
};

// One end of a call: the offer goes out, the answer and its candidates come in.
window.offer = async (config) => {
	const pc = window.pc = await newPeer(config);
	pc.onicecandidate = (e) => window.onCandidate(e.candidate ? e.candidate.toJSON() : null);
	await pc.setLocalDescription();
	return pc.localDescription.sdp;
};
window.answer = (sdp) => window.pc.setRemoteDescription({ type: 'answer', sdp });
window.remoteCandidates = async (list) => {
	for (const candidate of list)
		await window.pc.addIceCandidate(candidate);
};
window.heard = async () => {
	const pc = window.pc;
	await until('connected', () => pc.connectionState === 'connected')
		.catch((e) => { throw new Error(`${e.message}: ${pc.iceConnectionState} ${pc.errors}`); });
	return hear(pc);
};
window.close = () => window.pc.close();
