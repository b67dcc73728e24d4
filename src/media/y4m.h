/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YUV4MPEG2 files: a line of parameters, then for each frame "FRAME" and the planes. Read: 4:2:0
 * with 8 bits (C420, C420jpeg, C420mpeg2, C420paldv or none said), odd sides are cut to even ones.
 * Errors are told in words. Files may be pipes. Blocks: not for a loop's thread.
 */
#ifndef CF_MEDIA_Y4M_H
#define CF_MEDIA_Y4M_H

#include "base/err.h"
#include "media/picture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_y4m_info {
	uint32_t width, height;      /* even */
	uint32_t rate_num, rate_den; /* frames per second; 30/1 where the file does not say */
};

struct cf_y4m_reader;

/** Opens path ("-": standard input). 0; CF_ENOTFOUND, CF_EDENIED, CF_EIO; CF_EBADMSG with the
 * reason in why (at most cap bytes; "" otherwise). */
CF_MUST_CHECK int cf_y4m_open(struct cf_y4m_reader **ret_reader, const char *path,
	struct cf_y4m_info *ret_info, char *why, size_t cap);
/** Reads the next frame into picture (of the file's size): 1; 0 at the end; CF_EBADMSG for a cut or
 * damaged file; CF_EIO. */
CF_MUST_CHECK int cf_y4m_read(struct cf_y4m_reader *reader, struct cf_picture *picture);
/** Back to the first frame. 0, or CF_ESTATE for a pipe. */
CF_MUST_CHECK int cf_y4m_rewind(struct cf_y4m_reader *reader);
struct cf_y4m_reader *cf_y4m_close(struct cf_y4m_reader *reader);

struct cf_y4m_writer;

/** Makes the file ("-": standard output). 0, CF_EDENIED, CF_ENOTFOUND (no such folder), CF_EIO. */
CF_MUST_CHECK int cf_y4m_create(
	struct cf_y4m_writer **ret_writer, const char *path, const struct cf_y4m_info *info);
/** Appends a picture; one of another size is scaled to the file's. 0, CF_EIO (disk full). */
CF_MUST_CHECK int cf_y4m_write(struct cf_y4m_writer *writer, const struct cf_picture *picture);
/** Writes out and closes: 0 or CF_EIO; the writer is gone either way. */
int cf_y4m_finish(struct cf_y4m_writer *writer);

#endif
