/* SPDX-License-Identifier: Apache-2.0 */
#include "api/accept.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define Q_ONE 1000

/* "0.75" in thousandths; anything malformed counts as 1. */
static int quality(const char *p, size_t n)
{
	int q = 0, unit = 100;

	if (n == 0 || (p[0] != '0' && p[0] != '1') || (n > 1 && p[1] != '.') || n > 5)
		return Q_ONE;
	q = (p[0] - '0') * Q_ONE;
	for (size_t i = 2; i < n; i++, unit /= 10) {
		if (p[i] < '0' || p[i] > '9')
			return Q_ONE;
		q += (p[i] - '0') * unit;
	}
	return q < Q_ONE ? q : Q_ONE;
}

static size_t trim(const char **p, size_t n)
{
	while (n > 0 && (**p == ' ' || **p == '\t')) {
		++*p;
		n--;
	}
	while (n > 0 && ((*p)[n - 1] == ' ' || (*p)[n - 1] == '\t'))
		n--;
	return n;
}

/* One range: how exactly it names the type (0: not at all), and its quality. */
static int match(const char *p, size_t n, const char *type, int *ret_q)
{
	size_t name = 0, slash = strcspn(type, "/");
	const char *at = p;

	*ret_q = Q_ONE;
	while (name < n && p[name] != ';')
		name++;
	for (size_t i = name; i < n; i++)
		if (p[i] == ';') {
			const char *param = p + i + 1;
			size_t len = 0;

			while (i + 1 + len < n && param[len] != ';')
				len++;
			len = trim(&param, len);
			if (len > 2 && (param[0] | 32) == 'q' && param[1] == '=')
				*ret_q = quality(param + 2, len - 2);
		}
	name = trim(&at, name);
	if (name == 3 && memcmp(at, "*/*", 3) == 0)
		return 1;
	if (name == slash + 2 && strncasecmp(at, type, slash + 1) == 0 && at[name - 1] == '*')
		return 2;
	return name == strlen(type) && strncasecmp(at, type, name) == 0 ? 3 : 0;
}

/* The most exact range decides on a type. */
static int wanted(const char *accept, const char *type)
{
	int exact = 0, q = 0;

	while (*accept) {
		size_t n = strcspn(accept, ",");
		int its_q, how = match(accept, n, type, &its_q);

		if (how > exact) {
			exact = how;
			q = its_q;
		}
		accept += n + (accept[n] != 0);
	}
	return q;
}

int cf_api_accept(const char *accept, const char *const *types, size_t n)
{
	int best = -1, best_q = 0;

	if (!accept || !*accept)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int q = wanted(accept, types[i]);

		if (q > best_q) {
			best = (int)i;
			best_q = q;
		}
	}
	return best;
}
