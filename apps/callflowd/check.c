/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "auth/access_key.h"
#include "net/tls.h"

#include <stdio.h>

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "callflowd: %s: %s\n", what, why);
	return -1;
}

static int check_certificate(const struct cf_conf *conf)
{
	static const char *const alpn[] = {NULL};
	struct cf_tls *tls;
	char error[CF_TLS_ERROR_MAX];
	int err;

	if (!conf->tls.certificate[0])
		return 0;
	tls = cf_tls_server_new(alpn);
	if (!tls)
		return complain("certificate", "out of memory");
	err = cf_tls_server_load(tls, conf->tls.certificate, conf->tls.key, error);
	cf_tls_unref(tls);
	return err < 0 ? complain("certificate", error) : 0;
}

static int check_key(const char *name, const char *text)
{
	struct cf_access_key key;

	if (text[0] && cf_access_key_parse(&key, cf_view_str(text)) < 0)
		return complain(name, "base64 of 16 to 96 bytes is wanted");
	return 0;
}

int check_configuration(const struct cf_conf *conf)
{
	if (check_certificate(conf) < 0 ||
		check_key("resource.access_key", conf->resource.access_key) < 0 ||
		check_key("resource.secondary_key", conf->resource.secondary_key) < 0)
		return -1;
	printf("The configuration is good.\n");
	return 0;
}
