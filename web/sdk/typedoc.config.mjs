// SPDX-License-Identifier: Apache-2.0
import { OptionDefaults } from 'typedoc';

export default {
	name: '@callflow/calling',
	entryPoints: ['src/index.ts'],
	tsconfig: 'tsconfig.json',
	readme: 'README.md',
	excludeInternal: true,
	excludePrivate: true,
	treatWarningsAsErrors: true,
	/* Those of the types that are made from the OpenAPI document. */
	blockTags: [...OptionDefaults.blockTags, '@description', '@constant'],
};
