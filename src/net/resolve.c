/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve.h"

#include "base/mem.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

/* RFC 1035 section 3.1: 255 octets. */
#define HOST_MAX 255

struct cf_resolve {
	struct cf_defer defer; /* literals */
	cf_resolve_fn *fn;     /* NULL: cancelled; the loop's thread only */
	void *arg;
	uint16_t port;
	/* Written by the worker, read by the loop after it. */
	int err;
	size_t n;
	struct cf_addr addrs[CF_RESOLVE_MAX];
	char host[HOST_MAX + 1];
};

static void finish(void *arg)
{
	struct cf_resolve *r = arg;
	struct cf_addr addrs[CF_RESOLVE_MAX];
	cf_resolve_fn *fn = r->fn;
	void *fn_arg = r->arg;
	size_t n = r->n;
	int err = r->err;

	memcpy(addrs, r->addrs, sizeof(addrs));
	cf_free(r);
	if (fn)
		fn(err, addrs, err ? 0 : n, fn_arg);
}

static int err_of_gai(int code)
{
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return CF_ENOTFOUND;
	case EAI_MEMORY:
		return CF_ENOMEM;
	case EAI_AGAIN:
		return CF_EAGAIN;
	default:
		return CF_EIO;
	}
}

/* On a worker. */
static void look_up(void *arg)
{
	struct cf_resolve *r = arg;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int code = getaddrinfo(r->host, NULL, &hints, &list);

	if (code) {
		r->err = err_of_gai(code);
		return;
	}
	for (struct addrinfo *it = list; it && r->n < CF_RESOLVE_MAX; it = it->ai_next) {
		if (cf_addr_from_sockaddr(&r->addrs[r->n], it->ai_addr) < 0)
			continue;
		r->addrs[r->n++].port = r->port;
	}
	freeaddrinfo(list);
	if (r->n == 0)
		r->err = CF_ENOTFOUND;
}

int cf_resolve_start(struct cf_resolve **ret_resolve, struct cf_loop *loop, struct cf_pool *pool,
	const char *host, uint16_t port, cf_resolve_fn *fn, void *arg)
{
	size_t n = strlen(host);
	struct cf_resolve *r;
	int err = 0;

	if (n == 0 || n > HOST_MAX)
		return CF_EINVAL;
	r = cf_alloc(sizeof(*r));
	if (!r)
		return CF_ENOMEM;
	r->fn = fn;
	r->arg = arg;
	r->port = port;
	/* "name." means that no search list applies; the hosts file knows no such names. */
	memcpy(r->host, host, n > 1 && host[n - 1] == '.' ? n - 1 : n);
	if (cf_addr_parse(&r->addrs[0], host, 0) == 0) {
		r->addrs[0].port = port;
		r->n = 1;
		cf_defer_set(&r->defer, loop, finish, r);
	} else {
		err = cf_pool_run(pool, look_up, loop, finish, r);
	}
	if (err) {
		cf_free(r);
		return err;
	}
	*ret_resolve = r;
	return 0;
}

struct cf_resolve *cf_resolve_cancel(struct cf_resolve *resolve)
{
	if (!resolve)
		return NULL;
	resolve->fn = NULL;
	if (resolve->defer.link.next) {
		cf_defer_cancel(&resolve->defer);
		cf_free(resolve);
	}
	return NULL;
}
