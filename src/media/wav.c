/* SPDX-License-Identifier: Apache-2.0 */
#include "media/wav.h"

#include "base/mem.h"
#include "base/wire.h"
#include "media/file.h"
#include "media/resample.h"

#include <errno.h>
#include <fcntl.h>
#include <sndfile.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CHANNELS 64
#define CHUNK 1024 /* samples of a channel read at once */
#define MAX_FRAMES (UINT64_C(1) << 40)
#define HEADER_LEN 44
#define MAX_DATA (UINT32_MAX - HEADER_LEN - 1)

struct cf_wav_reader {
	SNDFILE *file;
	struct cf_resampler *resampler; /* NULL at 48 kHz */
	int channels;
	uint32_t rate;
	uint64_t frames;
	float *mixed; /* CHUNK * channels, interleaved */
	int16_t in[CHUNK];
	size_t in_pos, in_len;
	uint64_t left; /* samples of output to come */
	bool eof;
};

static int open_input(struct cf_wav_reader *r, const char *path)
{
	SF_INFO info = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return cf_media_file_error(errno);
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		return CF_EDENIED;
	}
	r->file = sf_open_fd(fd, SFM_READ, &info, 1); /* takes fd, on failure too */
	if (!r->file)
		return CF_EBADMSG;
	if (info.channels < 1 || info.channels > MAX_CHANNELS ||
		info.samplerate < CF_RESAMPLER_MIN_RATE || info.samplerate > CF_RESAMPLER_MAX_RATE)
		return CF_ENOTSUP;
	r->channels = info.channels;
	r->rate = (uint32_t)info.samplerate;
	r->frames = info.frames > 0 ? (uint64_t)info.frames : 0;
	if (r->frames > MAX_FRAMES) /* length not known (a stream) */
		r->frames = MAX_FRAMES;
	return 0;
}

static void start_over(struct cf_wav_reader *r)
{
	r->in_pos = r->in_len = 0;
	r->eof = false;
	r->left = cf_wav_reader_length(r);
}

static int make_resampler(struct cf_wav_reader *r)
{
	r->resampler = cf_resampler_free(r->resampler);
	if (r->rate == CF_WAV_RATE)
		return 0;
	return cf_resampler_new(&r->resampler, r->rate, CF_WAV_RATE);
}

int cf_wav_reader_open(struct cf_wav_reader **ret_reader, const char *path)
{
	struct cf_wav_reader *r = cf_alloc(sizeof(*r));
	int err = r ? open_input(r, path) : CF_ENOMEM;

	if (!err) {
		r->mixed = cf_calloc(CHUNK * (size_t)r->channels, sizeof(float));
		err = r->mixed ? make_resampler(r) : CF_ENOMEM;
	}
	if (err) {
		cf_wav_reader_free(r);
		return err;
	}
	start_over(r);
	*ret_reader = r;
	return 0;
}

struct cf_wav_reader *cf_wav_reader_free(struct cf_wav_reader *reader)
{
	if (!reader)
		return NULL;
	if (reader->file)
		sf_close(reader->file);
	cf_resampler_free(reader->resampler);
	cf_free(reader->mixed);
	return cf_free(reader);
}

static int16_t to_int16(float v)
{
	v *= 32768.0f;
	if (v >= 32767.0f)
		return 32767;
	if (v <= -32768.0f)
		return -32768;
	return (int16_t)(v < 0 ? v - 0.5f : v + 0.5f);
}

/* More mono input: samples, zeros behind the end for the resampler. */
static void refill(struct cf_wav_reader *r)
{
	sf_count_t n = r->eof ? 0 : sf_readf_float(r->file, r->mixed, CHUNK);

	r->in_pos = 0;
	if (n <= 0) {
		uint64_t rest = r->resampler
					? cf_resampler_latency(r->resampler) * CF_WAV_RATE / r->rate
					: 0;

		/* A header may promise more than there is. */
		if (!r->eof && r->left > rest)
			r->left = rest;
		r->eof = true;
		memset(r->in, 0, sizeof(r->in));
		r->in_len = CHUNK;
		return;
	}
	for (sf_count_t i = 0; i < n; i++) {
		float sum = 0;

		for (int c = 0; c < r->channels; c++)
			sum += r->mixed[i * r->channels + c];
		r->in[i] = to_int16(sum / (float)r->channels);
	}
	r->in_len = (size_t)n;
}

static size_t convert(struct cf_wav_reader *r, int16_t *out, size_t cap)
{
	size_t n = r->in_len - r->in_pos, made;

	if (r->resampler) {
		made = cf_resampler_run(r->resampler, r->in + r->in_pos, n, &n, out, cap);
	} else {
		n = made = n < cap ? n : cap;
		memcpy(out, r->in + r->in_pos, n * sizeof(*out));
	}
	r->in_pos += n;
	return made;
}

int cf_wav_reader_frame(struct cf_wav_reader *reader, int16_t pcm[static CF_WAV_FRAME])
{
	size_t got = 0;

	memset(pcm, 0, CF_WAV_FRAME * sizeof(*pcm));
	while (got < CF_WAV_FRAME && reader->left) {
		size_t room = CF_WAV_FRAME - got, n;

		if (reader->in_pos == reader->in_len)
			refill(reader);
		n = convert(reader, pcm + got, reader->left < room ? (size_t)reader->left : room);
		got += n;
		reader->left -= n;
	}
	return (int)got;
}

int cf_wav_reader_rewind(struct cf_wav_reader *reader)
{
	int err;

	if (sf_seek(reader->file, 0, SEEK_SET) != 0)
		return CF_EIO;
	err = make_resampler(reader);
	if (!err)
		start_over(reader);
	return err ? CF_EIO : 0;
}

uint64_t cf_wav_reader_length(const struct cf_wav_reader *reader)
{
	return (reader->frames * CF_WAV_RATE + reader->rate / 2) / reader->rate;
}

struct cf_wav_writer {
	int fd;
	uint32_t data_len;
	unsigned since_sync;
};

static void put_le(uint8_t *p, uint32_t v, size_t n)
{
	for (size_t i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static int write_all(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n) {
		ssize_t done = pwrite(fd, p, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return CF_EIO;
		p += done;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

/* The canonical 44 bytes: RIFF, fmt (PCM, mono, 48 kHz, 16 bit), data. */
static int write_header(struct cf_wav_writer *w)
{
	uint8_t h[HEADER_LEN];

	memcpy(h, "RIFF????WAVEfmt ", 16);
	put_le(h + 4, w->data_len + HEADER_LEN - 8, 4);
	put_le(h + 16, 16, 4);
	put_le(h + 20, 1, 2);
	put_le(h + 22, 1, 2);
	put_le(h + 24, CF_WAV_RATE, 4);
	put_le(h + 28, CF_WAV_RATE * 2, 4);
	put_le(h + 32, 2, 2);
	put_le(h + 34, 16, 2);
	memcpy(h + 36, "data", 4);
	put_le(h + 40, w->data_len, 4);
	w->since_sync = 0;
	return write_all(w->fd, h, sizeof(h), 0);
}

int cf_wav_writer_open(struct cf_wav_writer **ret_writer, const char *path)
{
	struct cf_wav_writer *w = cf_alloc(sizeof(*w));
	int err;

	if (!w)
		return CF_ENOMEM;
	w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	err = w->fd < 0 ? cf_media_file_error(errno) : write_header(w);
	if (err) {
		if (w->fd >= 0)
			close(w->fd);
		cf_free(w);
		return err;
	}
	*ret_writer = w;
	return 0;
}

static int append(struct cf_wav_writer *w, const int16_t *pcm, size_t n)
{
	uint8_t bytes[2 * CF_WAV_FRAME];
	int err;

	for (size_t i = 0; i < n; i++)
		put_le(bytes + 2 * i, (uint16_t)pcm[i], 2);
	err = write_all(w->fd, bytes, 2 * n, (off_t)HEADER_LEN + w->data_len);
	if (!err)
		w->data_len += (uint32_t)(2 * n);
	return err;
}

int cf_wav_writer_write(struct cf_wav_writer *writer, const int16_t *pcm, size_t n)
{
	int err = 0;

	if (n > (MAX_DATA - writer->data_len) / 2)
		return CF_ELIMIT;
	while (n && !err) {
		size_t part = n < CF_WAV_FRAME ? n : CF_WAV_FRAME;

		err = append(writer, pcm, part);
		pcm += part;
		n -= part;
	}
	if (!err && ++writer->since_sync >= CF_WAV_SYNC_FRAMES)
		err = write_header(writer);
	return err;
}

int cf_wav_writer_close(struct cf_wav_writer *writer)
{
	int err;

	if (!writer)
		return 0;
	err = write_header(writer);
	if (close(writer->fd) < 0)
		err = CF_EIO;
	cf_free(writer);
	return err;
}
