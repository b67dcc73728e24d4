/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness from the kernel, fit for keys. Any thread. */
#ifndef CF_BASE_RAND_H
#define CF_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/** Fills n bytes. Ends the process when the kernel has no randomness to give. */
void cf_rand_bytes(void *p, size_t n);

uint32_t cf_rand_u32(void);
uint64_t cf_rand_u64(void);

/** An even choice from 0 to bound - 1; bound > 0. */
uint32_t cf_rand_below(uint32_t bound);

#define CF_UUID_TEXT_MAX 37

/** A version 4 UUID (RFC 9562 section 5.4) in lower case. Returns text. */
const char *cf_rand_uuid(char text[static CF_UUID_TEXT_MAX]);

/** n characters from the ICE alphabet without '+' and '/' (letters and digits), and the
 * terminator: text holds n + 1. About 5.95 bits each. */
void cf_rand_text(char *text, size_t n);

#endif
