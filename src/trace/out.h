/* SPDX-License-Identifier: Apache-2.0 */
/* Text in the making, and what strangers' texts may become in it. For trace and its tests only. */
#ifndef CF_TRACE_OUT_H
#define CF_TRACE_OUT_H

#include "base/buf.h"

#include <stdbool.h>

/* Room for a cleaned text of so many characters. */
#define TRACE_TEXT_MAX(chars) ((chars)*4 + 1)

struct trace_out {
	struct cf_buf buf;
	int err; /* the first failure sticks */
};

void out_init(struct trace_out *out, size_t max);
void out_say(struct trace_out *out, const char *format, ...) CF_PRINTF(2, 3);
/** As element or attribute content of XML 1.0: inert whatever it was. */
void out_xml(struct trace_out *out, const char *text);

/** Copies at most max_chars characters; control characters, line breaks and what turns the writing
 * direction are left out; what is too long ends in an ellipsis. text holds
 * TRACE_TEXT_MAX(max_chars). Returns text. */
char *trace_clean(char *text, size_t max_chars, const char *from);

/** Reads one character of well-formed UTF-8 and moves on; 0 at the end. */
unsigned trace_char(const char **text);

#endif
