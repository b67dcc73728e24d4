// SPDX-License-Identifier: Apache-2.0
import { make } from './dom.js';

const POINTS = 60;
const SVG = 'http://www.w3.org/2000/svg';

/** A small plot of the last minute: what comes in, and (dashed) what goes out. */
export class Plot {
	readonly element: HTMLElement;
	readonly #value = make('strong');
	readonly #svg = document.createElementNS(SVG, 'svg');
	readonly #lines: Record<'in' | 'out', { path: SVGPathElement; points: (number | undefined)[] }>;

	constructor(private readonly title: string, private readonly format: (value: number) => string, private readonly least: number) {
		this.#svg.setAttribute('viewBox', `0 0 ${POINTS - 1} 40`);
		this.#svg.setAttribute('preserveAspectRatio', 'none');
		this.#svg.setAttribute('role', 'img');
		const axis = document.createElementNS(SVG, 'path');
		axis.setAttribute('d', `M0 40H${POINTS - 1}`);
		axis.setAttribute('class', 'axis');
		const line = (name: string): { path: SVGPathElement; points: number[] } => {
			const path = document.createElementNS(SVG, 'path');
			path.setAttribute('class', name);
			return { path, points: [] };
		};
		this.#lines = { in: line('in'), out: line('out') };
		this.#svg.append(axis, this.#lines.in.path, this.#lines.out.path);
		this.element = make('figure', { className: 'plot' }, make('figcaption', {}, title, this.#value), this.#svg);
	}

	add(incoming: number | undefined, outgoing?: number): void {
		for (const [line, value] of [[this.#lines.in, incoming], [this.#lines.out, outgoing]] as const) {
			line.points.push(value);
			line.points.splice(0, line.points.length - POINTS);
		}
		const top = Math.max(this.least, ...this.#lines.in.points.map((value) => value ?? 0), ...this.#lines.out.points.map((value) => value ?? 0));
		for (const { path, points } of Object.values(this.#lines))
			path.setAttribute('d', draw(points, top));
		const text = [incoming, outgoing].map((value, i) => value === undefined ? '' : `${['↓', '↑'][i]} ${this.format(value)}`).filter(Boolean).join('  ');
		this.#value.textContent = outgoing === undefined && incoming !== undefined ? this.format(incoming) : text || '–';
		this.#svg.setAttribute('aria-label', `${this.title}: ${this.#value.textContent}`);
	}
}

function draw(points: (number | undefined)[], top: number): string {
	let text = '', pen = false;
	points.forEach((value, i) => {
		if (value !== undefined)
			text += `${pen ? 'L' : 'M'}${POINTS - points.length + i} ${(40 - Math.min(1, value / top) * 38).toFixed(1)}`;
		pen = value !== undefined;
	});
	return text;
}
