// SPDX-License-Identifier: Apache-2.0
// What the SDK makes of bytes from the network: events, and the shapes of their data. Argument: a bundle with both parsers.
import assert from 'node:assert/strict';
import test from 'node:test';

const { EventParser, parseEvent } = await import(process.env.PARSERS);
const END = { callId: 'c', code: 0, subcode: 0, reason: 'r' };
const all = (parser, ...parts) => parts.flatMap((part) => [...parser.push(part)]);

test('events are cut the same however the text arrives', () => {
	const text = ': hello\n\nid: 7\nevent: a\ndata: 1\ndata: 2\n\r\ndata:x\r\n\r\nevent: none\n\nid: 8\ndata\n\n';
	const whole = all(new EventParser(), text);
	assert.deepEqual(whole, [{ type: 'a', data: '1\n2' }, { type: 'message', data: 'x' }, { type: 'message', data: '' }]);
	for (let cut = 0; cut <= text.length; cut++)
		assert.deepEqual(all(new EventParser(), text.slice(0, cut), text.slice(cut)), whole, `cut at ${cut}`);
	assert.deepEqual(all(new EventParser(), ...text), whole);
});

test('ids are kept, those with NUL are not', () => {
	const parser = new EventParser();
	all(parser, 'id: 7\n\nid: 8\0\n\n');
	assert.equal(parser.lastId, '7');
});

test('a line that never ends is given up', () => {
	const parser = new EventParser();
	assert.throws(() => all(parser, ...Array(20).fill('x'.repeat(100000))));
});

test('random bytes never throw below the limit', () => {
	let seed = 1;
	const random = (n) => (seed = seed * 48271 % 2147483647) % n;
	for (let i = 0; i < 3000; i++) {
		const parser = new EventParser();
		all(parser, ...Array.from({ length: 9 }, () => Array.from({ length: random(30) }, () => 'id:event\ndata \r\0{"x'[random(20)]).join('')));
	}
});

test('an event has the shape that the API describes, or is none', () => {
	assert.deepEqual(parseEvent('callEnded', END), { type: 'callEnded', data: END });
	for (const type of ['constructor', '__proto__', 'toString', 'reset', '', 'CALLENDED'])
		assert.equal(parseEvent(type, END), undefined, type);
	for (const data of [null, [], 7, 'x', {}, { ...END, code: '0' }, { ...END, callId: 'x'.repeat(70000) }, { ...END, reason: { toString: 1 } }, { ...END, code: NaN }])
		assert.equal(parseEvent('callEnded', data), undefined, JSON.stringify(data)?.slice(0, 60));
	const many = { callId: 'c', endOfCandidates: false, candidates: Array(257).fill({ candidate: 'x' }) };
	assert.equal(parseEvent('remoteCandidates', many), undefined);
	assert.equal(parseEvent('remoteCandidates', { ...many, candidates: [{ candidate: 7 }] }), undefined);
	assert.notEqual(parseEvent('remoteCandidates', { ...many, candidates: [{ candidate: 'x', sdpMid: null }] }), undefined);
	assert.equal(parseEvent('notification', { callId: 'c', from: { rawId: 'x' }, kind: 'state', data: [] }), undefined);
	assert.equal(parseEvent('renegotiate', { callId: 'c', from: { rawId: 'x' }, sdp: 's', type: 'rollback' }), undefined);
});
