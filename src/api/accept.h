/* SPDX-License-Identifier: Apache-2.0 */
/* Which form of a resource a client would like best (RFC 9110 section 12.5.1). */
#ifndef CF_API_ACCEPT_H
#define CF_API_ACCEPT_H

#include <stddef.h>

/** Index of the media type that accept (an Accept header's value; NULL: anything) prefers; of
 * equals the first. -1 when none will do. What is malformed in accept is passed over. */
int cf_api_accept(const char *accept, const char *const *types, size_t n);

#endif
