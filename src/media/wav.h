/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sound files: reads whatever libsndfile reads (any rate, width, channels) as 48 kHz mono frames;
 * writes 48 kHz mono 16-bit WAV. These touch files and may block: not for packet threads; the
 * client's audio thread uses them. One thread at a time per object.
 */
#ifndef CF_MEDIA_WAV_H
#define CF_MEDIA_WAV_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_WAV_RATE 48000
#define CF_WAV_FRAME 960
#define CF_WAV_SYNC_FRAMES 25 /* the header on disk is brought up to date every half second */

struct cf_wav_reader;
struct cf_wav_writer;

/** Opens a file. CF_ENOTFOUND, CF_EDENIED, CF_EBADMSG (no sound file), CF_ENOTSUP (more than 64
 * channels, or a rate out of range), CF_ENOMEM. */
CF_MUST_CHECK int cf_wav_reader_open(struct cf_wav_reader **ret_reader, const char *path);
struct cf_wav_reader *cf_wav_reader_free(struct cf_wav_reader *reader);

/** The next frame, filled up with silence at the end. Samples from the file in it; 0: the end;
 * CF_EIO.
 */
int cf_wav_reader_frame(struct cf_wav_reader *reader, int16_t pcm[static CF_WAV_FRAME]);

/** Back to the start: 0 or CF_EIO. */
CF_MUST_CHECK int cf_wav_reader_rewind(struct cf_wav_reader *reader);

/** Length in samples at 48 kHz (rounded). */
uint64_t cf_wav_reader_length(const struct cf_wav_reader *reader);

/** Creates or truncates. CF_ENOTFOUND, CF_EDENIED, CF_EIO, CF_ENOMEM. */
CF_MUST_CHECK int cf_wav_writer_open(struct cf_wav_writer **ret_writer, const char *path);

/** Appends samples. 0, CF_EIO (disk full: what was written stays valid), CF_ELIMIT at 4 GB. */
CF_MUST_CHECK int cf_wav_writer_write(struct cf_wav_writer *writer, const int16_t *pcm, size_t n);

/** Finishes the header: 0 or CF_EIO; frees either way. NULL gives 0. */
int cf_wav_writer_close(struct cf_wav_writer *writer);

#endif
