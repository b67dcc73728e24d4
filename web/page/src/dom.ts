// SPDX-License-Identifier: Apache-2.0

/** The element of the page with this id. */
export function at<T extends HTMLElement = HTMLElement>(id: string): T {
	const found = document.getElementById(id);
	if (!found)
		throw new Error(`no element ${id}`);
	return found as T;
}

/** A new element; text is text, never markup. */
export function make<K extends keyof HTMLElementTagNameMap>(name: K, properties: Partial<HTMLElementTagNameMap[K]> = {},
	...children: (Node | string)[]): HTMLElementTagNameMap[K] {
	const element = Object.assign(document.createElement(name), properties);
	element.append(...children);
	return element;
}

export function show(id: string, visible: boolean): void {
	at(id).hidden = !visible;
}

/** Two letters for somebody without a picture. */
export function initials(name: string): string {
	const words = name.trim().split(/\s+/).filter(Boolean);
	const letters = words.length > 1 ? [words[0], words[words.length - 1]].map((word) => [...word ?? ''][0]) : [...words[0] ?? '?'].slice(0, 2);
	return letters.join('').toUpperCase();
}

export function copy(text: string, button: HTMLElement): void {
	const label = button.textContent;
	void navigator.clipboard.writeText(text).then(() => { button.textContent = 'Copied'; }, () => { button.textContent = text; })
		.then(() => setTimeout(() => { button.textContent = label; }, 1500));
}

export function words(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
