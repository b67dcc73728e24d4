/* SPDX-License-Identifier: Apache-2.0 */
/* Candidate text: what is accepted prints, and what is printed parses to the same. */
#include "ice/candidate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[CF_ICE_CANDIDATE_TEXT_MAX], again[CF_ICE_CANDIDATE_TEXT_MAX];
	struct cf_ice_candidate c, back;
	int len;

	if (cf_ice_candidate_parse(&c, (const char *)data, size) < 0)
		return 0;
	len = cf_ice_candidate_print(&c, text, sizeof(text));
	if (len < 0 || cf_ice_candidate_parse(&back, text, (size_t)len) < 0)
		abort();
	if (!cf_addr_eq(&c.addr, &back.addr) || c.priority != back.priority || c.type != back.type)
		abort();
	if (cf_ice_candidate_print(&back, again, sizeof(again)) != len || strcmp(text, again) != 0)
		abort();
	return 0;
}
