/* SPDX-License-Identifier: Apache-2.0 */
#include "media/level.h"

#include <math.h>

uint8_t cf_level_dbov(const int16_t *pcm, size_t n)
{
	uint64_t sum = 0;
	double db;

	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)((int32_t)pcm[i] * pcm[i]);
	if (!sum)
		return CF_LEVEL_SILENCE;
	/* RFC 6464 section 3: 0 dBov is the RMS of the loudest signal, a full-scale square wave. */
	db = -10 * log10((double)sum / (double)n / (32767.0 * 32767.0));
	if (db <= 0)
		return 0;
	return db >= CF_LEVEL_SILENCE ? CF_LEVEL_SILENCE : (uint8_t)lround(db);
}
