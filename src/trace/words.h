/* SPDX-License-Identifier: Apache-2.0 */
/* The forms that a story may take. For trace and its tests only. */
#ifndef CF_TRACE_WORDS_H
#define CF_TRACE_WORDS_H

#include "trace/story.h"

/** Writes the story as text. */
void trace_words(struct trace_out *out, const struct story *story);

#endif
