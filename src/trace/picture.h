/* SPDX-License-Identifier: Apache-2.0 */
/* The two drawings. For trace and its tests only. */
#ifndef CF_TRACE_PICTURE_H
#define CF_TRACE_PICTURE_H

#include "trace/story.h"
#include "trace/svg.h"

/** Writes an SVG document with one or both of the drawings. */
void trace_picture(struct trace_out *out, const struct story *story, bool network, bool ladder);

/* Each draws its part from y on, and gives the y behind it. With out NULL nothing is written: that
 * is how tall it will be. */
int picture_head(struct trace_out *out, const struct story *story);
int picture_network(struct trace_out *out, const struct story *story, int y);
int picture_ladder(struct trace_out *out, const struct story *story, int y);

#endif
