/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stddef.h>

static const struct err_row {
	const char *name;
	const char *text;
	int http;
	int sip;
} err_rows[] = {{"CF_OK", "success", 200, 200},
#define X(name, value, text, http, sip) [-(value)] = {#name, text, http, sip},
	CF_ERR_TABLE(X)
#undef X
};

static const struct err_row *row_of(int err)
{
	size_t i = err >= 0 ? 0 : -(size_t)err;
	static const struct err_row unknown = {"CF_UNKNOWN", "unknown error", 500, 500};

	return i < sizeof(err_rows) / sizeof(err_rows[0]) ? &err_rows[i] : &unknown;
}

const char *cf_err_name(int err)
{
	return row_of(err)->name;
}

const char *cf_err_text(int err)
{
	return row_of(err)->text;
}

int cf_err_http(int err)
{
	return row_of(err)->http;
}

int cf_err_sip(int err)
{
	return row_of(err)->sip;
}

int cf_err_from_errno(int err_no)
{
	switch (err_no) {
	case 0:
		return CF_OK;
	case ENOMEM:
	case ENOBUFS:
		return CF_ENOMEM;
	case EINVAL:
		return CF_EINVAL;
	case ENOENT:
		return CF_ENOTFOUND;
	case EEXIST:
		return CF_EEXIST;
	case EACCES:
	case EPERM:
		return CF_EDENIED;
	case EAGAIN:
	case EINTR:
		return CF_EAGAIN;
	case ETIMEDOUT:
		return CF_ETIMEOUT;
	case EADDRINUSE:
		return CF_EADDRINUSE;
	case EMFILE:
	case ENFILE:
		return CF_ELIMIT;
	case EPIPE:
	case ECONNRESET:
		return CF_ECLOSED;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
		return CF_EUNREACH;
	default:
		return CF_EIO;
	}
}
