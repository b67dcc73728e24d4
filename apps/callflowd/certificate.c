/* SPDX-License-Identifier: Apache-2.0 */
#include "certificate.h"

#include "base/log.h"

static int fail(const char *what, const char *why)
{
	cf_log(CF_LOG_ERROR, "daemon", NULL, "%s: %s", what, why);
	return -1;
}

static int ensure_devca(struct cf_devca *devca, const struct cf_conf *conf)
{
	char ips[CF_CONF_ADDRS_MAX][CF_ADDR_TEXT_MAX];
	const char *names[CF_CONF_ADDRS_MAX + 1];
	char error[256];
	size_t n = 0;

	for (size_t i = 0; i < conf->public_addresses.n; i++, n++)
		names[n] = cf_addr_ip_text(&conf->public_addresses.v[i], ips[i]);
	if (conf->resource.hostname[0])
		names[n++] = conf->resource.hostname;
	if (cf_devca_ensure(devca, conf->state_dir, names, n, error) < 0)
		return fail("development CA", error);
	return 0;
}

int certificate_load(struct cf_tls *tls, struct cf_devca *devca, const struct cf_conf *conf)
{
	bool own = conf->tls.certificate[0];
	char error[CF_TLS_ERROR_MAX];

	if (!own && ensure_devca(devca, conf) < 0)
		return -1;
	if (cf_tls_server_load(tls, own ? conf->tls.certificate : devca->cert_file,
		    own ? conf->tls.key : devca->key_file, error) < 0)
		return fail("certificate", error);
	return 0;
}

int certificate_open(struct cf_tls **ret_tls, struct cf_devca *devca, const struct cf_conf *conf)
{
	/* Ours comes first: coturn's clients offer http/1.1 beside stun.turn, browsers stun.turn
	 * never. */
	static const char *const alpn[] = {"stun.turn", "h2", "http/1.1", NULL};

	*ret_tls = cf_tls_server_new(alpn);
	return *ret_tls ? certificate_load(*ret_tls, devca, conf) : fail("TLS", "out of memory");
}
