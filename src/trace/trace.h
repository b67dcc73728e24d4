/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace of a call, told: in words, as the picture of the network with the path that was taken,
 * and as a ladder of who said what to whom and when. The trace comes as JSON (CallTrace of
 * docs/api/openapi.yaml). Much of it was written by the call's devices: whatever its shape, the
 * answer is whole, well-formed and of bounded size; names and addresses are only ever text. Pure.
 */
#ifndef CF_TRACE_TRACE_H
#define CF_TRACE_TRACE_H

#include "base/err.h"
#include "json/json.h"

#include <stddef.h>

/* The longest answer, bytes. */
#define CF_TRACE_OUT_MAX (768 * 1024)

enum cf_trace_form {
	CF_TRACE_WORDS,   /* UTF-8 text, lines of at most some 100 columns */
	CF_TRACE_NETWORK, /* SVG */
	CF_TRACE_LADDER,  /* SVG */
	CF_TRACE_BOTH,    /* SVG: the ladder below the network */
};

/** Tells the trace (borrowed until return): 0 and zero-terminated text, owned by the caller
 * (cf_free()); or CF_ENOMEM, CF_ELIMIT. Any JSON value is a trace, if a poor one. */
CF_MUST_CHECK int cf_trace_tell(
	const json_t *trace, enum cf_trace_form form, char **ret_text, size_t *ret_len);

#endif
