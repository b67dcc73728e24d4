/* SPDX-License-Identifier: Apache-2.0 */
/* A moving picture to call with where there is no camera: colours that drift, a bar that walks, and
 * the number of the picture as 32 black or white fields in the top row, highest bit first. */
#ifndef CALLFLOW_PATTERN_H
#define CALLFLOW_PATTERN_H

#include <callflow/callflow.h>

#include <stdint.h>

struct pattern {
	uint32_t number; /* of the picture drawn next */
};

/** A callflow_video_read_fn; arg: struct pattern. */
int pattern_read(struct callflow_picture *picture, void *arg);

#endif
