/* SPDX-License-Identifier: Apache-2.0 */
/* Loudness of a frame as RFC 6464 wants it: -dBov, 0 (full-scale square wave) to 127 (silence). */
#ifndef CF_MEDIA_LEVEL_H
#define CF_MEDIA_LEVEL_H

#include <stddef.h>
#include <stdint.h>

#define CF_LEVEL_SILENCE 127
#define CF_LEVEL_QUIET 50 /* a frame at or below -50 dBov may be dropped or doubled unheard */

/** Level of n samples (RMS); CF_LEVEL_SILENCE for none. */
uint8_t cf_level_dbov(const int16_t *pcm, size_t n);

#endif
