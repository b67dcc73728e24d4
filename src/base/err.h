/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of error codes for the whole project. Functions that can fail return 0 or a count
 * on success and one of these (all negative) on failure. A protocol's own answer (STUN 401,
 * HTTP 404, SIP 486) is data and travels beside the code, never as one.
 */
#ifndef CF_BASE_ERR_H
#define CF_BASE_ERR_H

/* Columns: name, value, text, HTTP status, SIP status. */
#define CF_ERR_TABLE(X)                                           \
	X(CF_ENOMEM, -1, "out of memory", 500, 500)               \
	X(CF_EINVAL, -2, "invalid argument", 400, 400)            \
	X(CF_EBADMSG, -3, "malformed message", 400, 400)          \
	X(CF_ENOSPC, -4, "buffer too small", 500, 500)            \
	X(CF_ELIMIT, -5, "limit reached", 429, 503)               \
	X(CF_ENOTFOUND, -6, "not found", 404, 404)                \
	X(CF_EEXIST, -7, "already exists", 409, 409)              \
	X(CF_EAUTH, -8, "authentication failed", 401, 401)        \
	X(CF_EDENIED, -9, "not permitted", 403, 403)              \
	X(CF_ESTATE, -10, "not possible in this state", 409, 491) \
	X(CF_ETIMEOUT, -11, "timed out", 408, 408)                \
	X(CF_ECLOSED, -12, "closed", 410, 410)                    \
	X(CF_EIO, -13, "input/output error", 500, 500)            \
	X(CF_EAGAIN, -14, "try again", 503, 503)                  \
	X(CF_ENOTSUP, -15, "not supported", 501, 501)             \
	X(CF_ECRYPTO, -16, "cryptographic failure", 500, 500)     \
	X(CF_EREPLAY, -17, "replayed packet", 400, 400)           \
	X(CF_ECANCELED, -18, "canceled", 499, 487)                \
	X(CF_EUNREACH, -19, "unreachable", 502, 480)              \
	X(CF_EADDRINUSE, -20, "address in use", 500, 500)         \
	X(CF_EEXPIRED, -21, "expired", 401, 401)

enum cf_err {
	CF_OK = 0,
#define X(name, value, text, http, sip) name = value,
	CF_ERR_TABLE(X)
#undef X
};

/** Name of a code, for example "CF_ENOMEM"; "CF_OK" for any value >= 0. Static storage. */
const char *cf_err_name(int err);

/** Text of a code for people, lower case, no full stop. Static storage. */
const char *cf_err_text(int err);

/** HTTP status that stands for a code; 200 for any value >= 0. */
int cf_err_http(int err);

/** SIP status that stands for a code; 200 for any value >= 0. */
int cf_err_sip(int err);

/** The code that stands for an errno value; CF_EIO where there is no closer one. */
int cf_err_from_errno(int err_no);

#define CF_MUST_CHECK __attribute__((warn_unused_result))
#define CF_PRINTF(f, a) __attribute__((format(printf, f, a)))

#endif
