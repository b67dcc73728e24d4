/* SPDX-License-Identifier: Apache-2.0 */
/* Router and queries on any path. */
#include "base/text.h"
#include "http/router.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cf_route routes[] = {
		{"GET", "/", NULL, NULL},
		{"POST", "/calls", NULL, NULL},
		{"GET", "/calls/{id}", NULL, NULL},
		{"POST", "/calls/{id}:accept", NULL, NULL},
		{"POST", "/identities/{id}/:issueAccessToken", NULL, NULL},
		{"DELETE", "/a/{b}/c/{d}", NULL, NULL},
	};
	const struct cf_route *route = NULL;
	struct cf_route_params params;
	char allow[CF_ROUTE_ALLOW_MAX], out[64];
	int status = cf_route_find(routes, sizeof(routes) / sizeof(*routes), "GET",
		cf_view_of(data, size), &route, &params, allow);

	if ((status == 200) != (route != NULL) ||
		(status == 405) != (*allow != 0 && !route && status != 400))
		abort();
	if (status == 200)
		for (size_t i = 0; i < params.n; i++)
			if (!*params.value[i] ||
				!cf_utf8_valid(params.value[i], strlen(params.value[i])))
				abort();
	if (cf_query_get(cf_view_of(data, size), "a", out, sizeof(out)) >= (int)sizeof(out))
		abort();
	return 0;
}
